"""Data sources of IAM and S3: things that somebody else made."""

from collections.abc import Mapping
from typing import Any

from conformance.terraform.provider.connection import Connection, found
from conformance.terraform.provider.iam import ABSENT, flat_policy, flat_role
from conformance.terraform.provider.resource import DataSource, FailedError
from conformance.terraform.provider.values import Values, from_pairs

_NO_BUCKET = ("403", "404", "NoSuchBucket")


class RoleData(DataSource):
    name = "aws_iam_role"
    accepts = frozenset({"name"})

    def read(self, aws: Connection, config: Values) -> Values:
        answer = found(ABSENT, aws.client("iam").get_role, RoleName=config["name"])
        if answer is None:
            raise FailedError(f"no role is named {config['name']}")
        role: Mapping[str, Any] = answer["Role"]
        return flat_role(role) | {"tags": from_pairs(role.get("Tags", ()))}


class PolicyData(DataSource):
    name = "aws_iam_policy"
    accepts = frozenset({"arn"})

    def read(self, aws: Connection, config: Values) -> Values:
        seen = flat_policy(aws, config["arn"])
        if seen is None:
            raise FailedError(f"there is no policy {config['arn']}")
        tags = seen.pop("tags_all")
        return seen | {"tags": tags}


class BucketData(DataSource):
    name = "aws_s3_bucket"
    accepts = frozenset({"bucket"})

    def read(self, aws: Connection, config: Values) -> Values:
        bucket = config["bucket"]
        if found(_NO_BUCKET, aws.client("s3").head_bucket, Bucket=bucket) is None:
            raise FailedError(f"no bucket named {bucket} can be seen")
        return {
            "arn": f"arn:{aws.partition}:s3:::{bucket}",
            "bucket_domain_name": f"{bucket}.s3.amazonaws.com",
            "bucket_regional_domain_name": f"{bucket}.s3.{aws.region}.amazonaws.com",
            "id": bucket,
            "region": aws.region,
        }
