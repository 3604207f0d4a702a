import pytest

from conformance.errors import HarnessError
from conformance.probes import Outcome
from conformance.probes.aws_cli import container_command, evidence_of, read_log
from conformance.probes.evidence import Evidence
from conformance.stages import Stage

LIST = ("s3", "ls")
COMMANDS = {"list": LIST, "it's a read": ("s3", "cp", "s3://data/hello.txt", "-")}


def said(text: str, exit_code: int = 254) -> Evidence:
    return evidence_of("list", LIST, exit_code, text, told={})


def test_one_command_is_run_as_it_stands() -> None:
    assert container_command({"list": LIST}) == ["aws", "s3", "ls"]


def test_what_was_printed_is_the_answer() -> None:
    evidence = said("2026-11-24 00:00:00 data\n", exit_code=0)

    assert evidence.granted().text == "2026-11-24 00:00:00 data\n"
    assert said('{"addon": {"status": "ACTIVE"}}', 0).answer == {"addon": {"status": "ACTIVE"}}


def test_of_a_listing_only_what_is_wanted_is_kept() -> None:
    listing = "2026-11-24 somebodys\n2026-11-24 data\n2026-11-24 payroll\n"
    found = read_log(listing, {"list": LIST}, exit_code=0, told={}, keeping={"list": "data"})

    assert found["list"].text == "2026-11-24 data\n(2 more)"


def test_refusal_of_a_policy_is_iams() -> None:
    text = (
        "\nAn error occurred (AccessDenied) when calling the ListBuckets operation: User: "
        "arn:aws:sts::1:assumed-role/r/s is not authorized to perform: s3:ListAllMyBuckets\n"
    )

    assert "s3:ListAllMyBuckets" in said(text).denied(Stage.IAM, "AccessDenied").message


def test_head_that_is_refused_has_a_status_for_a_code() -> None:
    text = "fatal error: An error occurred (403) when calling the HeadObject operation: Forbidden"

    assert said(text, 1).denied(Stage.IAM, "403").status == 403


def test_what_the_agent_passed_on_names_the_trust_policy() -> None:
    text = (
        "Error when retrieving credentials from container-role: Error retrieving metadata: "
        "Received non 200 response 400 from container metadata: [1-2]: (AccessDeniedException): "
        "Unauthorized Exception! EKS does not have permissions to assume the associated role., "
        "fault: client\n"
    )

    assert said(text, 255).denied(Stage.STS, "AccessDeniedException").status == 400


def test_pod_that_was_not_injected_finds_nothing() -> None:
    text = 'Unable to locate credentials. You can configure credentials by running "aws login".'

    said(text, 253).denied(Stage.INJECTION, "NoCredentials")


def test_agent_that_is_away_decided_nothing() -> None:
    text = (
        "Error when retrieving credentials from container-role: Error retrieving metadata: "
        "Received error when attempting to retrieve container metadata: Could not connect\n"
    )

    assert said(text, 255).outcome is Outcome.FAILED


def test_sentence_that_nobody_knows_is_trouble() -> None:
    with pytest.raises(HarnessError, match="in no table") as trouble:
        said("aws: [ERROR]: invalid choice", 252)

    assert "exit code 252" in trouble.value.saw


def test_log_of_several_commands_is_taken_apart() -> None:
    log = (
        "--- conformance: list\n2026 data\n\n--- conformance: 0\n"
        "--- conformance: it's a read\n"
        "An error occurred (AccessDenied) when calling the GetObject operation: no"
        "\n--- conformance: 1\n"
    )
    found = read_log(log, COMMANDS, exit_code=0, told={}, keeping={})

    assert found["list"].granted().text == "2026 data\n"
    found["it's a read"].denied(Stage.IAM, "AccessDenied")


def test_script_quotes_what_a_shell_would_read() -> None:
    _, _, script = container_command(COMMANDS)

    assert "aws s3 cp s3://data/hello.txt - 2>&1" in script
    assert "'--- conformance: it'\"'\"'s a read'" in script


def test_command_that_left_no_trace_is_left_out() -> None:
    assert read_log("--- conformance: list\nkill", COMMANDS, exit_code=0, told={}, keeping={}) == {}
