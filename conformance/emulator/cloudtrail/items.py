"""
What is told of DynamoDB's items: which, and never what is in them.

Batches and transactions name many items of many tables, each in a form of its own; the
record lists them alike. Bodies are taken as they come: a request that DynamoDB refuses is
recorded too, so nothing here may trip over its shape.

Source: DynamoDB developer guide, "Understanding DynamoDB log file entries".
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from conformance.emulator.cloudtrail.operations import small
from conformance.emulator.tables import key_attributes

TABLE_OPERATIONS = frozenset(
    name
    for verb in ("Create", "Delete", "Describe", "Update")
    for name in (f"{verb}Table", f"{verb}TimeToLive", f"{verb}ContinuousBackups")
) | {
    "DeleteResourcePolicy",
    "GetResourcePolicy",
    "ListTables",
    "ListTagsOfResource",
    "PutResourcePolicy",
    "TagResource",
    "UntagResource",
}
"""About tables: told whole, as those of any service."""

# "Non-key attribute values ... don't appear in the logs of actions using the classic API".
_TOLD = (
    "TableName",
    "IndexName",
    "ConditionExpression",
    "ConsistentRead",
    "ExpressionAttributeNames",
    "FilterExpression",
    "KeyConditionExpression",
    "Limit",
    "ProjectionExpression",
    "ReturnConsumedCapacity",
    "ReturnItemCollectionMetrics",
    "ReturnValues",
    "ReturnValuesOnConditionCheckFailure",
    "ScanIndexForward",
    "Select",
    "UpdateExpression",
)


class _Request(NamedTuple):
    """One item of a batch or transaction."""

    table: str
    operation: str
    """`Put`, `Delete` and so on; empty for a key that is read."""
    asked: Mapping[str, Any]


def parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """requestParameters of an operation on items."""
    told = _item(given, str(given.get("TableName", "")))
    requests = [
        {"tableName": of.table, **({"operation": of.operation} if of.operation else {})}
        | _item(of.asked, of.table)
        for of in _requests(given)
    ]
    return told | ({"requestItems": requests} if requests else {})


def tables(given: Mapping[str, Any]) -> Iterator[str]:
    """Names or ARNs of all tables that a request names."""
    if isinstance(given.get("TableName"), str):
        yield given["TableName"]
    yield from (of.table for of in _requests(given) if of.table)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _requests(given: Mapping[str, Any]) -> Iterator[_Request]:
    for table, asked in _mapping(given.get("RequestItems")).items():
        for key in _list(_mapping(asked).get("Keys")):
            yield _Request(table, "", {"Key": key})
        for write in _list(asked):
            for kind, of in _mapping(write).items():
                yield _Request(table, kind.removesuffix("Request"), _mapping(of))
    for member in _list(given.get("TransactItems")):
        for kind, of in _mapping(member).items():
            yield _Request(str(_mapping(of).get("TableName", "")), kind, _mapping(of))


def _item(asked: Mapping[str, Any], table: str) -> dict[str, Any]:
    told = {small(name): asked[name] for name in _TOLD if name in asked}
    item, key = _mapping(asked.get("Item")), _mapping(asked.get("Key"))
    if item:
        key = {name: item[name] for name in key_attributes(table) if name in item}
        told["items"] = list(item)
    if key:
        told["key"] = {name: _plain(value) for name, value in key.items()}
    return told


def _plain(value: Any) -> Any:
    """`{"S": "x"}` is x."""
    return next(iter(value.values()), None) if isinstance(value, Mapping) else value
