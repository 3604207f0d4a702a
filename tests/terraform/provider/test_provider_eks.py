from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from conformance.terraform.provider import eks
from conformance.terraform.provider.connection import Connection, Settings
from conformance.terraform.provider.eks_node_group import NodeGroup
from conformance.terraform.provider.resource import FailedError
from conformance.terraform.provider.values import Values

AWS = Connection(Settings())
TOLD = {"nodegroupArn": "a", "clusterName": "c", "nodegroupName": "g", "status": "ACTIVE"}


def answers(*states: Values | None) -> Callable[[], Values | None]:
    seen: Iterator[Values | None] = iter(states)
    return lambda: next(seen)


def test_work_is_waited_for_until_it_is_active() -> None:
    eks.await_active(AWS, "cluster c", answers({"status": "CREATING"}, {"status": "ACTIVE"}), 5)


def test_failed_work_fails_in_the_words_of_eks() -> None:
    failed = {
        "status": "CREATE_FAILED",
        "health": {"issues": [{"code": "AccessDenied", "message": "no such subnet"}]},
    }

    with pytest.raises(FailedError, match="c is CREATE_FAILED: AccessDenied: no such subnet"):
        eks.await_active(AWS, "cluster c", answers({"status": "CREATING"}, failed), 5)


def test_what_goes_away_while_it_is_made_fails() -> None:
    with pytest.raises(FailedError, match="cluster c is gone"):
        eks.await_active(AWS, "cluster c", answers({"status": "CREATING"}, None), 5)


def test_an_end_is_waited_for_and_may_fail() -> None:
    eks.await_end(AWS, "add-on a", answers({"status": "DELETING"}, None), 5)
    with pytest.raises(FailedError, match="add-on a is DELETE_FAILED"):
        eks.await_end(AWS, "add-on a", answers({"status": "DELETE_FAILED"}), 5)


def refusal(message: str) -> ClientError:
    error: Any = {"Error": {"Code": "InvalidParameterException", "Message": message}}
    return ClientError(error, "CreatePodIdentityAssociation")


def test_a_role_that_eks_does_not_know_yet_is_asked_for_again() -> None:
    outcomes = [refusal("Role provided in the request does not exist"), None]

    def create() -> str:
        error = outcomes.pop(0)
        if error is not None:
            raise error
        return "made"

    assert eks.once_iam_knows(AWS, create) == "made"


def test_a_role_that_never_comes_is_the_error_of_eks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eks, "PROPAGATION_SECONDS", 0.1)
    message = "Role provided in the request does not exist"

    def create() -> None:
        raise refusal(message)

    with pytest.raises(ClientError, match=message):
        eks.once_iam_knows(AWS, create)


def test_any_other_refusal_is_final() -> None:
    calls = []

    def create() -> None:
        calls.append(1)
        raise refusal("namespace is not valid")

    with pytest.raises(ClientError, match="namespace is not valid"):
        eks.once_iam_knows(AWS, create)
    assert calls == [1]


def taint(key: str, value: str | None, effect: str = "NO_SCHEDULE") -> Values:
    return {"key": key, "value": value, "effect": effect}


def node_group(*taints: Values) -> Values:
    scaling = {"min_size": 1, "max_size": 1, "desired_size": 1}
    group = {"cluster_name": "c", "node_group_name": "g", "arn": "a", "tags_all": {}, "labels": {}}
    return group | {"scaling_config": [scaling], "taint": list(taints)}


def test_taints_change_by_key_and_effect() -> None:
    asked: list[dict[str, Any]] = []
    client = SimpleNamespace(update_nodegroup_config=lambda **request: asked.append(request))
    aws: Any = SimpleNamespace(client=lambda _: client)
    was = node_group(taint("a", "1"), taint("b", None), taint("same", "x"))

    NodeGroup().update(aws, was, node_group(taint("a", "2"), taint("same", "x")))

    assert asked[0]["taints"] == {
        "addOrUpdateTaints": [{"key": "a", "value": "2", "effect": "NO_SCHEDULE"}],
        "removeTaints": [{"key": "b", "effect": "NO_SCHEDULE"}],
    }


def test_taints_are_asked_for_and_read_as_they_are_written() -> None:
    made: dict[str, Any] = {}
    client = SimpleNamespace(
        create_nodegroup=made.update,
        describe_nodegroup=lambda **_: {"nodegroup": TOLD | {"taints": made["taints"]}},
        exceptions=SimpleNamespace(),
    )
    aws: Any = SimpleNamespace(client=lambda _: client, user_tags=lambda tags, _: tags)
    written = [taint("a", "1"), taint("b", None)]
    given = dict.fromkeys(("ami_type", "capacity_type", "disk_size", "instance_types"))
    state = NodeGroup().create(
        aws, node_group(*written) | given | {"node_role_arn": "r", "subnet_ids": ["s"]}
    )

    seen = NodeGroup().read(aws, state | {"node_group_name_prefix": ""})

    assert made["taints"][1] == {"key": "b", "effect": "NO_SCHEDULE"}
    assert seen is not None
    assert seen["taint"] == written
