"""
A pod writes to DynamoDB as the role of its service account: tables, items, attributes.

Whether something was really not written is asked of DynamoDB by a condition, where
the role may not read: a put that needs the item to be there fails if it is not.
"""

from collections.abc import Iterable
from typing import Any

import pytest

from conformance.probes import Call, ServiceCall, blaming, call
from conformance.probes.plan import WHO_AM_I
from conformance.requirements.dynamodb_write import (
    BATCH_BY_NAMESPACE,
    BATCH_HAS_ITS_OWN_NAME,
    BATCH_IS_REFUSED_AS_A_WHOLE,
    CONDITION_IS_THE_SERVICES,
    DENIAL_IS_A_400,
    INDEX_IS_NAMED_BY_ITSELF,
    OTHER_ACTIONS_ARE_DENIED,
    OTHER_TABLE_IS_DENIED,
    OWN_ITEMS_BY_NAMESPACE,
    POD_PUTS_ITS_ITEM,
    QUERY_BY_NAMESPACE,
    SOME_ATTRIBUTES_ARE_READ,
    SOME_ATTRIBUTES_ARE_WRITTEN,
    TRANSACTION_IS_REFUSED_AS_A_WHOLE,
    TRANSACTION_NEEDS_EACH_ACTION,
)
from conformance.requirements.marks import proves
from conformance.spec import Association, Condition, Role, Spec, Statement, Table
from conformance.stages import Stage
from conformance.world import Probe, ProbeRequest, World

DENIED = "AccessDeniedException"

NAMESPACES = ("shop", "billing")
OTHER = {"shop": "billing", "billing": "shop"}


def to(
    actions: Iterable[str], *resources: str, conditions: tuple[Condition, ...] = ()
) -> Statement:
    names = tuple(f"dynamodb:{action}" for action in actions)
    return Statement(actions=names, resources=resources, conditions=conditions)


OWN_ITEMS = Condition(
    test="ForAllValues:StringEquals",
    variable="dynamodb:LeadingKeys",
    values=("${aws:PrincipalTag/kubernetes-namespace}",),
)
SOME_ATTRIBUTES = (
    Condition(
        test="ForAllValues:StringEquals", variable="dynamodb:Attributes", values=("id", "city")
    ),
    # Writes have no Select, and are judged by their attributes alone.
    Condition(
        test="StringEqualsIfExists", variable="dynamodb:Select", values=("SPECIFIC_ATTRIBUTES",)
    ),
)

SPEC = Spec(
    roles=(
        Role(name="recorder", statements=(to(["PutItem"], "table:orders"),)),
        Role(
            name="clerk",
            statements=(
                to(["BatchWriteItem", "GetItem"], "table:orders"),
                to(["Query"], "table:orders", "table:archive/index/by-city"),
            ),
        ),
        Role(
            name="editor",
            statements=(
                to(
                    ["GetItem", "PutItem", "UpdateItem"],
                    "table:orders",
                    conditions=SOME_ATTRIBUTES,
                ),
            ),
        ),
        Role(
            name="tenant",
            statements=(
                to(
                    ["GetItem", "PutItem", "Query", "BatchGetItem", "BatchWriteItem"],
                    "table:tenants",
                    conditions=(OWN_ITEMS,),
                ),
            ),
        ),
    ),
    tables=(
        Table(name="orders", indexes={"by-city": "city"}),
        Table(name="archive", indexes={"by-city": "city"}),
        Table(name="tenants"),
    ),
    associations=(
        *(
            Association(namespace="shop", service_account=f"ddb-{name}", role=name)
            for name in ("recorder", "clerk", "editor")
        ),
        *(
            Association(namespace=name, service_account="ddb-tenant", role="tenant")
            for name in NAMESPACES
        ),
    ),
)

Item = dict[str, dict[str, str]]


def item(**values: str) -> Item:
    return {name: {"S": value} for name, value in values.items()}


def put(table: str, what: Item, **more: Any) -> ServiceCall:
    return call("dynamodb", "put_item", TableName=table, Item=what, **more)


def put_again(table: str, what: Item) -> ServiceCall:
    """Holds only if the item is there."""
    return put(table, what, ConditionExpression="attribute_exists(id)")


def get(table: str, id_: str, **more: Any) -> ServiceCall:
    more["ConsistentRead"] = True
    return call("dynamodb", "get_item", TableName=table, Key=item(id=id_), **more)


def update(table: str, id_: str, attribute: str) -> ServiceCall:
    return call(
        "dynamodb",
        "update_item",
        TableName=table,
        Key=item(id=id_),
        UpdateExpression="SET #attribute = :value",
        ExpressionAttributeNames={"#attribute": attribute},
        ExpressionAttributeValues={":value": {"S": "changed"}},
    )


def query(table: str, attribute: str, value: str, **more: Any) -> ServiceCall:
    return call(
        "dynamodb",
        "query",
        TableName=table,
        KeyConditionExpression=f"{attribute} = :value",
        ExpressionAttributeValues={":value": {"S": value}},
        **more,
    )


def batch(*puts: tuple[str, Item]) -> ServiceCall:
    tables = dict.fromkeys(table for table, _ in puts)
    requests = {
        name: [{"PutRequest": {"Item": one}} for table, one in puts if table == name]
        for name in tables
    }
    return call("dynamodb", "batch_write_item", RequestItems=requests)


def transaction(*members: dict[str, Any]) -> ServiceCall:
    return call("dynamodb", "transact_write_items", TransactItems=list(members))


def transact_put(table: str, what: Item) -> dict[str, Any]:
    return {"Put": {"TableName": table, "Item": what}}


def recorders_plan(orders: str, archive: str) -> dict[str, Call]:
    one, first, second, half = (item(id=name) for name in ("one", "first", "second", "half"))
    return {
        "who am I": WHO_AM_I,
        "put": put(orders, one),
        "get": get(orders, "one"),
        "update": update(orders, "one", "city"),
        "delete": call("dynamodb", "delete_item", TableName=orders, Key=item(id="one")),
        "scan": call("dynamodb", "scan", TableName=orders),
        "put elsewhere": put(archive, one),
        "put if new": put(orders, one, ConditionExpression="attribute_not_exists(id)"),
        "put if there": put_again(orders, one),
        "batch": batch((orders, first), (orders, second)),
        "transaction": transaction(transact_put(orders, first), transact_put(orders, second)),
        "first again": put_again(orders, first),
        "transaction that deletes": transaction(
            transact_put(orders, half), {"Delete": {"TableName": orders, "Key": item(id="one")}}
        ),
        "transaction on two tables": transaction(
            transact_put(orders, half), transact_put(archive, half)
        ),
        "half again": put_again(orders, half),
        "one again": put_again(orders, one),
    }


def clerks_plan(orders: str, archive: str) -> dict[str, Call]:
    by_city = {"attribute": "city", "value": "Bonn", "IndexName": "by-city"}
    return {
        "batch": batch((orders, item(id="b1")), (orders, item(id="b2"))),
        "what was written": get(orders, "b2"),
        "put": put(orders, item(id="b3")),
        "batch for two tables": batch((orders, item(id="b4")), (archive, item(id="b4"))),
        "what was not written": get(orders, "b4"),
        "query orders": query(orders, "id", "b1"),
        "query orders by city": query(orders, **by_city),
        "query archive": query(archive, "id", "b1"),
        "query archive by city": query(archive, **by_city),
    }


def editors_plan(orders: str) -> dict[str, Call]:
    card = item(id="e1", city="Bonn", card="4711")
    return {
        "put": put(orders, item(id="e1", city="Bonn")),
        "put card": put(orders, card),
        "get city": get(orders, "e1", ProjectionExpression="id, city"),
        "get card": get(orders, "e1", ProjectionExpression="id, card"),
        "get all": get(orders, "e1"),
        "update city": update(orders, "e1", "city"),
        "update card": update(orders, "e1", "card"),
    }


def tenants_plan(table: str, own: str, other: str) -> dict[str, Call]:
    both = {table: {"Keys": [item(id=own), item(id=other)]}}
    mine, theirs = (table, item(id=own)), (table, item(id=other))
    return {
        "put own": put(table, item(id=own)),
        "put other": put(table, item(id=other)),
        "get own": get(table, own),
        "get other": get(table, other),
        "query own": query(table, "id", own, ConsistentRead=True),
        "query other": query(table, "id", other),
        "reads of own": call(
            "dynamodb", "batch_get_item", RequestItems={table: {"Keys": [item(id=own)]}}
        ),
        "reads of both": call("dynamodb", "batch_get_item", RequestItems=both),
        "writes of own": batch(mine),
        "writes of both": batch(mine, theirs),
        "transaction of own": transaction(transact_put(*mine)),
        "transaction of both": transaction(transact_put(*mine), transact_put(*theirs)),
    }


@pytest.fixture(scope="module")
def probes(world: World) -> dict[str, Probe]:
    """A pod of each service account, each with its own plan; tenants by their namespace."""
    orders, archive, tenants = (world.table(name) for name in ("orders", "archive", "tenants"))
    plans = {
        "recorder": recorders_plan(orders, archive),
        "clerk": clerks_plan(orders, archive),
        "editor": editors_plan(orders),
    }
    requests = {
        name: ProbeRequest("shop", f"ddb-{name}", plan, name=name) for name, plan in plans.items()
    }
    for name in NAMESPACES:
        plan = tenants_plan(tenants, world.namespace(name), world.namespace(OTHER[name]))
        requests[name] = ProbeRequest(name, "ddb-tenant", plan, name=name)
    return world.probe_all(requests)


@pytest.fixture(scope="module")
def recorder(probes: dict[str, Probe]) -> Probe:
    return probes["recorder"]


@pytest.fixture(scope="module")
def clerk(probes: dict[str, Probe]) -> Probe:
    return probes["clerk"]


@pytest.fixture(scope="module")
def editor(probes: dict[str, Probe]) -> Probe:
    return probes["editor"]


# --- one table


@proves(POD_PUTS_ITS_ITEM)
def test_associated_pod_puts_its_item(recorder: Probe, world: World) -> None:
    """The pod puts an item as a session of its role, and the item is there afterwards."""
    recorder["put"].granted()
    recorder["put if there"].granted()

    identity = recorder["who am I"].identified()
    with blaming(Stage.EKS_AUTH):
        assert identity.role_name == world.contract.roles["recorder"].name


@proves(OTHER_ACTIONS_ARE_DENIED)
@pytest.mark.parametrize("action", ["get", "update", "delete", "scan"])
def test_who_may_put_may_do_nothing_else(action: str, recorder: Probe) -> None:
    """The item is the one that the pod put itself; and it outlives all this."""
    recorder["put"].granted()
    recorder[action].denied(Stage.IAM, DENIED)
    recorder["one again"].granted()


@proves(OTHER_TABLE_IS_DENIED)
def test_another_table_is_denied(recorder: Probe) -> None:
    """The same item, another table of the same account."""
    recorder["put"].granted()
    recorder["put elsewhere"].denied(Stage.IAM, DENIED)


@proves(DENIAL_IS_A_400)
def test_denial_is_a_400_that_names_the_session(recorder: Probe, world: World) -> None:
    """The session's ARN, the action, the table's ARN, and that no policy of the role allows."""
    who = recorder["who am I"].identified().arn
    evidence = recorder["get"].denied(Stage.IAM, DENIED)
    table = world.contract.tables["orders"].arn

    with blaming(Stage.IAM):
        assert evidence.status == 400
        assert evidence.message == (
            f"User: {who} is not authorized to perform: dynamodb:GetItem on resource: {table} "
            "because no identity-based policy allows the dynamodb:GetItem action"
        )


@proves(CONDITION_IS_THE_SERVICES)
def test_condition_that_fails_is_no_denial(recorder: Probe) -> None:
    """Twice the same put: if the item is there, which holds, and if it is not, which does not."""
    recorder["put if there"].granted()
    recorder["put if new"].denied(Stage.SERVICE, "ConditionalCheckFailedException")


@proves(INDEX_IS_NAMED_BY_ITSELF)
def test_index_is_a_resource_of_its_own(clerk: Probe) -> None:
    """Of one table the role names the table, of the other the index."""
    clerk["query orders"].granted()
    clerk["query orders by city"].denied(Stage.IAM, DENIED)
    clerk["query archive by city"].granted()
    clerk["query archive"].denied(Stage.IAM, DENIED)


# --- several items


@proves(BATCH_HAS_ITS_OWN_NAME)
def test_batch_needs_its_own_permission(recorder: Probe, clerk: Probe) -> None:
    """One role may put and not write batches; the other may write batches and not put."""
    recorder["put"].granted()
    recorder["batch"].denied(Stage.IAM, DENIED)
    clerk["batch"].granted()
    clerk["put"].denied(Stage.IAM, DENIED)


@proves(BATCH_IS_REFUSED_AS_A_WHOLE)
def test_batch_is_refused_as_a_whole(clerk: Probe) -> None:
    """What was meant for the table that the role may write is not there; an earlier item is."""
    clerk["batch for two tables"].denied(Stage.IAM, DENIED)

    written, not_written = clerk["what was written"], clerk["what was not written"]
    with blaming(Stage.IAM):
        assert written.granted().answer.get("Item") == item(id="b2")
        assert "Item" not in not_written.granted().answer


@proves(TRANSACTION_NEEDS_EACH_ACTION)
def test_transaction_needs_each_action(recorder: Probe) -> None:
    """Two puts pass by the permission to put; a put and a deletion are refused for the latter."""
    recorder["transaction"].granted()
    recorder["first again"].granted()
    evidence = recorder["transaction that deletes"].denied(Stage.IAM, DENIED)

    with blaming(Stage.IAM):
        assert "perform: dynamodb:DeleteItem on" in evidence.message


@proves(TRANSACTION_IS_REFUSED_AS_A_WHOLE)
def test_transaction_is_refused_as_a_whole(recorder: Probe) -> None:
    """The put that the role may make is not made, as a condition on it shows."""
    recorder["transaction on two tables"].denied(Stage.IAM, DENIED)
    recorder["half again"].denied(Stage.SERVICE, "ConditionalCheckFailedException")
    recorder["first again"].granted()


# --- single items


@proves(OWN_ITEMS_BY_NAMESPACE)
@pytest.mark.parametrize("name", NAMESPACES)
def test_namespace_has_its_own_items(name: str, probes: dict[str, Probe], world: World) -> None:
    """Both namespaces have one role and one table; the item's key is the namespace."""
    tenant = probes[name]
    tenant["put own"].granted()
    tenant["put other"].denied(Stage.IAM, DENIED)
    read = tenant["get own"].granted()
    tenant["get other"].denied(Stage.IAM, DENIED)

    with blaming(Stage.SERVICE):
        assert read.answer.get("Item") == item(id=world.namespace(name))


@proves(QUERY_BY_NAMESPACE)
@pytest.mark.parametrize("name", NAMESPACES)
def test_query_sees_its_own_namespace(name: str, probes: dict[str, Probe]) -> None:
    """The key stands in the query's condition, by a placeholder."""
    found = probes[name]["query own"].granted()
    probes[name]["query other"].denied(Stage.IAM, DENIED)

    with blaming(Stage.SERVICE):
        assert found.answer["Count"] == 1


@proves(BATCH_BY_NAMESPACE)
@pytest.mark.parametrize("several", ["reads", "writes", "transaction"])
@pytest.mark.parametrize("name", NAMESPACES)
def test_one_foreign_key_spoils_the_batch(
    name: str, several: str, probes: dict[str, Probe]
) -> None:
    """The own item alone is read and written; together with another's neither is."""
    probes[name][f"{several} of own"].granted()
    probes[name][f"{several} of both"].denied(Stage.IAM, DENIED)


# --- single attributes


@proves(SOME_ATTRIBUTES_ARE_READ)
def test_only_some_attributes_are_read(editor: Probe) -> None:
    """Asking for all of them is asking for too many, whatever the item has."""
    read = editor["get city"].granted()
    editor["get card"].denied(Stage.IAM, DENIED)
    editor["get all"].denied(Stage.IAM, DENIED)

    with blaming(Stage.SERVICE):
        assert read.answer.get("Item") == item(id="e1", city="Bonn")


@proves(SOME_ATTRIBUTES_ARE_WRITTEN)
def test_only_some_attributes_are_written(editor: Probe) -> None:
    """As a whole item, and one by one."""
    editor["put"].granted()
    editor["put card"].denied(Stage.IAM, DENIED)
    editor["update city"].granted()
    editor["update card"].denied(Stage.IAM, DENIED)
