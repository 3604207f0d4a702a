import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from conformance.cli import main
from conformance.emulator.launch import Launched
from conformance.environment import Aws
from conformance.terraform import stacks
from conformance.terraform.checking import SPECS, permissions
from conformance.terraform.checking.behind import Behind
from conformance.terraform.checking.expected import Place
from conformance.terraform.checking.permissions import calls_of, merged, policy
from conformance.terraform.workspace import Workspace
from tests.terraform.checking.conftest import CLUSTER

ROLE = "arn:aws:iam::111122223333:role/pi-checked-reader"


def test_names_of_one_check_become_patterns() -> None:
    asked = [
        ("iam:CreateRole", ROLE),
        ("s3:PutObject", "arn:aws:s3:::pi-checked-data/hello.txt"),
        ("eks:DescribeAddon", "arn:aws:eks:eu-west-1:111122223333:addon/stage/vpc-cni/1-2"),
        ("sqs:CreateQueue", "arn:aws:sqs:eu-west-1:111122223333:pi-checked-jobs"),
        ("sts:GetCallerIdentity", "*"),
    ]
    assert calls_of(asked, prefix="pi-checked", cluster="stage") == {
        "iam:CreateRole": {"arn:aws:iam::*:role/pi-*"},
        "s3:PutObject": {"arn:aws:s3:::pi-*"},
        "eks:DescribeAddon": {"arn:aws:eks:*:*:addon/*"},
        "sqs:CreateQueue": {"arn:aws:sqs:*:*:pi-*"},
        "sts:GetCallerIdentity": {"*"},
    }


def test_policies_of_aws_keep_their_names() -> None:
    asked = [("iam:GetPolicy", "arn:aws:iam::aws:policy/ReadOnlyAccess")]
    found = calls_of(asked, prefix="pi-checked", cluster="stage")
    assert found["iam:GetPolicy"] == {"arn:aws:iam::*:policy/ReadOnlyAccess"}


def test_what_is_asked_of_everything_needs_nothing_besides() -> None:
    wide, narrow = {"a:B": frozenset({"*"})}, {"a:B": frozenset({"arn:aws:a:::x"})}
    assert merged(wide, narrow) == wide


def test_creating_with_tags_allows_to_tag_the_same() -> None:
    made = policy({"iam:CreateRole": frozenset({"arn:aws:iam::*:role/pi-*"})})
    assert made["Statement"] == [
        {
            "Effect": "Allow",
            "Action": ["iam:CreateRole", "iam:TagRole"],
            "Resource": ["arn:aws:iam::*:role/pi-*"],
        }
    ]


def test_nothing_of_the_projects_own_policy_reaches_beyond_what_runs_make() -> None:
    for statement in policy(permissions.read_calls())["Statement"]:
        for pattern in statement["Resource"]:
            eks = pattern.startswith("arn:aws:eks:")
            assert "pi-*" in pattern or eks, statement


def test_the_terraform_form_is_the_same_policy(
    applied: Callable[[str, str], dict[str, Any]], tmp_path: Path
) -> None:
    wanted = policy(permissions.read_calls())
    hcl = 'terraform {\n  required_providers {\n    aws = { source = "hashicorp/aws" }\n  }\n}\n'
    output = 'output "policy" {\n  value = aws_iam_policy.conformance.policy\n}\n'
    file = tmp_path / "main.tf"
    file.write_text(hcl + permissions.as_terraform(wanted) + output)

    told = json.loads(applied(str(file), "embedded")["policy"])

    assert _flat(told) == _flat(wanted)


@pytest.fixture
def runner(checked: Launched) -> Aws:
    """Somebody who has the policy that is printed, and nothing else."""
    aws = checked.aws
    keys: Any = {
        "aws_access_key_id": aws.access_key_id,
        "aws_secret_access_key": aws.secret_access_key,
        "endpoint_url": aws.endpoint,
    }
    iam = boto3.client("iam", region_name=aws.region, **keys)
    iam.create_user(UserName="runner")
    document = json.dumps(policy(merged(permissions.read_calls(), permissions.BESIDE)))
    arn = iam.create_policy(PolicyName="runner", PolicyDocument=document)["Policy"]["Arn"]
    iam.attach_user_policy(UserName="runner", PolicyArn=arn)
    made = iam.create_access_key(UserName="runner")["AccessKey"]
    return aws.model_copy(
        update={
            "access_key_id": made["AccessKeyId"],
            "secret_access_key": made["SecretAccessKey"],
        }
    )


@pytest.mark.long
def test_the_policy_is_enough_for_everything_and_for_changing_it(
    runner: Aws, checked: Launched, tmp_path: Path
) -> None:
    place = Place(runner, CLUSTER, "pi-runner")
    workspace = Workspace(tmp_path / "w", stacks.stack("aws"), aws=runner, provider="embedded")
    for name in ("everything at once", "everything changed"):
        made = workspace.apply(place.variables(SPECS[name]))
    Behind(checked.aws).write_into(made.buckets["data"].name)
    workspace.destroy()

    assert Behind(checked.aws).left("pi-runner", CLUSTER) == []


def _flat(document: dict[str, Any]) -> set[tuple[str, str]]:
    def many(value: str | list[str]) -> list[str]:
        return [value] if isinstance(value, str) else value

    return {
        (action, resource)
        for each in document["Statement"]
        for action in many(each["Action"])
        for resource in many(each["Resource"])
    }


@pytest.mark.parametrize("form", ["json", "terraform"])
def test_the_command_prints_both_forms(
    form: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["conformance", "requirements", "--iam-policy", form])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().out
    assert not ended.value.code
    assert "iam:CreateRole" in said
    assert form != "json" or json.loads(said)["Version"] == "2012-10-17"
