"""
Two ways to ask the emulated AWS: in this process, and over the wire.

Decisions are asked in-process, hundreds in a second; what only the process shows
(sockets, lifeline, wire formats) is asked of one that is launched once a session.
"""

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from conformance.emulator import borrowed

REGION = "eu-west-1"
borrowed.prepare(region=REGION, account_id="000000000001")

from ministack.core.responses import request_scope  # noqa: E402 -- after prepare
from ministack.services import iam  # noqa: E402 -- after prepare

from conformance.emulator import corrections  # noqa: E402 -- after prepare
from conformance.emulator.aws import Aws  # noqa: E402 -- after prepare
from conformance.emulator.launch import Launched, launch  # noqa: E402 -- after prepare
from conformance.emulator.service import Caller, Session, Settings  # noqa: E402 -- after prepare

_NUMBERS = itertools.count(100)


def document(statements: list[dict[str, Any]], version: str = "2012-10-17") -> str:
    return json.dumps({"Version": version, "Statement": statements})


TRUST_EVERYONE = document(
    [{"Effect": "Allow", "Principal": "*", "Action": ["sts:AssumeRole", "sts:TagSession"]}]
)


@dataclass
class Account:
    """A fresh account in the in-process IAM; made through IAM's own handlers."""

    id: str
    aws: Aws

    def ask_iam(self, operation: str, **parameters: object) -> str:
        with request_scope(self.id, REGION):
            status, _, body = iam._IAM_HANDLERS[operation](
                {name: [str(value)] for name, value in parameters.items()}
            )
        assert status == 200, body
        return str(body.decode())

    def managed(self, name: str, text: str) -> str:
        self.ask_iam("CreatePolicy", PolicyName=name, PolicyDocument=text)
        return f"arn:aws:iam::{self.id}:policy/{name}"

    def role(self, name: str, policy: str = "", trust: str = TRUST_EVERYONE, **more: object) -> str:
        """Returns the role's ARN."""
        self.ask_iam("CreateRole", RoleName=name, AssumeRolePolicyDocument=trust, **more)
        if policy:
            self.ask_iam("PutRolePolicy", RoleName=name, PolicyName="own", PolicyDocument=policy)
        with request_scope(self.id, REGION):
            return str(iam._roles[name]["Arn"])

    def user(self, name: str, policy: str = "", **more: object) -> str:
        """Returns the user's ARN."""
        self.ask_iam("CreateUser", UserName=name, **more)
        if policy:
            self.ask_iam("PutUserPolicy", UserName=name, PolicyName="own", PolicyDocument=policy)
        return f"arn:aws:iam::{self.id}:user/{name}"

    def user_caller(self, name: str) -> Caller:
        told = self.ask_iam("CreateAccessKey", UserName=name)
        key = told.partition("<AccessKeyId>")[2].partition("<")[0]
        return Caller(self.id, f"arn:aws:iam::{self.id}:user/{name}", name, "User", key)

    def root_caller(self) -> Caller:
        key, _ = self.aws.mint.root(self.id)
        return Caller(self.id, f"arn:aws:iam::{self.id}:root", self.id, "Root", key)

    def session(self, role_arn: str, name: str = "test-session", **more: Any) -> Session:
        more.setdefault("duration_seconds", 3600)
        return self.aws.assume_role_for_service(
            role_arn, service="pods.eks.amazonaws.com", session_name=name, **more
        )

    def caller(self, session: Session) -> Caller:
        return Caller(
            self.id, session.arn, session.assumed_role_id, "AssumedRole", session.access_key_id
        )


@pytest.fixture(scope="session")
def in_process(tmp_path_factory: pytest.TempPathFactory) -> Aws:
    """Corrected ministack in this process; give every test an account of its own."""
    aws = Aws(Settings(tmp_path_factory.mktemp("aws"), REGION, "000000000001", 1))
    corrections.install(aws)
    return aws


@pytest.fixture
def new_account(in_process: Aws) -> Callable[[], Account]:
    return lambda: Account(f"{next(_NUMBERS):012d}", in_process)


@pytest.fixture
def account(new_account: Callable[[], Account]) -> Account:
    return new_account()


@dataclass
class Wire:
    """boto3 against a launched process."""

    launched: Launched

    def client(self, service: str, credentials: dict[str, str] | None = None, **more: Any) -> Any:
        """As the account's root, or with AccessKeyId, SecretAccessKey and SessionToken given."""
        aws = self.launched.aws
        given = credentials or {
            "AccessKeyId": aws.access_key_id or "",
            "SecretAccessKey": aws.secret_access_key or "",
        }
        # The stubs know one overload a service; the name is only known here.
        make: Any = boto3.client
        return make(
            service,
            region_name=more.pop("region", aws.region),
            endpoint_url=aws.endpoint,
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given.get("SessionToken") or given.get("Token"),
            config=Config(retries={"max_attempts": 0}, **more),
        )

    @staticmethod
    def refused(call: Any, **parameters: Any) -> tuple[str, int, str]:
        """Code, status and text of the refusal that the call must meet."""
        with pytest.raises(ClientError) as error:
            call(**parameters)
        told = error.value.response
        status = told["ResponseMetadata"]["HTTPStatusCode"]
        return told["Error"]["Code"], status, told["Error"]["Message"]

    def role(self, name: str, statements: list[dict[str, Any]], service: str) -> str:
        """A role that one AWS service may assume; returns its ARN."""
        trust = [
            {
                "Effect": "Allow",
                "Principal": {"Service": service},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
            }
        ]
        client = self.client("iam")
        made = client.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))
        if statements:
            client.put_role_policy(
                RoleName=name, PolicyName="own", PolicyDocument=document(statements)
            )
        return str(made["Role"]["Arn"])

    def node_session(self, name: str, statements: list[dict[str, Any]]) -> dict[str, str]:
        """Credentials of a role with these statements, through the admin API."""
        arn = self.role(name, statements, "ec2.amazonaws.com")
        return self.launched.admin.instance_credentials(arn, f"i-{name}")


@pytest.fixture(scope="session")
def launched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launched]:
    process = launch(tmp_path_factory.mktemp("e") / "aws", region=REGION)
    yield process
    process.stop()


@pytest.fixture
def wire(launched: Launched) -> Wire:
    return Wire(launched)


@pytest.fixture
def short_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Does not exist yet; short enough for a Unix socket in it."""
    return tmp_path_factory.mktemp("p") / "aws"
