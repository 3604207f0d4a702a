"""
Queues and their policies.

The id of both is the queue's URL, as SQS has it. The real provider waits half a
minute until attributes are the same on every host of SQS; where this one works a
queue is on one host.
"""

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from conformance.terraform.provider.connection import Connection, found, unique_name
from conformance.terraform.provider.resource import DataSource, FailedError, Resource
from conformance.terraform.provider.values import Values, own, tag_changes

_ABSENT: Final = (
    "AWS.SimpleQueueService.NonExistentQueue",
    "QueueDoesNotExist",
    "com.amazonaws.sqs#QueueDoesNotExist",
)
_NUMBERS: Final = {
    "delay_seconds": "DelaySeconds",
    "max_message_size": "MaximumMessageSize",
    "message_retention_seconds": "MessageRetentionPeriod",
    "receive_wait_time_seconds": "ReceiveMessageWaitTimeSeconds",
    "visibility_timeout_seconds": "VisibilityTimeout",
}
_FLAGS: Final = {"content_based_deduplication": "ContentBasedDeduplication"}


class Queue(Resource):
    name = "aws_sqs_queue"
    accepts = frozenset({"fifo_queue", "name", "name_prefix", "tags", *_NUMBERS, *_FLAGS})
    replace = frozenset({"fifo_queue", "name", "name_prefix"})
    defaults: ClassVar[Mapping[str, Any]] = {
        "content_based_deduplication": False,
        "delay_seconds": 0,
        "fifo_queue": False,
        "max_message_size": 262144,
        "message_retention_seconds": 345600,
        "receive_wait_time_seconds": 0,
        "visibility_timeout_seconds": 30,
    }
    policies = frozenset({"policy"})

    def create(self, aws: Connection, want: Values) -> Values:
        ending = ".fifo" if want["fifo_queue"] else ""
        name = want["name"] or unique_name(want["name_prefix"]) + ending
        attributes = _attributes(want, (*_NUMBERS, *_FLAGS) if ending else _NUMBERS)
        if ending:
            attributes["FifoQueue"] = "true"
        tags = {"tags": want["tags_all"]} if want["tags_all"] else {}
        answer = aws.client("sqs").create_queue(QueueName=name, Attributes=attributes, **tags)
        return {"id": answer["QueueUrl"], "name": name, "name_prefix": want["name_prefix"]}

    def read(self, aws: Connection, state: Values) -> Values | None:
        sqs, url = aws.client("sqs"), state["id"]
        seen = _describe(aws, url)
        if seen is None:
            return None
        tags = own((found(_ABSENT, sqs.list_queue_tags, QueueUrl=url) or {}).get("Tags", {}))
        return {
            "arn": seen["QueueArn"],
            "fifo_queue": seen.get("FifoQueue") == "true",
            "id": url,
            "kms_data_key_reuse_period_seconds": int(seen.get("KmsDataKeyReusePeriodSeconds", 300)),
            "name": seen["QueueArn"].rpartition(":")[2],
            "policy": seen.get("Policy", ""),
            "sqs_managed_sse_enabled": seen.get("SqsManagedSseEnabled") == "true",
            "tags": aws.user_tags(tags, state),
            "tags_all": tags,
            "url": url,
            **{name: int(seen[told]) for name, told in _NUMBERS.items() if told in seen},
            **{name: seen.get(told) == "true" for name, told in _FLAGS.items()},
        }

    def update(self, aws: Connection, was: Values, want: Values) -> None:
        sqs, url = aws.client("sqs"), want["id"]
        changed = [name for name in (*_NUMBERS, *_FLAGS) if was[name] != want[name]]
        if changed:
            sqs.set_queue_attributes(QueueUrl=url, Attributes=_attributes(want, changed))
        removed, added = tag_changes(was["tags_all"] or {}, want["tags_all"] or {})
        if removed:
            sqs.untag_queue(QueueUrl=url, TagKeys=removed)
        if added:
            sqs.tag_queue(QueueUrl=url, Tags=added)

    def delete(self, aws: Connection, state: Values, _within: float) -> None:
        found(_ABSENT, aws.client("sqs").delete_queue, QueueUrl=state["id"])

    def identify(self, import_id: str) -> Values:
        return {"id": import_id, "url": import_id}


class QueuePolicy(Resource):
    name = "aws_sqs_queue_policy"
    accepts = frozenset({"policy", "queue_url"})
    replace = frozenset({"queue_url"})
    policies = frozenset({"policy"})

    def create(self, aws: Connection, want: Values) -> Values:
        _put_policy(aws, want["queue_url"], want["policy"])
        return {"id": want["queue_url"], "queue_url": want["queue_url"]}

    def read(self, aws: Connection, state: Values) -> Values | None:
        policy = (_describe(aws, state["id"]) or {}).get("Policy")
        if not policy:
            return None
        return {"id": state["id"], "queue_url": state["id"], "policy": policy}

    def update(self, aws: Connection, _was: Values, want: Values) -> None:
        _put_policy(aws, want["id"], want["policy"])

    def delete(self, aws: Connection, state: Values, _within: float) -> None:
        found(
            _ABSENT,
            aws.client("sqs").set_queue_attributes,
            QueueUrl=state["id"],
            Attributes={"Policy": ""},
        )

    def identify(self, import_id: str) -> Values:
        return {"id": import_id, "queue_url": import_id}


class QueueData(DataSource):
    name = "aws_sqs_queue"
    accepts = frozenset({"name"})

    def read(self, aws: Connection, config: Values) -> Values:
        sqs = aws.client("sqs")
        answer = found(_ABSENT, sqs.get_queue_url, QueueName=config["name"])
        seen = None if answer is None else _describe(aws, answer["QueueUrl"])
        if answer is None or seen is None:
            raise FailedError(f"no queue is named {config['name']} in {aws.region}")
        url = answer["QueueUrl"]
        tags = own(sqs.list_queue_tags(QueueUrl=url).get("Tags", {}))
        return {"arn": seen["QueueArn"], "id": url, "tags": tags, "url": url}


def _describe(aws: Connection, url: str) -> Mapping[str, str] | None:
    answer = found(
        _ABSENT, aws.client("sqs").get_queue_attributes, QueueUrl=url, AttributeNames=["All"]
    )
    return None if answer is None else answer.get("Attributes", {})


def _attributes(want: Values, names: Any) -> dict[str, str]:
    """Every value a text, numbers without a point, as SQS has them."""
    return {(_NUMBERS | _FLAGS)[name]: json.dumps(want[name]) for name in names}


def _put_policy(aws: Connection, url: str, policy: str) -> None:
    aws.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
