import sys

import pytest

from conformance.environment import Aws
from conformance.errors import HarnessError
from conformance.probes import aws_cli
from conformance.stages import Stage
from conformance.world.command_line import type_command

SECRET = "a-secret-that-must-not-be-an-argument"
AWS = Aws(
    region="eu-west-1", account_id="1", endpoint="http://127.0.0.1:1", access_key_id="AKIA1",
    secret_access_key=SECRET,
)  # fmt: skip
TELLS = "import json, os, sys; print(json.dumps({'argv': sys.argv[1:], 'env': dict(os.environ)}))"


def installed(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setattr(aws_cli, "command", lambda: (sys.executable, "-c", script))


def test_keys_go_by_the_environment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, TELLS)
    monkeypatch.setenv("AWS_PROFILE", "the-users-own")
    told = type_command(AWS, ("eks", "list-clusters")).granted().answer

    assert told["argv"] == ["eks", "list-clusters"]
    assert told["env"]["AWS_SECRET_ACCESS_KEY"] == SECRET
    assert told["env"]["AWS_ENDPOINT_URL"] == AWS.endpoint
    assert "AWS_PROFILE" not in told["env"]


def test_real_account_is_asked_as_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, TELLS)
    monkeypatch.setenv("AWS_PROFILE", "the-users-own")
    told = type_command(Aws(region="eu-west-1", account_id="1"), ("sts", "x")).answer

    assert told["env"]["AWS_PROFILE"] == "the-users-own"
    assert told["env"]["AWS_REGION"] == "eu-west-1"
    assert "AWS_ENDPOINT_URL" not in told["env"]


def test_refusal_is_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "An error occurred (ResourceInUseException) when calling the CreateAddon operation: no"
    installed(monkeypatch, f"import sys; sys.stderr.write({text!r}); sys.exit(254)")

    type_command(AWS, ("eks", "create-addon")).denied(Stage.SERVICE, "ResourceInUseException")


def test_missing_cli_is_trouble_that_names_the_capability(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_cli, "command", lambda: None)

    with pytest.raises(HarnessError, match="not installed") as trouble:
        type_command(AWS, ("eks", "list-clusters"))

    assert "aws-cli" in trouble.value.try_


def test_cli_of_this_python_comes_before_one_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    assert aws_cli.command() == (sys.executable, "-m", "awscli")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/aws")

    assert aws_cli.command() == ("/usr/bin/aws",)
