"""
Tables that are paid per request, as every scenario wants them.

DynamoDB makes and removes tables slowly, so both ends are waited for.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from conformance.terraform.provider.connection import Connection, found
from conformance.terraform.provider.resource import DataSource, FailedError, Resource
from conformance.terraform.provider.values import Values, as_pairs, from_pairs, tag_changes

_ABSENT: Final = ("ResourceNotFoundException",)


class Table(Resource):
    name = "aws_dynamodb_table"
    accepts = frozenset(
        {
            "attribute",
            "billing_mode",
            "global_secondary_index",
            "hash_key",
            "name",
            "range_key",
            "tags",
            "timeouts",
        }
    )
    # The real provider changes indexes in place; here a table with other indexes is another one.
    replace = frozenset({"global_secondary_index", "hash_key", "name", "range_key"})
    defaults: ClassVar[Mapping[str, Any]] = {
        "deletion_protection_enabled": False,
        "stream_enabled": False,
        "table_class": "STANDARD",
    }
    computed_blocks = frozenset({"point_in_time_recovery", "ttl"})

    def create(self, aws: Connection, want: Values) -> Values:
        if want["billing_mode"] != "PAY_PER_REQUEST":
            raise ValueError(f"billing_mode {want['billing_mode']!r} is not served")
        request = {
            "TableName": want["name"],
            "AttributeDefinitions": [
                {"AttributeName": each["name"], "AttributeType": each["type"]}
                for each in want["attribute"]
            ],
            "KeySchema": _keys(want),
            "BillingMode": want["billing_mode"],
            "GlobalSecondaryIndexes": [
                {
                    "IndexName": index["name"],
                    "KeySchema": _keys(index),
                    "Projection": {"ProjectionType": index["projection_type"]},
                }
                for index in want["global_secondary_index"]
            ],
            "Tags": as_pairs(want["tags_all"]),
        }
        given = {member: value for member, value in request.items() if value}
        aws.client("dynamodb").create_table(**given)
        return {"id": want["name"], "name": want["name"]}

    def ready(self, aws: Connection, state: Values, within: float) -> None:
        def status() -> str:
            return str((_describe(aws, state["id"]) or {}).get("TableStatus", "gone"))

        aws.wait(f"table {state['id']} active", status, lambda seen: seen == "ACTIVE", within)

    def read(self, aws: Connection, state: Values) -> Values | None:
        seen = _describe(aws, state["id"])
        if seen is None:
            return None
        dynamodb = aws.client("dynamodb")
        answer = found(_ABSENT, dynamodb.list_tags_of_resource, ResourceArn=seen["TableArn"])
        tags = from_pairs((answer or {}).get("Tags", ()))
        return _flat(seen) | {
            "point_in_time_recovery": [{"enabled": False, "recovery_period_in_days": 0}],
            "tags": aws.user_tags(tags, state),
            "tags_all": tags,
            "ttl": [{"attribute_name": "", "enabled": False}],
        }

    def update(self, aws: Connection, was: Values, want: Values) -> None:
        dynamodb, arn = aws.client("dynamodb"), was["arn"]
        removed, added = tag_changes(was["tags_all"] or {}, want["tags_all"] or {})
        if removed:
            dynamodb.untag_resource(ResourceArn=arn, TagKeys=removed)
        if added:
            dynamodb.tag_resource(ResourceArn=arn, Tags=as_pairs(added))

    def delete(self, aws: Connection, state: Values, within: float) -> None:
        name = state["id"]
        found(_ABSENT, aws.client("dynamodb").delete_table, TableName=name)
        aws.wait(
            f"table {name} gone", lambda: _describe(aws, name), lambda seen: seen is None, within
        )

    def identify(self, import_id: str) -> Values:
        return {"id": import_id, "name": import_id}


class TableData(DataSource):
    name = "aws_dynamodb_table"
    accepts = frozenset({"name"})

    def read(self, aws: Connection, config: Values) -> Values:
        seen = _describe(aws, config["name"])
        if seen is None:
            raise FailedError(f"no table is named {config['name']} in {aws.region}")
        tags = aws.client("dynamodb").list_tags_of_resource(ResourceArn=seen["TableArn"])
        return _flat(seen) | {"tags": from_pairs(tags.get("Tags", ()))}


def _describe(aws: Connection, name: str) -> Values | None:
    answer = found(_ABSENT, aws.client("dynamodb").describe_table, TableName=name)
    return None if answer is None else answer["Table"]


def _keys(of: Mapping[str, Any]) -> list[Values]:
    kinds = {"HASH": of["hash_key"], "RANGE": of["range_key"]}
    return [{"AttributeName": name, "KeyType": kind} for kind, name in kinds.items() if name]


def _flat(seen: Mapping[str, Any]) -> Values:
    billing = seen.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
    return {
        "arn": seen["TableArn"],
        "attribute": [
            {"name": each["AttributeName"], "type": each["AttributeType"]}
            for each in seen["AttributeDefinitions"]
        ],
        "billing_mode": billing,
        "deletion_protection_enabled": seen.get("DeletionProtectionEnabled", False),
        "global_secondary_index": [
            {
                "name": index["IndexName"],
                **_named_keys(index["KeySchema"]),
                "projection_type": index["Projection"]["ProjectionType"],
                "non_key_attributes": index["Projection"].get("NonKeyAttributes", []),
                "on_demand_throughput": [],
                # Nothing is provisioned, and a configuration that says so is no other one.
                "read_capacity": None,
                "write_capacity": None,
            }
            for index in seen.get("GlobalSecondaryIndexes", ())
        ],
        **_named_keys(seen["KeySchema"]),
        "id": seen["TableName"],
        "name": seen["TableName"],
        "read_capacity": 0,
        "stream_enabled": False,
        "table_class": seen.get("TableClassSummary", {}).get("TableClass", "STANDARD"),
        "write_capacity": 0,
    }


def _named_keys(schema: list[Mapping[str, str]]) -> Values:
    by_kind = {key["KeyType"]: key["AttributeName"] for key in schema}
    return {"hash_key": by_kind["HASH"], "range_key": by_kind.get("RANGE", "")}
