"""
Everything that a stack made and named, with its tags.

The sweep finds what a killed run left by the tag `conformance:run`, and by nothing else.
"""

from collections.abc import Iterator
from typing import Final

from conformance.terraform.checking.behind import Behind
from conformance.terraform.provider.connection import found
from conformance.terraform.provider.values import from_pairs

_NO_TAGS: Final = ("NoSuchTagSet",)


def tagged(behind: Behind, prefix: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Kind, name and tags of all in one account whose name begins with the prefix."""
    iam, s3, sqs = behind.client("iam"), behind.client("s3"), behind.client("sqs")
    ours = f"{prefix}-"
    for page in iam.get_paginator("list_roles").paginate():
        for name in (each["RoleName"] for each in page["Roles"]):
            if name.startswith(ours):
                yield "roles", name, from_pairs(iam.list_role_tags(RoleName=name)["Tags"])
    for page in iam.get_paginator("list_policies").paginate(Scope="Local"):
        for each in page["Policies"]:
            if each["PolicyName"].startswith(ours):
                tags = iam.list_policy_tags(PolicyArn=each["Arn"])["Tags"]
                yield "policies", each["PolicyName"], from_pairs(tags)
    for name in (each["Name"] for each in s3.list_buckets()["Buckets"]):
        if name.startswith(ours):
            answer = found(_NO_TAGS, s3.get_bucket_tagging, Bucket=name) or {"TagSet": []}
            yield "buckets", name, from_pairs(answer["TagSet"])
    dynamodb = behind.client("dynamodb")
    for name in dynamodb.list_tables()["TableNames"]:
        if name.startswith(ours):
            arn = dynamodb.describe_table(TableName=name)["Table"]["TableArn"]
            tags = dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"]
            yield "tables", name, from_pairs(tags)
    for url in sqs.list_queues(QueueNamePrefix=ours).get("QueueUrls", ()):
        yield "queues", url.rpartition("/")[2], sqs.list_queue_tags(QueueUrl=url).get("Tags", {})
