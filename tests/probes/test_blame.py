import json
from pathlib import Path

import pytest

from conformance.probes.blame import RULES, Outcome, Refusal, judge
from conformance.probes.runner import Refusal as RunnersRefusal
from conformance.stages import Stage

DENIED, FAILED = Outcome.DENIED, Outcome.FAILED
GOLDEN = Path(__file__).parents[1] / "golden" / "agent-0.1.37.json"
TRUST = "Unauthorized Exception! EKS does not have permissions to assume the associated role."
GO = "operation error EKS Auth: AssumeRoleForPodIdentity, https response error StatusCode: "
NODE = "User: arn:aws:sts::1:assumed-role/node/i-1 is not authorized to perform: eks-auth:Assume"

SAID = [
    (Refusal("chain", 0, "NoCredentials", ""), DENIED, Stage.INJECTION, "NoCredentials"),
    (
        Refusal("agent", 400, "", f"[b69b]: (AccessDeniedException): {TRUST}, fault: client"),
        *(DENIED, Stage.STS, "AccessDeniedException"),
    ),
    (
        Refusal("agent", 400, "", f"[b69b]: (AccessDeniedException): {NODE}, fault: client"),
        *(DENIED, Stage.EKS_AUTH, "AccessDeniedException"),
    ),
    (
        Refusal("agent", 400, "", "[]: (InvalidTokenException): no, fault: client"),
        *(DENIED, Stage.EKS_AUTH, "InvalidTokenException"),
    ),
    (
        Refusal("agent", 503, "", "[b69b]: (ServiceUnavailableException): no, fault: server"),
        *(FAILED, Stage.EKS_AUTH, "ServiceUnavailableException"),
    ),
    (
        Refusal("agent", 429, "", "[b69b]: (ThrottlingException): slow, fault: client"),
        *(FAILED, Stage.EKS_AUTH, "ThrottlingException"),
    ),
    (
        Refusal("agent", 500, "", f"{GO}400, RequestID: b69b, AccessDeniedException: {TRUST}"),
        *(DENIED, Stage.STS, "AccessDeniedException"),
    ),
    (
        Refusal("agent", 500, "", f"{GO}404, RequestID: b69b, ResourceNotFoundException: none"),
        *(DENIED, Stage.EKS_AUTH, "ResourceNotFoundException"),
    ),
    (
        Refusal("agent", 500, "", f"{GO}429, RequestID: b69b, ThrottlingException: slow"),
        *(FAILED, Stage.AGENT, "InternalError"),
    ),
    (Refusal("agent", 500, "", "[]"), FAILED, Stage.EKS_AUTH, "Unreachable"),
    (Refusal("agent", 0, "", "refused"), FAILED, Stage.AGENT, "Unreachable"),
    (Refusal("agent", 429, "", "Too Many Requests"), FAILED, Stage.AGENT, "TooManyRequests"),
    (Refusal("agent", 418, "", "teapot"), DENIED, Stage.AGENT, "HTTP418"),
    (Refusal("service", 403, "AccessDenied", "User: x"), DENIED, Stage.IAM, "AccessDenied"),
    (
        Refusal("service", 400, "AccessDeniedException", "DynamoDB's"),
        *(DENIED, Stage.IAM, "AccessDeniedException"),
    ),
    (Refusal("service", 403, "403", "Forbidden"), DENIED, Stage.IAM, "403"),
    (Refusal("service", 404, "NoSuchKey", ""), DENIED, Stage.SERVICE, "NoSuchKey"),
    (
        Refusal("service", 403, "SignatureDoesNotMatch", ""),
        *(DENIED, Stage.SERVICE, "SignatureDoesNotMatch"),
    ),
    (Refusal("service", 503, "SlowDown", ""), FAILED, Stage.SERVICE, "SlowDown"),
    (Refusal("service", 500, "InternalError", ""), FAILED, Stage.SERVICE, "InternalError"),
    (Refusal("service", 0, "", "refused"), FAILED, Stage.SERVICE, "Unreachable"),
    (
        Refusal("eks-auth", 400, "AccessDeniedException", NODE),
        DENIED,
        Stage.IAM,
        "AccessDeniedException",
    ),
    (
        Refusal("eks-auth", 400, "AccessDeniedException", TRUST),
        DENIED,
        Stage.STS,
        "AccessDeniedException",
    ),
    (
        Refusal("eks-auth", 404, "ResourceNotFoundException", "none"),
        *(DENIED, Stage.EKS_AUTH, "ResourceNotFoundException"),
    ),
    (
        Refusal("eks-auth", 429, "ThrottlingException", ""),
        FAILED,
        Stage.EKS_AUTH,
        "ThrottlingException",
    ),
    (Refusal("plan", 0, "", "no such operation"), FAILED, Stage.SERVICE, "PlanInvalid"),
]


@pytest.mark.parametrize(("refusal", "outcome", "stage", "code"), SAID)
def test_stage_and_code(refusal: Refusal, outcome: Outcome, stage: Stage, code: str) -> None:
    assert judge(refusal) == (outcome, stage, code)


def test_every_rule_is_needed() -> None:
    recorded = [
        Refusal("agent", case["answer"]["status"], "", case["answer"]["body"].strip())
        for case in json.loads(GOLDEN.read_text())["cases"]
        if case["answer"]["status"] != 200
    ]
    told = (
        [said[0] for said in SAID]
        + recorded
        + [
            Refusal("agent", 200, "", "Unable to parse JSON"),
            Refusal("agent", 400, "", "Service account token missing pod uid"),
        ]
    )
    first = [next(rule for rule in RULES if rule.matches(refusal)) for refusal in told]

    assert [rule for rule in RULES if rule not in first] == []


@pytest.mark.parametrize(
    ("name", "stage", "code"),
    [
        ("empty Authorization", Stage.AGENT, "TokenEmpty"),
        ("expired 1h", Stage.AGENT, "TokenExpired"),
        ("Bearer prefix", Stage.AGENT, "TokenMalformed"),
        ("Host wrong AND no token (order)", Stage.AGENT, "InvalidAddress"),
        ("EKS Auth: ResourceNotFound", Stage.EKS_AUTH, "ResourceNotFoundException"),
        ("slow 1.5s (every attempt)", Stage.EKS_AUTH, "Unreachable"),
    ],
)
def test_recorded_answers_of_the_real_agent(name: str, stage: Stage, code: str) -> None:
    cases = {case["name"]: case["answer"] for case in json.loads(GOLDEN.read_text())["cases"]}
    answer = cases[name]
    _, *decided = judge(Refusal("agent", answer["status"], "", answer["body"].strip()))

    assert decided == [stage, code]


def test_unknown_source_is_refused() -> None:
    with pytest.raises(LookupError, match="elsewhere"):
        judge(Refusal("elsewhere", 0, "", ""))


def test_runner_and_table_agree_on_the_fields_of_a_refusal() -> None:
    assert Refusal(**RunnersRefusal("plan", 0, "a", "b")._asdict()) == Refusal("plan", 0, "a", "b")
