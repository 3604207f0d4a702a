"""
What a call was about: `resources` of the record, and those that it is looked up by.

The two differ. LookupEvents finds an AssumeRoleForPodIdentity by its cluster, which the
record's `resources` does not list; an AssumeRole by the access key that it made. Sources:
events of real clusters for EKS Auth and STS; service user guides, "CloudTrail log file
entries", for S3, DynamoDB and SQS.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from ministack.services import s3

from conformance.emulator.cloudtrail.items import tables
from conformance.emulator.cloudtrail.operations import Operation


@dataclass(frozen=True)
class Resource:
    """`arn` is empty for what the record does not list; `name` for what is not looked up."""

    type: str
    name: str = ""
    arn: str = ""
    account: str = ""

    @property
    def listed(self) -> dict[str, str]:
        """In the record."""
        owner = {"accountId": self.account} if self.account else {}
        return {**owner, "type": self.type, "ARN": self.arn}


@dataclass(frozen=True)
class Where:
    """Account and region of a request."""

    account: str
    region: str

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


def resources(operation: Operation, where: Where) -> tuple[Resource, ...]:
    """Of one call; empty where it names none."""
    find = _FINDERS.get(operation.service)
    return tuple(dict.fromkeys(find(operation, where))) if find else ()


def _clusters(operation: Operation, _: Where) -> Iterator[Resource]:
    name = operation.given.get("clusterName") or operation.given.get("name")
    if isinstance(name, str):
        yield Resource("AWS::EKS::Cluster", name)


def _assumed(operation: Operation, _: Where) -> Iterator[Resource]:
    arn = operation.given.get("RoleArn")
    if isinstance(arn, str) and arn.count(":") >= 5:
        yield role(arn)


def role(arn: str) -> Resource:
    return Resource("AWS::IAM::Role", arn, arn, arn.split(":")[4])


def made_by_assuming(access_key_id: str, arn: str, role_id: str) -> tuple[Resource, ...]:
    """What an AssumeRole is looked up by besides its role, in CloudTrail's order."""
    kind = "AWS::STS::AssumedRole"
    return (
        Resource("AWS::IAM::AccessKey", access_key_id),
        Resource(kind, arn),
        Resource(kind, role_id),
        Resource(kind, role_id.partition(":")[2]),
    )


_IAM_NAMES = {
    "RoleName": "AWS::IAM::Role",
    "UserName": "AWS::IAM::User",
    "GroupName": "AWS::IAM::Group",
    "PolicyArn": "AWS::IAM::Policy",
    "PolicyName": "AWS::IAM::Policy",
    "InstanceProfileName": "AWS::IAM::InstanceProfile",
    "AccessKeyId": "AWS::IAM::AccessKey",
}


def _iam(operation: Operation, _: Where) -> Iterator[Resource]:
    for parameter, kind in _IAM_NAMES.items():
        if isinstance(operation.given.get(parameter), str):
            yield Resource(kind, operation.given[parameter])


def _s3(operation: Operation, _: Where) -> Iterator[Resource]:
    bucket, key = operation.given.get("Bucket"), operation.given.get("Key")
    if key:
        yield Resource("AWS::S3::Object", arn=f"arn:aws:s3:::{bucket}/{key}")
    if bucket:
        owner = s3._bucket_owner_account(bucket) or ""
        yield Resource("AWS::S3::Bucket", bucket, f"arn:aws:s3:::{bucket}", owner)


def _tables(operation: Operation, where: Where) -> Iterator[Resource]:
    for table in tables(operation.given):
        arn = table if table.startswith("arn:") else where.arn("dynamodb", f"table/{table}")
        if arn.count(":") >= 5:
            yield Resource("AWS::DynamoDB::Table", arn.rpartition("/")[2], arn, arn.split(":")[4])


def _queues(operation: Operation, where: Where) -> Iterator[Resource]:
    url, name, owner = operation.given.get("QueueUrl"), operation.given.get("QueueName"), ""
    if isinstance(url, str):
        owner, _, name = urlsplit(url).path.strip("/").partition("/")
    if isinstance(name, str) and name:
        of = Where(owner or where.account, where.region)
        yield Resource("AWS::SQS::Queue", name, of.arn("sqs", name), of.account)


_FINDERS: Mapping[str, Callable[[Operation, Where], Iterator[Resource]]] = {
    "eks": _clusters,
    "eks-auth": _clusters,
    "sts": _assumed,
    "iam": _iam,
    "s3": _s3,
    "dynamodb": _tables,
    "sqs": _queues,
}
