import json
import pickle
from typing import Any

import pytest

from conformance.errors import HarnessError
from conformance.probes import Evidence, PromiseBroken, blaming
from conformance.probes.evidence import as_evidence, read_evidence
from conformance.stages import Stage

IDENTITY = {"Account": "1", "Arn": "arn:aws:sts::1:assumed-role/r/eks-c-p-u", "UserId": "AROA:s"}


def line(**told: Any) -> dict[str, Any]:
    return {
        "evidence": 2,
        "call": "read",
        "operation": "s3:get_object",
        "latency_ms": 1.5,
        "injection": {"variables": {}, "keys": [], "token_file": False},
        **told,
    }


def refused(source: str, status: int, code: str, text: str = "") -> Evidence:
    said = {"source": source, "status": status, "code": code, "text": text}
    return as_evidence(line(refusal=said))


GRANTED = as_evidence(line(status=200, answer={}))
DENIED = refused("service", 403, "AccessDenied", "User: r/s is not authorized")
UNINJECTED = refused("chain", 0, "NoCredentials")
AWAY = refused("agent", 500, "", "[]")


def test_granted_and_denied_hold() -> None:
    assert GRANTED.granted() is GRANTED
    assert DENIED.denied(Stage.IAM, "AccessDenied") is DENIED


def test_denial_blames_the_stage_that_refused() -> None:
    with pytest.raises(PromiseBroken, match="not authorized") as broken:
        DENIED.granted()
    assert broken.value.stage is Stage.IAM


@pytest.mark.parametrize(
    ("evidence", "promised", "blamed"),
    [
        (GRANTED, Stage.STS, Stage.STS),  # let it pass
        (DENIED, Stage.INJECTION, Stage.INJECTION),  # let it pass; a later one refused
        (UNINJECTED, Stage.IAM, Stage.INJECTION),  # it never came so far
        (DENIED, Stage.IAM, Stage.IAM),  # for another reason
    ],
)
def test_wrong_denial_blames_the_first_stage_that_did_not_do_as_promised(
    evidence: Evidence, promised: Stage, blamed: Stage
) -> None:
    with pytest.raises(PromiseBroken) as broken:
        evidence.denied(promised, "OtherCode")
    assert broken.value.stage is blamed
    assert "OtherCode" in str(broken.value)


def test_nobody_deciding_is_trouble_and_no_broken_promise() -> None:
    for ask in (AWAY.granted, AWAY.identified, lambda: AWAY.denied(Stage.EKS_AUTH, "Unreachable")):
        with pytest.raises(HarnessError, match="nobody decided"):
            ask()


def test_identity_is_read_from_get_caller_identity() -> None:
    told = line(operation="sts:get_caller_identity", status=200, answer=IDENTITY)
    identity = as_evidence(told).identified()

    assert (identity.role_name, identity.session_name) == ("r", "eks-c-p-u")


def test_user_has_no_role_name() -> None:
    answer = IDENTITY | {"Arn": "arn:aws:iam::1:user/someone"}
    told = line(operation="sts:get_caller_identity", status=200, answer=answer)

    assert as_evidence(told).identified().role_name == ""


def test_call_that_cannot_say_who_is_our_mistake() -> None:
    with pytest.raises(HarnessError, match="cannot say who"):
        GRANTED.identified()


def test_plain_assertion_gets_its_stage() -> None:
    with pytest.raises(PromiseBroken, match="two") as broken, blaming(Stage.STS):
        raise AssertionError("one is not two")
    assert broken.value.stage is Stage.STS


def test_blaming_leaves_a_known_stage_alone() -> None:
    with pytest.raises(PromiseBroken) as broken, blaming(Stage.STS):
        DENIED.granted()
    assert broken.value.stage is Stage.IAM


def test_broken_promise_survives_pickling() -> None:
    broken = pickle.loads(pickle.dumps(PromiseBroken("no", Stage.AGENT)))  # noqa: S301 - our own

    assert (str(broken), broken.stage) == ("no\n  blamed: agent", Stage.AGENT)


def test_evidence_survives_a_report() -> None:
    assert Evidence.model_validate(DENIED.model_dump(mode="json")) == DENIED


def test_other_lines_of_a_log_are_passed_over() -> None:
    log = f"a warning\n{json.dumps(line(status=200, answer={}))}\n\n{{}}\n"

    assert list(read_evidence(log)) == ["read"]


@pytest.mark.parametrize(
    "bad",
    [
        '{"evidence": 2, "call": "cut of',
        json.dumps({"evidence": 2, "call": "newer"}),
        json.dumps(line(status=200, answer={}, surprise=1)),
        json.dumps(line(refusal={"source": "elsewhere", "status": 0, "code": "", "text": ""})),
        json.dumps(line(refusal={"source": "chain"})),
    ],
)
def test_evidence_that_cannot_be_read_is_trouble(bad: str) -> None:
    with pytest.raises(HarnessError, match="cannot be read"):
        read_evidence(bad)


def test_eks_auth_is_a_stage_whoever_asks_it() -> None:
    said = {"source": "service", "status": 404, "code": "ResourceNotFoundException", "text": "no"}
    asked = as_evidence(line(operation="eks-auth:assume_role_for_pod_identity", refusal=said))

    asked.denied(Stage.EKS_AUTH, "ResourceNotFoundException")
