"""
Which attributes a request to DynamoDB touches, and whether it says which it wants back.

ministack sees only those of a projection, so a policy that names the attributes somebody
may write lets every attribute through: ForAllValues holds of an empty list (gap 35). And it
gives writes a dynamodb:Select, which only reads have, so a policy as IAM's own guide writes
it refuses them.

Sources: DynamoDB developer guide, "Using IAM policy conditions for fine-grained access
control" (attributes that are named in a request, key attributes among them); IAM user guide,
"Amazon DynamoDB: Allows access to specific attributes" (Select with IfExists, for writes).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

READS = frozenset({"GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems"})
"""Operations that have a dynamodb:Select."""

_ITEMS = ("Key", "Item")
_EXPRESSIONS = (
    "ProjectionExpression", "KeyConditionExpression", "FilterExpression", "UpdateExpression",
    "ConditionExpression",
)  # fmt: skip
_LEGACY = ("KeyConditions", "QueryFilter", "ScanFilter", "AttributeUpdates", "Expected")

# The first part of a path: not a value (`:v`), not a later part (`.b`), not a function.
_NAME = re.compile(r"(?<![\w.:#-])([#A-Za-z_][\w-]*)(?![\w-]*\s*\()")
_WORDS = frozenset({"SET", "REMOVE", "ADD", "DELETE", "AND", "OR", "NOT", "BETWEEN", "IN"})


def attributes(request: Mapping[str, Any]) -> list[str]:
    """Top-level attributes that a request names, each once; empty for one that names none."""
    return list(dict.fromkeys(_named(request)))


def _named(request: Mapping[str, Any]) -> Iterator[str]:
    for detail in _details(request):
        for member in (*_ITEMS, *_LEGACY):
            yield from _mapping(detail.get(member))
        for key in _list(detail.get("Keys")):
            yield from _mapping(key)
        yield from (name for name in _list(detail.get("AttributesToGet")) if isinstance(name, str))
        names = _mapping(detail.get("ExpressionAttributeNames"))
        for expression in _EXPRESSIONS:
            for name in _NAME.findall(str(detail.get(expression) or "")):
                if name.upper() not in _WORDS:
                    yield str(names.get(name, name))


def _details(request: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The request itself, and each part of a batch or transaction."""
    yield request
    for batch in _mapping(request.get("RequestItems")).values():
        yield _mapping(batch)
        for write in _list(batch):
            yield from map(_mapping, _mapping(write).values())
    for member in _list(request.get("TransactItems")):
        yield from map(_mapping, _mapping(member).values())


def _mapping(value: object) -> Mapping[str, Any]:
    """What is no object is left to the service to refuse."""
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> Iterable[Any]:
    return value if isinstance(value, list) else ()
