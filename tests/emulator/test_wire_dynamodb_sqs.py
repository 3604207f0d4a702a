import json
from typing import Any

import pytest

from conformance.emulator.corrections.dynamodb_attributes import attributes


@pytest.fixture
def orders(wire: Any) -> str:
    """A table with the items a and b; returns its ARN."""
    root, table = wire.client("dynamodb"), "orders"
    if table not in root.list_tables()["TableNames"]:
        root.create_table(
            TableName=table,
            AttributeDefinitions=[{"AttributeName": "owner", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "owner", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        for owner in ("a", "b"):
            root.put_item(TableName=table, Item={"owner": {"S": owner}})
    return str(root.describe_table(TableName=table)["Table"]["TableArn"])


def _key(owner: str) -> dict[str, Any]:
    return {"owner": {"S": owner}}


def test_denial_of_dynamodb_is_400_and_names_the_table(wire: Any, orders: str) -> None:
    session = wire.client("dynamodb", wire.node_session("ddb-none", []))
    code, status, text = wire.refused(session.get_item, TableName="orders", Key=_key("a"))
    assert (code, status) == ("AccessDeniedException", 400)
    assert f"dynamodb:GetItem on resource: {orders} because no identity-based policy" in text


def test_leading_keys_guard_single_items(wire: Any, orders: str) -> None:
    session = wire.client(
        "dynamodb",
        wire.node_session(
            "ddb-leading",
            [
                {
                    "Effect": "Allow",
                    "Action": "dynamodb:*",
                    "Resource": orders,
                    "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["a"]}},
                }
            ],
        ),
    )
    assert session.get_item(TableName="orders", Key=_key("a"))["Item"]
    values = {":o": {"S": "a"}}
    queried = {
        "TableName": "orders",
        "KeyConditionExpression": "#o = :o",
        "ExpressionAttributeNames": {"#o": "owner"},
    }
    assert session.query(**queried, ExpressionAttributeValues=values)["Count"] == 1
    other = {":o": {"S": "b"}}
    assert wire.refused(session.query, **queried, ExpressionAttributeValues=other)[1] == 400
    assert wire.refused(session.get_item, TableName="orders", Key=_key("b"))[1] == 400
    batch = {"orders": {"Keys": [_key("a"), _key("b")]}}
    assert wire.refused(session.batch_get_item, RequestItems=batch)[1] == 400
    write = {"orders": [{"PutRequest": {"Item": _key("b")}}]}
    assert wire.refused(session.batch_write_item, RequestItems=write)[1] == 400
    transaction = [{"Put": {"TableName": "orders", "Item": _key("b")}}]
    assert wire.refused(session.transact_write_items, TransactItems=transaction)[1] == 400


def test_attributes_guard_what_is_read_and_written(wire: Any, orders: str) -> None:
    # As the IAM user guide has it: "Amazon DynamoDB: Allows access to specific attributes".
    conditions = {
        "ForAllValues:StringEquals": {"dynamodb:Attributes": ["owner", "city"]},
        "StringEqualsIfExists": {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"},
    }
    actions = [f"dynamodb:{name}" for name in ("GetItem", "PutItem", "UpdateItem", "DeleteItem")]
    allow = {"Effect": "Allow", "Action": actions, "Resource": orders, "Condition": conditions}
    session = wire.client("dynamodb", wire.node_session("ddb-attributes", [allow]))
    item, secret = _key("c") | {"city": {"S": "Bonn"}}, {"salary": {"N": "1"}}
    session.put_item(TableName="orders", Item=item)
    assert wire.refused(session.put_item, TableName="orders", Item=item | secret)[1] == 400
    read = {"TableName": "orders", "Key": _key("c")}
    assert session.get_item(**read, ProjectionExpression="city")["Item"]
    assert wire.refused(session.get_item, **read)[1] == 400
    assert wire.refused(session.get_item, **read, ProjectionExpression="city, salary")[1] == 400
    change = read | {"ExpressionAttributeNames": {"#a": "salary"}}
    change |= {"ExpressionAttributeValues": {":v": {"S": "x"}}}
    assert wire.refused(session.update_item, **change, UpdateExpression="SET #a = :v")[1] == 400
    change["ExpressionAttributeNames"] = {"#a": "city"}
    session.update_item(**change, UpdateExpression="SET #a = :v")
    session.delete_item(**read)


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        ({"Key": {"id": {}}, "ProjectionExpression": "#a.b, c[0].d"}, ["id", "name", "c"]),
        ({"UpdateExpression": "SET a = if_not_exists(b, :v) + :w REMOVE c.d"}, ["a", "b", "c"]),
        ({"ConditionExpression": "attribute_exists(a) AND NOT b IN (:x, :y)"}, ["a", "b"]),
        ({"RequestItems": {"t": [{"PutRequest": {"Item": {"a": {}}}}]}}, ["a"]),
        ({"RequestItems": {"t": {"Keys": [{"a": {}}], "AttributesToGet": ["b"]}}}, ["a", "b"]),
        (
            {"TransactItems": [{"Put": {"Item": {"a": {}}}}, {"Get": {"Key": {"b": {}}}}]},
            ["a", "b"],
        ),
        ({"AttributeUpdates": {"a": {}}, "Expected": {"b": {}}}, ["a", "b"]),
        ({"RequestItems": 1, "Key": [], "TransactItems": {"a": 1}}, []),
    ],
)
def test_attributes_that_a_request_names(request_: dict[str, Any], named: list[str]) -> None:
    assert attributes({"ExpressionAttributeNames": {"#a": "name"}, **request_}) == named


def test_resource_policy_of_a_table_denies(wire: Any, orders: str) -> None:
    statements = [{"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": orders}]
    session = wire.client("dynamodb", wire.node_session("ddb-policy", statements))
    root = wire.client("dynamodb")
    deny = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "dynamodb:GetItem",
                "Resource": orders,
                "Condition": {"StringLike": {"aws:PrincipalArn": "*:role/ddb-policy"}},
            }
        ],
    }
    assert session.get_item(TableName="orders", Key=_key("a"))
    root.put_resource_policy(ResourceArn=orders, Policy=json.dumps(deny))
    try:
        text = wire.refused(session.get_item, TableName="orders", Key=_key("a"))[2]
    finally:
        root.delete_resource_policy(ResourceArn=orders)
    assert text.endswith("with an explicit deny in a resource-based policy")


def test_denial_of_sqs_is_in_lower_case(wire: Any) -> None:
    url = wire.client("sqs").create_queue(QueueName="jobs")["QueueUrl"]
    session = wire.client("sqs", wire.node_session("sqs-none", []))
    code, status, text = wire.refused(session.receive_message, QueueUrl=url)
    assert (code.removeprefix("AWS.SimpleQueueService."), status) in {
        ("AccessDenied", 403),
        ("AccessDeniedException", 403),
    }
    assert "sqs:receivemessage on resource: arn:aws:sqs:" in text


def test_batches_need_the_permission_of_single_messages(wire: Any) -> None:
    url = wire.client("sqs").create_queue(QueueName="batches")["QueueUrl"]
    statements = [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}]
    session = wire.client("sqs", wire.node_session("sqs-batch", statements))
    entries = [{"Id": "1", "MessageBody": "x"}]
    assert session.send_message_batch(QueueUrl=url, Entries=entries)["Successful"]
    assert wire.refused(
        session.delete_message_batch, QueueUrl=url, Entries=[{"Id": "1", "ReceiptHandle": "x"}]
    )
