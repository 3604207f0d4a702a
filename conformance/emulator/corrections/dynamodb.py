"""
DynamoDB across accounts, and the condition keys that guard single items.

Rules restored: a table's resource policy is evaluated and another account's table
can be named by its ARN (gap 10; DynamoDB developer guide, "Cross-account access with
resource-based policies"); `dynamodb:LeadingKeys` is set (gap 6), without which
ForAllValues lets every key through; for attributes, see `dynamodb_attributes`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ministack.core import iam_actions
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import dynamodb

from conformance.emulator.aws import Aws
from conformance.emulator.corrections.dynamodb_attributes import READS, attributes
from conformance.emulator.corrections.enforcement import Answer, current
from conformance.emulator.tables import key_attributes

_EQUALS = r"{name}\s*=\s*(:\w+)"


def install(_: Aws) -> None:
    """Wrap DynamoDB's handler and condition keys."""
    original = dynamodb.handle_request
    original_context = iam_actions.dynamodb_service_context

    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Answer:
        table = _read(body).get("TableName")
        parts = table.split(":") if isinstance(table, str) else []
        owner = parts[4] if len(parts) == 6 else get_account_id()
        # The policies of both accounts have been asked; the owner's store has the table.
        with request_scope(owner, get_region()):
            answer: Answer = await original(method, path, headers, body, query)
        return answer

    def context(body: bytes) -> dict[str, Any]:
        keys: dict[str, Any] = original_context(body)
        request = _read(body)
        leading, named = list(leading_keys(request)), attributes(request)
        keys |= {"dynamodb:LeadingKeys": leading} if leading else {}
        keys |= {"dynamodb:Attributes": named} if named else {}
        if current().operation not in READS:
            keys.pop("dynamodb:Select", None)
        return keys

    dynamodb.handle_request = handle_request
    iam_actions.dynamodb_service_context = context


def _read(body: bytes) -> dict[str, Any]:
    try:
        read = json.loads(body or b"{}")
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _partition_key(table: str, index: str | None) -> str | None:
    """Name of the partition key of a table or of one of its indexes."""
    return next(iter(key_attributes(table, index)), None)


def _text(value: Any) -> Iterator[str]:
    """The value inside `{"S": "..."}`."""
    if isinstance(value, Mapping):
        yield from (str(inner) for inner in value.values())


def leading_keys(request: Mapping[str, Any]) -> Iterator[str]:
    """
    Values of the partition keys that a request names; none for a Scan.

    Source: DynamoDB developer guide, "Using IAM policy conditions for fine-grained
    access control".
    """
    for table, item in _items(request):
        key = _partition_key(table, None)
        if key:
            yield from _text(item.get(key))
    queried = request.get("TableName")
    if isinstance(queried, str) and (
        "KeyConditionExpression" in request or "KeyConditions" in request
    ):
        key = _partition_key(queried, request.get("IndexName"))
        if key:
            yield from _queried(request, key)


def _items(request: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each (table, key or item) that a request reads or writes."""
    table = request.get("TableName")
    if isinstance(table, str):
        yield from ((table, request[name]) for name in ("Key", "Item") if name in request)
    for name, batch in (request.get("RequestItems") or {}).items():
        if isinstance(batch, Mapping):
            yield from ((name, key) for key in batch.get("Keys") or [])
            continue
        for write in batch:
            yield from _items({"TableName": name, **write.get("PutRequest", {})})
            yield from _items({"TableName": name, **write.get("DeleteRequest", {})})
    for member in request.get("TransactItems") or []:
        for detail in member.values():
            yield from _items(detail)


def _queried(request: Mapping[str, Any], key: str) -> Iterator[str]:
    condition = (request.get("KeyConditions") or {}).get(key) or {}
    for value in condition.get("AttributeValueList") or []:
        yield from _text(value)
    names = request.get("ExpressionAttributeNames") or {}
    for name in (key, *(short for short, long in names.items() if long == key)):
        pattern = _EQUALS.format(name=rf"(?<![\w#]){re.escape(name)}")
        for placeholder in re.findall(pattern, str(request.get("KeyConditionExpression", ""))):
            yield from _text((request.get("ExpressionAttributeValues") or {}).get(placeholder))
