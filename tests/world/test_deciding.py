from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from conformance.emulator.admin import AdminClient, Recorded
from conformance.emulator.records import DecidedBy, IamDecision
from conformance.environment import Environment
from conformance.errors import HarnessError
from conformance.probes import Outcome
from conformance.probes.evidence import Evidence, Injection
from conformance.stages import Stage
from conformance.world.deciding import decided, told_by
from tests.targets.test_own import described

REASON = "User: me is not authorized to perform: s3:GetObject with an explicit deny"
NOW = datetime.now(UTC)


def call(outcome: Outcome = Outcome.GRANTED, message: str = "", **changed: Any) -> Evidence:
    usual: dict[str, Any] = {
        "call": "read",
        "operation": "s3:get_object",
        "outcome": outcome,
        "stage": Stage.IAM,
        "message": message,
        "latency_ms": 1.0,
        "injection": Injection(),
        "access_key": "key",
    }
    return Evidence(**usual | changed)


def decision(policy: str = "", *, allowed: bool = True, **changed: Any) -> IamDecision:
    usual: dict[str, Any] = {
        "principal_arn": "me",
        "action": "s3:GetObject",
        "resource": "arn:aws:s3:::data/key",
        "decided_by": DecidedBy.IDENTITY,
        "reason": "" if allowed else REASON,
        "access_key_fingerprint": "key",
    }
    return IamDecision(**usual | {"policy": policy, "allowed": allowed} | changed)


def test_answer_is_told_by_the_statement_that_allowed_its_action() -> None:
    others = [decision("writes", action="s3:PutObject"), decision("x", access_key_fingerprint="y")]
    told = told_by(call(), [*others, decision("reads", sid="Own"), decision("reads", sid="Own")])
    assert told == {"decided": {"by": "identity", "policy": "reads", "statement": "Own"}}


def test_refusal_is_told_by_its_own_words() -> None:
    said = call(Outcome.DENIED, f"An error occurred: {REASON}")
    decisions = [decision("reads"), decision("limits", allowed=False)]
    assert told_by(said, decisions) == {"decided": {"by": "identity", "policy": "limits"}}
    assert told_by(call(Outcome.DENIED, "NoSuchKey"), decisions) == {}


def test_where_several_may_have_allowed_it_none_is_told() -> None:
    assert told_by(call(), [decision("one"), decision("other")]) == {}
    assert told_by(call(), []) == {}


def test_calls_without_credentials_and_real_accounts_ask_nobody(tmp_path: Path) -> None:
    real = described(tmp_path).model_copy(update={"admin_socket": None})
    assert decided(real, [call()], since=NOW)(call()) == {}
    assert decided(described(tmp_path), [call(access_key="")], since=NOW)(call()) == {}


def test_iam_is_asked_once_and_about_these_keys_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def records(_: object, *about: object) -> Recorded:
        asked.append(about)
        return Recorded([], [decision("reads")], [])

    monkeypatch.setattr(AdminClient, "records", records)
    tell = decided(described(tmp_path), [call(), call(access_key="b")], since=NOW)
    assert asked == []
    assert tell(call()) == tell(call()) != {}
    assert asked == [(NOW, ["b", "key"])]


def test_aws_that_has_ended_leaves_evidence_as_it_is(tmp_path: Path) -> None:
    environment: Environment = described(tmp_path)
    assert environment.admin_socket is not None
    with pytest.raises(HarnessError):
        AdminClient(environment.admin_socket).records()
    assert decided(environment, [call()], since=NOW)(call()) == {}
