"""What runs leave in S3, DynamoDB and SQS."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from conformance.sweep.calls import Clients, ask, code_of, pages, pairs
from conformance.sweep.finds import Each, Found
from conformance.terraform.provider.emptying import delete_versions


def find_buckets(clients: Clients, each: Each) -> Iterator[Found]:
    s3 = clients("s3")

    def look(bucket: dict[str, Any]) -> Found | None:
        handle = {"Bucket": bucket["Name"]}
        try:
            tags = pairs(s3.get_bucket_tagging(**handle)["TagSet"])
        except ClientError as error:
            if code_of(error) == "NoSuchBucket":
                return None
            if code_of(error) != "NoSuchTagSet":
                raise
            tags = {}
        return Found("bucket", bucket["Name"], tags, bucket["CreationDate"], handle)

    yield from each(look, s3.list_buckets()["Buckets"])


def remove_bucket(clients: Clients, found: Found) -> int:
    """With every version of every object, and uploads that never ended."""
    s3, bucket = clients("s3"), found.handle
    # A scenario may have denied everything to everybody; the owner may still take that back.
    ask(s3.delete_bucket_policy, **bucket)
    for upload in list(pages(s3, "list_multipart_uploads", "Uploads", **bucket)):
        ask(s3.abort_multipart_upload, Key=upload["Key"], UploadId=upload["UploadId"], **bucket)
    versions = [
        {"Key": version["Key"], "VersionId": version["VersionId"]}
        for part in ("Versions", "DeleteMarkers")
        for version in pages(s3, "list_object_versions", part, **bucket)
    ]
    ask(delete_versions, s3=s3, bucket=bucket["Bucket"], versions=versions)
    keys = {version["Key"] for version in versions}
    return len(keys) + (ask(s3.delete_bucket, **bucket) is not None)


def find_tables(clients: Clients, each: Each) -> Iterator[Found]:
    dynamodb = clients("dynamodb")

    def look(name: str) -> Found | None:
        answer = ask(dynamodb.describe_table, TableName=name)
        if answer is None or answer["Table"]["TableStatus"] == "DELETING":
            return None
        table = answer["Table"]
        tags = pairs(
            pages(dynamodb, "list_tags_of_resource", "Tags", ResourceArn=table["TableArn"])
        )
        return Found("table", name, tags, table["CreationDateTime"], {"TableName": name})

    yield from each(look, pages(dynamodb, "list_tables", "TableNames"))


def remove_table(clients: Clients, found: Found) -> int:
    return int(ask(clients("dynamodb").delete_table, **found.handle) is not None)


def find_queues(clients: Clients, each: Each) -> Iterator[Found]:
    sqs = clients("sqs")

    def look(url: str) -> Found | None:
        handle = {"QueueUrl": url}
        answer = ask(sqs.list_queue_tags, **handle)
        told = ask(sqs.get_queue_attributes, AttributeNames=["CreatedTimestamp"], **handle)
        if answer is None or told is None:
            return None
        made = datetime.fromtimestamp(int(told["Attributes"]["CreatedTimestamp"]), UTC)
        return Found("queue", url.rpartition("/")[2], answer.get("Tags", {}), made, handle)

    yield from each(look, pages(sqs, "list_queues", "QueueUrls"))


def remove_queue(clients: Clients, found: Found) -> int:
    """Listed for up to a minute after it has gone (API reference, DeleteQueue)."""
    return int(ask(clients("sqs").delete_queue, **found.handle) is not None)
