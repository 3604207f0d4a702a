import hashlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from conformance.errors import HarnessError
from conformance.probes import AgentCall, Outcome, answer_of, ask_agent, by_url, call
from conformance.probes.plan import WHO_AM_I
from conformance.stages import Stage

# The fixtures' types lie in conftest.py, which no test can import.
Pod = Any
PRESENTED = "eyJhbGciOiJub25lIn0.e30.c2lnbmF0dXJl"

KEY_OF_THE_POD = "ASIAPODPODPODPODPOD1"
READ = call("s3", "get_object", Bucket="data", Key="hello.txt")
READ_OTHER = call("s3", "get_object", Bucket="other", Key="hello.txt")
UNINJECTED = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")


def fingerprint(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()[:12]


@pytest.fixture(scope="module")
def result(shared_pod: Pod, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One pod that makes every kind of call."""
    presented = tmp_path_factory.mktemp("presented") / "token"
    presented.write_text(PRESENTED)
    role = "arn:aws:iam::111122223333:role/x"
    return shared_pod.run(
        {
            "read": READ,
            "who": WHO_AM_I,
            "other": READ_OTHER,
            "head": call("s3", "head_object", Bucket="other", Key="x"),
            "broken": call("s3", "get_object", Bucket="broken", Key="x"),
            "assume": call("sts", "assume_role", RoleArn=role, RoleSessionName="x1"),
            "wrong operation": call("s3", "read_everything"),
            "wrong parameter": call("s3", "get_object", Box="data"),
            "wrong service": call("s4", "get_object"),
            "own token": ask_agent(then=WHO_AM_I),
            "presented token": AgentCall(str(presented), then=WHO_AM_I),
            "no token": ask_agent(None, host="localhost", path="/elsewhere", method="POST"),
            "who again": WHO_AM_I,
            "bearer": ask_agent(authorization="Bearer {token}"),
            "five at once": ask_agent(times=5),
            "elsewhere": ask_agent(
                None, address=shared_pod.aws.address, path="/data/x", plain=True
            ),
            "by url": by_url(READ),
            "key of an answer": call(
                "s3", "get_object", Bucket="data", Key=answer_of("who", "Account")
            ),
            "key of no answer": call("s3", "get_object", Bucket="data", Key=answer_of("other")),
            "secret parameter": call(
                "s3", "get_object", Bucket="data", Key={"$file": str(presented)}
            ),
        }
    )


def test_denied_calls_are_results_of_the_runner(result: Any) -> None:
    assert result.code == 0
    result.evidence["other"].denied(Stage.IAM, "AccessDenied")


def test_body_comes_back_as_text_and_hash(result: Any) -> None:
    read = result.evidence["read"].granted()

    assert (read.text, read.answer["Body"]["size"]) == ("hello", 5)
    assert read.answer["Body"]["sha256"] == hashlib.sha256(b"hello").hexdigest()


def test_evidence_tells_what_each_stage_saw(result: Any) -> None:
    evidence = result.evidence["read"]

    assert evidence.provider == "container-role"
    assert evidence.access_key == fingerprint("ASIAPODPODPODPODPOD1")
    assert evidence.expires_at.year == 2099
    assert evidence.agent.status == 200
    assert evidence.token.audience == ("pods.eks.amazonaws.com",)
    assert evidence.token.kubernetes["pod"]["uid"] == "u-1"
    assert evidence.injection.token_file
    assert evidence.injection.keys == ()


def test_agent_is_asked_once_for_all_calls_of_the_sdk(result: Any, shared_pod: Pod) -> None:
    by_boto3 = [
        asked for asked in shared_pod.agent.asked if "python" in asked.get("user-agent", "")
    ]

    assert len(by_boto3) == 1
    assert by_boto3[0]["authorization"].startswith("eyJ")


def test_presented_token_is_told_by_its_fingerprint_only(result: Any) -> None:
    assert PRESENTED not in result.output
    assert result.evidence["presented token"].token.fingerprint == fingerprint(PRESENTED)


def test_presented_token_gives_its_own_identity(result: Any) -> None:
    names = ("who", "own token", "presented token", "who again")
    roles = [result.evidence[name].identified().role_name for name in names]

    assert roles == ["pod-role", "pod-role", "byhand-role", "pod-role"]
    assert result.evidence["presented token"].provider == "by-hand"


def test_request_by_hand_goes_out_as_it_was_asked(result: Any, shared_pod: Pod) -> None:
    result.evidence["no token"].denied(Stage.AGENT, "TokenEmpty")
    asked = next(one for one in shared_pod.agent.asked if one[":method"] == "POST")

    assert (asked["host"], asked[":path"], asked[":method"]) == ("localhost", "/elsewhere", "POST")
    assert "authorization" not in asked


def test_head_that_is_denied_has_no_text(result: Any) -> None:
    result.evidence["head"].denied(Stage.IAM, "403")


def test_service_that_is_broken_is_no_denial(result: Any) -> None:
    broken = result.evidence["broken"]

    assert (broken.outcome, broken.status) == (Outcome.FAILED, 500)
    assert broken.code == "InternalError"


@pytest.mark.parametrize("wrong", ["operation", "parameter", "service"])
def test_call_that_no_service_has_is_our_mistake(result: Any, wrong: str) -> None:
    evidence = result.evidence[f"wrong {wrong}"]

    assert (evidence.outcome, evidence.code) == (Outcome.FAILED, "PlanInvalid")


def test_credentials_in_an_answer_become_fingerprints(result: Any) -> None:
    told = result.evidence["assume"].granted().answer["Credentials"]

    assert told["AccessKeyId"] == f"<{fingerprint('ASIAHANDHANDHANDHAN2')}>"
    assert told["SecretAccessKey"].startswith("<")
    assert told["SessionToken"].startswith("<")


def test_parameter_is_what_an_earlier_call_answered(result: Any, shared_pod: Pod) -> None:
    result.evidence["key of an answer"].granted()

    assert "/data/111122223333" in [asked[":path"] for asked in shared_pod.aws.asked]


def test_answer_that_there_is_not_is_our_mistake(result: Any) -> None:
    evidence = result.evidence["key of no answer"]

    assert (evidence.outcome, evidence.code) == (Outcome.FAILED, "PlanInvalid")


def test_call_by_url_sends_nothing_but_a_url(result: Any, shared_pod: Pod) -> None:
    assert result.evidence["by url"].granted().text == "hello"
    by_url = [one for one in shared_pod.aws.asked if "X-Amz-Signature=" in one[":path"]]

    assert len(by_url) == 1
    assert "authorization" not in by_url[0]
    assert KEY_OF_THE_POD in by_url[0][":path"]


def test_refusal_is_remembered_and_fast(pod: Pod) -> None:
    trust = (
        "[b69b1279-0000]: (AccessDeniedException): Unauthorized Exception! EKS does not have "
        "permissions to assume the associated role., fault: client\n"
    )
    pod.agent.answer = lambda _: (400, "text/plain", trust)
    began = time.monotonic()
    result = pod.run({"read": READ, "who": WHO_AM_I, "other": READ_OTHER})

    assert time.monotonic() - began < 3
    assert len(pod.agent.asked) == 3  # boto3's attempts, and no more for the second call
    assert pod.aws.asked == []
    for evidence in result.evidence.values():
        evidence.denied(Stage.STS, "AccessDeniedException")
        assert evidence.agent is not None
        assert (evidence.agent.status, evidence.agent.text) == (400, trust.strip())


def test_pod_without_injection_asks_nobody(pod: Pod) -> None:
    for name in UNINJECTED:
        del pod.environment[name]
    evidence = pod.run({"read": READ, "by hand": ask_agent(None)}).evidence

    evidence["read"].denied(Stage.INJECTION, "NoCredentials")
    evidence["by hand"].denied(Stage.INJECTION, "NoAgentAddress")
    assert evidence["read"].token is None
    assert evidence["read"].provider == ""
    assert pod.agent.asked == pod.aws.asked == []


def test_missing_token_file_is_blamed_on_injection(pod: Pod) -> None:
    Path(pod.environment["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]).unlink()
    evidence = pod.run({"read": READ, "by hand": ask_agent()}).evidence

    evidence["read"].denied(Stage.INJECTION, "TokenUnreadable")
    evidence["by hand"].denied(Stage.INJECTION, "TokenUnreadable")


def test_token_with_a_newline_is_blamed_on_injection(pod: Pod) -> None:
    path = Path(pod.environment["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"])
    path.write_text(path.read_text() + "\n")

    pod.run({"read": READ}).evidence["read"].denied(Stage.INJECTION, "InjectionUnusable")


def test_long_lived_keys_are_named_and_not_told(pod: Pod) -> None:
    pod.environment["AWS_ACCESS_KEY_ID"] = "AKIALONGLIVEDLONGLIV"
    pod.environment["AWS_SECRET_ACCESS_KEY"] = "long-lived-secret-key"
    result = pod.run({"read": READ})

    assert result.evidence["read"].injection.keys == ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    assert result.evidence["read"].provider == "env"
    assert "AKIALONGLIVED" not in result.output
    assert "long-lived-secret" not in result.output


@pytest.mark.parametrize(
    ("status", "text", "stage", "code"),
    [
        (500, "[]\n", Stage.EKS_AUTH, "Unreachable"),
        (429, "Too Many Requests\n", Stage.AGENT, "TooManyRequests"),
        (500, "error getting credentials to cache: no\n", Stage.AGENT, "InternalError"),
    ],
)
def test_trouble_behind_the_agent_is_no_denial(
    pod: Pod, status: int, text: str, stage: Stage, code: str
) -> None:
    pod.agent.answer = lambda _: (status, "text/plain", text)
    evidence = pod.run({"read": READ}).evidence["read"]

    assert (evidence.outcome, evidence.stage, evidence.code) == (Outcome.FAILED, stage, code)
    with pytest.raises(HarnessError):
        evidence.granted()


def test_agent_that_is_away_is_no_denial(pod: Pod) -> None:
    pod.environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://127.0.0.1:9/v1/credentials"
    evidence = pod.run({"read": READ, "by hand": ask_agent()}).evidence

    for name in ("read", "by hand"):
        seen = evidence[name]
        assert (seen.outcome, seen.stage, seen.code) == (
            Outcome.FAILED,
            Stage.AGENT,
            "Unreachable",
        )


def test_answer_of_the_agent_that_is_no_answer(pod: Pod) -> None:
    pod.agent.answer = lambda _: (200, "application/json", "{}")
    evidence = pod.run({"read": READ, "by hand": ask_agent()}).evidence

    evidence["read"].denied(Stage.AGENT, "MalformedAnswer")
    evidence["by hand"].denied(Stage.AGENT, "MalformedAnswer")


def test_service_that_is_away_is_no_denial(pod: Pod) -> None:
    pod.environment["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
    result = pod.run({"read": READ, "by url": by_url(READ)})

    for evidence in result.evidence.values():
        assert (evidence.outcome, evidence.stage) == (Outcome.FAILED, Stage.SERVICE)
        assert evidence.code == "Unreachable"
    assert "X-Amz-Security-Token=<" in result.evidence["by url"].message


def test_secrets_in_a_message_become_fingerprints(pod: Pod) -> None:
    pod.agent.answer = lambda request: (
        400,
        "text/plain",
        f"bad token {request.headers['Authorization']} of AKIAIOSFODNN7EXAMPLE",
    )
    message = pod.run({"read": READ}).evidence["read"].message

    assert message.startswith("bad token <")
    assert "AKIA" not in message


def test_pod_that_holds_ends_by_sigterm(pod: Pod) -> None:
    process = pod.start({"own": ask_agent()}, hold=True)
    line = process.stdout.readline()

    assert json.loads(line)["call"] == "own"
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.parametrize("plan", ["", "{", '{"hold": true}'])
def test_broken_plan_ends_with_two(plan: str) -> None:
    runner = Path(__file__).parents[2] / "conformance" / "probes" / "runner.py"
    done = subprocess.run(
        [sys.executable, str(runner)],
        env={"CONFORMANCE_PLAN": plan},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "holds no plan" in done.stderr


def test_answer_by_hand_tells_everything_but_the_secrets(result: Any) -> None:
    asked = result.evidence["five at once"].granted()

    assert asked.agent.members == (
        "AccessKeyId", "SecretAccessKey", "Token", "AccountId", "Expiration",
    )  # fmt: skip
    assert asked.agent.headers["Content-Type"] == "application/json"
    assert not asked.agent.newline
    assert asked.answer["AccountId"] == "111122223333"
    assert asked.answer["Different"] == 1
    assert asked.answer["Token"].startswith("<")


def test_token_can_be_presented_in_other_words(result: Any, shared_pod: Pod) -> None:
    result.evidence["bearer"].granted()

    assert any(
        asked.get("authorization", "").startswith("Bearer ey") for asked in shared_pod.agent.asked
    )


def test_refusal_by_hand_tells_headers_and_newline(result: Any) -> None:
    agent = result.evidence["no token"].agent

    assert agent.headers["Content-Type"] == "text/plain"
    assert agent.newline
    assert agent.text == "Service account token cannot be empty"


def test_plain_answer_is_told_as_text(result: Any) -> None:
    assert result.evidence["elsewhere"].granted().text == "hello"


def test_secret_parameter_is_read_in_the_pod(result: Any, shared_pod: Pod) -> None:
    result.evidence["secret parameter"].granted()

    assert any(asked[":path"] == f"/data/{PRESENTED}" for asked in shared_pod.aws.asked)


def test_call_after_an_outage_is_not_made(pod: Pod) -> None:
    pod.agent.answer = lambda _: (500, "text/plain", "[]\n")
    told = pod.run({"first": ask_agent(), "second": ask_agent(after="first"), "third": ask_agent()})

    assert {one.code for one in told.evidence.values()} == {"Unreachable"}
    assert told.evidence["second"].call == "second"
    assert len(pod.agent.asked) == 2


def test_call_after_a_refusal_is_made(pod: Pod) -> None:
    told = pod.run({"first": ask_agent(None), "second": ask_agent(after="first")})

    told.evidence["first"].denied(Stage.AGENT, "TokenEmpty")
    told.evidence["second"].granted()


def test_call_after_a_refusal_that_an_early_agent_calls_500_is_made(pod: Pod) -> None:
    error = "operation error EKS Auth: AssumeRoleForPodIdentity, https response error StatusCode: "
    said = f"{error}404, RequestID: b69b, ResourceNotFoundException: none"
    pod.agent.answer = lambda _: (500, "text/plain", f"{said}\n")
    told = pod.run({"first": ask_agent(), "second": ask_agent(after="first")})

    told.evidence["first"].denied(Stage.EKS_AUTH, "ResourceNotFoundException")
    assert len(pod.agent.asked) == 2
