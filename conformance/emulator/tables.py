"""
Key attributes of DynamoDB tables, read from ministack's store.

Two who must not know each other need them: the condition key dynamodb:LeadingKeys, and
the trail, which tells an item's key and nothing else of it.
"""

from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import dynamodb


def key_attributes(table: str, index: str | None = None) -> tuple[str, ...]:
    """
    Names of the key attributes of a table (name or ARN) or of one of its indexes.

    The partition key comes first; empty for what is not there. Account and region are
    the ARN's, or those of the request being served.
    """
    parts = table.split(":")
    account = parts[4] if len(parts) == 6 else get_account_id()
    found = dynamodb._tables.get_scoped(account, get_region(), table.rpartition("/")[2]) or {}
    schema: list[dict[str, Any]] = found.get("KeySchema") or []
    if index:
        indexes = [
            *(found.get("GlobalSecondaryIndexes") or []),
            *(found.get("LocalSecondaryIndexes") or []),
        ]
        schema = next((i["KeySchema"] for i in indexes if i["IndexName"] == index), [])
    partition_first = sorted(schema, key=lambda key: key["KeyType"] != "HASH")
    return tuple(key["AttributeName"] for key in partition_first)
