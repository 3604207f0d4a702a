"""
The services that are recorded, as data: how the events of each look.

One more service is one more row here and a reader in `operations`. Versions, names and
what counts as a data event differ from service to service without a rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """How one service's events look."""

    host: str
    """Of its endpoint; `{region}` and `{bucket}` are filled in."""
    version: str = "1.09"
    """eventVersion, as seen in the service's events; it differs from service to service."""
    region: str = ""
    """Where its events go; empty for the region of the call. IAM is global."""
    data: frozenset[str] = frozenset()
    """Operations that are data events."""
    api_version: str = ""


SOURCES: Mapping[str, Source] = {
    "eks": Source("eks.{region}.amazonaws.com", "1.08"),
    "eks-auth": Source("eks-auth.{region}.api.aws"),
    "sts": Source("sts.{region}.amazonaws.com", "1.08"),
    "iam": Source("iam.amazonaws.com", region="us-east-1"),
    "s3": Source(
        "{bucket}s3.{region}.amazonaws.com",
        # Source: S3 user guide, "Amazon S3 CloudTrail events", and every call about a key.
        data=frozenset(
            {"DeleteObjects", "HeadBucket", "ListObjects", "ListObjectsV2", "ListObjectVersions"}
        ),
    ),
    "dynamodb": Source(
        "dynamodb.{region}.amazonaws.com",
        data=frozenset(
            {
                *("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan"),
                *("BatchGetItem", "BatchWriteItem", "TransactGetItems", "TransactWriteItems"),
                *("ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"),
            }
        ),
        api_version="2012-08-10",
    ),
    "sqs": Source(
        "sqs.{region}.amazonaws.com",
        data=frozenset(
            {
                *("SendMessage", "SendMessageBatch", "ReceiveMessage", "DeleteMessage"),
                *("DeleteMessageBatch", "ChangeMessageVisibility", "ChangeMessageVisibilityBatch"),
            }
        ),
    ),
    "cloudtrail": Source("cloudtrail.{region}.amazonaws.com", "1.08"),
}
"""Every service that is recorded."""

S3_NAMES: Mapping[str, str] = {
    "ListObjectsV2": "ListObjects",
    "GetBucketLifecycleConfiguration": "GetBucketLifecycle",
    "PutBucketLifecycleConfiguration": "PutBucketLifecycle",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "DeletePublicAccessBlock": "DeleteBucketPublicAccessBlock",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
}
"""Calls of S3 that CloudTrail names otherwise than the API does (S3 user guide)."""
