from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from conformance.emulator.admin import AdminClient
from conformance.emulator.launch import Launched
from conformance.errors import HarnessError


def test_health_names_every_part(launched: Launched) -> None:
    health = launched.admin.health()
    assert health.ok
    assert {"iam", "eks", "eks-auth"} <= set(health.parts)


def test_health_asks_the_services_themselves(launched: Launched) -> None:
    launched.admin.set_faults(["eks-auth-down"])
    try:
        health = launched.admin.health()
    finally:
        launched.admin.set_faults([])
    assert not health.ok
    assert health.parts["eks-auth"] == "closes the connection without an answer"
    assert health.parts["iam"] == health.parts["eks"] == "ok"


def test_health_leaves_no_trace_in_what_scenarios_look_at(launched: Launched) -> None:
    began = datetime.now(UTC)
    launched.admin.health()
    records = launched.admin.records(began)
    assert not records.eks_auth
    assert not records.sessions
    assert {decision.principal_arn for decision in records.decisions} == {
        "arn:aws:iam::000000000000:root"
    }


def test_token_of_nobody_is_401(launched: Launched) -> None:
    with pytest.raises(HarnessError, match="401: it does not begin with"):
        launched.admin._ask("POST", "/token-review", {"cluster": "arn", "token": "x"})


def test_faults_are_set_and_read_back(launched: Launched) -> None:
    assert launched.admin.set_faults(["webhook-misses", "eks-auth-down"]) == [
        "eks-auth-down",
        "webhook-misses",
    ]
    assert launched.admin.set_faults([]) == launched.admin.faults() == []


def test_client_says_which_cluster_was_not_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"active": [], "settings": {}, "unreached": {"cluster/one": "no answer within 5 s"}}
    admin = AdminClient(Path("/nowhere"))
    monkeypatch.setattr(admin, "_ask", lambda *_: told)
    for call in (lambda: admin.set_faults([]), lambda: admin.set_settings(token_seconds=1)):
        with pytest.raises(HarnessError, match="cluster/one: no answer within 5 s"):
            call()


def test_unknown_fault_is_refused_and_changes_nothing(launched: Launched) -> None:
    with pytest.raises(HarnessError, match="nonsense"):
        launched.admin.set_faults(["nonsense"])
    assert launched.admin.faults() == []


def test_records_since_now_are_the_new_ones(launched: Launched, wire: Any) -> None:
    wire.node_session("old", [])
    began = datetime.now(UTC)
    wire.node_session("new", [])
    records = launched.admin.records(began)
    assert [session.session_name for session in records.sessions] == ["i-new"]
    assert [d.action for d in records.decisions if ":role/new" in d.resource][-1] == (
        "sts:AssumeRole"
    )


def test_instance_credentials_need_the_trust_of_ec2(launched: Launched, wire: Any) -> None:
    arn = wire.role("for-pods", [], "pods.eks.amazonaws.com")
    with pytest.raises(HarnessError, match="sts:AssumeRole"):
        launched.admin.instance_credentials(arn, "i-0")


def test_clusters_are_told_of_faults_before_the_answer(in_process: Any) -> None:
    import asyncio  # noqa: PLC0415 -- used here only

    told: list[list[str]] = []

    async def tell(names: list[str]) -> None:
        told.append(names)

    forget = in_process.on_faults("cluster/one", tell)
    asyncio.run(in_process.set_faults(["webhook-misses"]))
    forget()
    asyncio.run(in_process.set_faults([]))
    assert told == [["webhook-misses"]]


def test_part_that_cannot_answer_is_unhealthy(in_process: Any) -> None:
    import asyncio  # noqa: PLC0415 -- used here only

    async def ask() -> str:
        raise OSError("no socket")

    forget = in_process.on_health("cluster/one", ask)
    parts = asyncio.run(in_process.health())
    forget()
    assert parts["cluster/one"] == "OSError: no socket"
    assert "cluster/one" not in asyncio.run(in_process.health())
