"""Buckets, their policies, and objects."""

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

from conformance.terraform.provider.connection import Connection, found, unique_name
from conformance.terraform.provider.emptying import KEYS_OF_ONE_DELETION, delete_versions
from conformance.terraform.provider.resource import Resource, split_id
from conformance.terraform.provider.values import Values, as_pairs, from_pairs

_ABSENT = ("404", "NoSuchBucket", "NoSuchKey", "NotFound")
_NO_TAGS = ("NoSuchTagSet", "NoSuchTagSetError")

# S3 takes a location for every region but this one (API reference, CreateBucket).
_REGION_WITHOUT_LOCATION = "us-east-1"


class Bucket(Resource):
    name = "aws_s3_bucket"
    accepts = frozenset({"bucket", "bucket_prefix", "force_destroy", "tags"})
    replace = frozenset({"bucket", "bucket_prefix"})
    defaults: ClassVar[Mapping[str, Any]] = {"force_destroy": False}
    computed_blocks = frozenset(
        {
            "cors_rule",
            "grant",
            "lifecycle_rule",
            "logging",
            "object_lock_configuration",
            "replication_configuration",
            "server_side_encryption_configuration",
            "versioning",
            "website",
        }
    )

    def create(self, aws: Connection, want: Values) -> Values:
        s3 = aws.client("s3")
        bucket = want["bucket"] or unique_name(want["bucket_prefix"])
        location = {"CreateBucketConfiguration": {"LocationConstraint": aws.region}}
        s3.create_bucket(
            Bucket=bucket, **({} if aws.region == _REGION_WITHOUT_LOCATION else location)
        )
        if want["tags_all"]:
            s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": as_pairs(want["tags_all"])})
        return {"id": bucket, "bucket": bucket, "bucket_prefix": want["bucket_prefix"]}

    def read(self, aws: Connection, state: Values) -> Values | None:
        s3, bucket = aws.client("s3"), state["id"]
        if found(_ABSENT, s3.head_bucket, Bucket=bucket) is None:
            return None
        tagging = found((*_NO_TAGS, *_ABSENT), s3.get_bucket_tagging, Bucket=bucket)
        tags = from_pairs((tagging or {}).get("TagSet", ()))
        return {
            "arn": f"arn:{aws.partition}:s3:::{bucket}",
            "bucket": bucket,
            "bucket_domain_name": f"{bucket}.s3.amazonaws.com",
            "bucket_regional_domain_name": f"{bucket}.s3.{aws.region}.amazonaws.com",
            "id": bucket,
            "region": aws.region,
            "tags": aws.user_tags(tags, state),
            "tags_all": tags,
        }

    def update(self, aws: Connection, was: Values, want: Values) -> None:
        if was["tags_all"] == want["tags_all"]:
            return
        s3, bucket = aws.client("s3"), want["id"]
        if want["tags_all"]:
            s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": as_pairs(want["tags_all"])})
        else:
            s3.delete_bucket_tagging(Bucket=bucket)

    def delete(self, aws: Connection, state: Values, _within: float) -> None:
        s3, bucket = aws.client("s3"), state["id"]
        if state["force_destroy"] and found(_ABSENT, s3.head_bucket, Bucket=bucket) is not None:
            _empty(aws, bucket)
        found(_ABSENT, s3.delete_bucket, Bucket=bucket)

    def identify(self, import_id: str) -> Values:
        return {"id": import_id, "bucket": import_id, "force_destroy": False}


def _empty(aws: Connection, bucket: str) -> None:
    s3 = aws.client("s3")
    for page in s3.get_paginator("list_object_versions").paginate(
        Bucket=bucket, PaginationConfig={"PageSize": KEYS_OF_ONE_DELETION}
    ):
        versions = [
            {"Key": each["Key"], "VersionId": each["VersionId"]}
            for each in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
        ]
        delete_versions(s3, bucket, versions)


class BucketPolicy(Resource):
    name = "aws_s3_bucket_policy"
    accepts = frozenset({"bucket", "policy"})
    replace = frozenset({"bucket"})
    policies = frozenset({"policy"})

    def create(self, aws: Connection, want: Values) -> Values:
        aws.client("s3").put_bucket_policy(Bucket=want["bucket"], Policy=want["policy"])
        return {"id": want["bucket"], "bucket": want["bucket"]}

    def read(self, aws: Connection, state: Values) -> Values | None:
        bucket = state["id"]
        absent = ("NoSuchBucketPolicy", *_ABSENT)
        answer = found(absent, aws.client("s3").get_bucket_policy, Bucket=bucket)
        if answer is None:
            return None
        return {"id": bucket, "bucket": bucket, "policy": answer["Policy"]}

    def update(self, aws: Connection, _was: Values, want: Values) -> None:
        aws.client("s3").put_bucket_policy(Bucket=want["bucket"], Policy=want["policy"])

    def delete(self, aws: Connection, state: Values, _within: float) -> None:
        found(_ABSENT, aws.client("s3").delete_bucket_policy, Bucket=state["bucket"])

    def identify(self, import_id: str) -> Values:
        return {"id": import_id, "bucket": import_id}


class Object(Resource):
    name = "aws_s3_object"
    accepts = frozenset({"bucket", "content", "content_type", "force_destroy", "key", "tags"})
    replace = frozenset({"bucket", "key"})
    defaults: ClassVar[Mapping[str, Any]] = {"force_destroy": False}
    renewed: ClassVar[Mapping[str, frozenset[str]]] = {"content": frozenset({"etag", "version_id"})}

    def create(self, aws: Connection, want: Values) -> Values:
        self._put(aws, want)
        return {"id": want["key"], "bucket": want["bucket"], "key": want["key"]}

    def read(self, aws: Connection, state: Values) -> Values | None:
        s3, where = aws.client("s3"), {"Bucket": state["bucket"], "Key": state["key"]}
        head = found(_ABSENT, s3.head_object, **where)
        if head is None:
            return None
        tagging = found((*_NO_TAGS, *_ABSENT), s3.get_object_tagging, **where)
        tags = from_pairs((tagging or {}).get("TagSet", ()))
        return {
            "arn": f"arn:{aws.partition}:s3:::{state['bucket']}/{state['key']}",
            "content_type": head.get("ContentType"),
            "etag": head["ETag"].strip('"'),
            "id": state["key"],
            "storage_class": head.get("StorageClass", "STANDARD"),
            "tags": aws.user_tags(tags, state),
            "tags_all": tags,
            "version_id": head.get("VersionId", ""),
        }

    def update(self, aws: Connection, was: Values, want: Values) -> None:
        if any(was[name] != want[name] for name in ("content", "content_type")):
            self._put(aws, want)
        elif was["tags_all"] != want["tags_all"]:
            aws.client("s3").put_object_tagging(
                Bucket=want["bucket"],
                Key=want["key"],
                Tagging={"TagSet": as_pairs(want["tags_all"])},
            )

    def delete(self, aws: Connection, state: Values, _within: float) -> None:
        s3 = aws.client("s3")
        found(_ABSENT, s3.delete_object, Bucket=state["bucket"], Key=state["key"])

    def identify(self, import_id: str) -> Values:
        bucket, key = split_id(import_id.removeprefix("s3://"), "/", "bucket/key")
        return {"id": key, "bucket": bucket, "key": key}

    @staticmethod
    def _put(aws: Connection, want: Values) -> None:
        optional = {
            "ContentType": want["content_type"],
            "Tagging": urlencode(want["tags_all"] or {}),
        }
        aws.client("s3").put_object(
            Bucket=want["bucket"],
            Key=want["key"],
            Body=(want["content"] or "").encode(),
            **{key: value for key, value in optional.items() if value},
        )
