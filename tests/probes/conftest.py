"""An agent and AWS, played on loopback, and the runner as a process between them."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jwt
import pytest

import conformance.probes.runner
from conformance.probes.evidence import Evidence, read_evidence
from conformance.probes.plan import Call, plan_json

RUNNER = Path(conformance.probes.runner.__file__)

# Made-up secrets in the shape of real ones; no output may hold any of them.
KEYS = {
    "AccessKeyId": "ASIAPODPODPODPODPOD1",
    "SecretAccessKey": "pod-secret-key/" + "s" * 25,
    "Token": "pod-session-token//" + "t" * 40,
}
BY_HAND_KEYS = {
    "AccessKeyId": "ASIAHANDHANDHANDHAN2",
    "SecretAccessKey": "byhand-secret-key/" + "S" * 22,
    "Token": "byhand-session-token//" + "T" * 40,
}
TOKEN = jwt.encode(
    {
        "aud": ["pods.eks.amazonaws.com"],
        "iss": "https://issuer",
        "sub": "system:serviceaccount:shop:reader",
        "exp": 2_000_000_000,
        "iat": 1_900_000_000,
        "kubernetes.io": {"namespace": "shop", "pod": {"name": "reader-1", "uid": "u-1"}},
    },
    "a-key-that-is-long-enough-for-hs256!",
    algorithm="HS256",
)
SECRETS = (*KEYS.values(), *BY_HAND_KEYS.values(), TOKEN)

DENIAL = (
    "<Error><Code>AccessDenied</Code><Message>User: arn:aws:sts::1:assumed-role/r/s is not "
    "authorized to perform: s3:GetObject</Message></Error>"
)


@dataclass
class Played:
    """A part that is played: what it answers, and what it was asked."""

    answer: Callable[[BaseHTTPRequestHandler], tuple[int, str, str]]
    asked: list[dict[str, str]] = field(default_factory=list)
    address: str = ""


def serve(played: Played) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.body = body
            played.asked.append(headers | {":method": self.command, ":path": self.path})
            status, kind, text = played.answer(self)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(text.encode())

        do_POST = do_PUT = do_HEAD = do_GET  # noqa: N815 - the base class's names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as above
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    played.address = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    return server


def credentials(keys: dict[str, str]) -> tuple[int, str, str]:
    told = {**keys, "AccountId": "111122223333", "Expiration": "2099-01-01T00:00:00Z"}
    return 200, "application/json", json.dumps(told)


def answer_as_agent(request: BaseHTTPRequestHandler) -> tuple[int, str, str]:
    presented = request.headers.get("Authorization")
    if not presented:
        return 400, "text/plain", "Service account token cannot be empty\n"
    return credentials(KEYS if presented == TOKEN else BY_HAND_KEYS)


def answer_as_aws(request: BaseHTTPRequestHandler) -> tuple[int, str, str]:
    if request.path.startswith("/data/"):
        return 200, "text/plain", "hello"
    if request.path.startswith("/broken/"):
        return 500, "application/xml", "<Error><Code>InternalError</Code></Error>"
    if request.path != "/":
        return 403, "application/xml", DENIAL
    body = getattr(request, "body", "")
    who = "byhand" if BY_HAND_KEYS["AccessKeyId"] in request.headers["Authorization"] else "pod"
    result = (
        f"<Arn>arn:aws:sts::111122223333:assumed-role/{who}-role/session</Arn>"
        "<UserId>AROA:session</UserId><Account>111122223333</Account>"
        if "GetCallerIdentity" in body
        else "<Credentials><AccessKeyId>ASIAHANDHANDHANDHAN2</AccessKeyId>"
        f"<SecretAccessKey>{BY_HAND_KEYS['SecretAccessKey']}</SecretAccessKey>"
        f"<SessionToken>{BY_HAND_KEYS['Token']}</SessionToken>"
        "<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
    )
    name = "GetCallerIdentity" if "<Arn>" in result else "AssumeRole"
    space = "https://sts.amazonaws.com/doc/2011-06-15/"
    return (
        200,
        "text/xml",
        f'<{name}Response xmlns="{space}"><{name}Result>{result}</{name}Result></{name}Response>',
    )


@dataclass
class Result:
    """One run of the runner."""

    code: int
    output: str
    errors: str

    @property
    def evidence(self) -> dict[str, Evidence]:
        return read_evidence(self.output)


@dataclass
class Pod:
    """What a pod would be to the runner: an environment and a token file."""

    agent: Played
    aws: Played
    environment: dict[str, str]

    def start(self, plan: dict[str, Call], *, hold: bool = False) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, str(RUNNER)],
            env={**self.environment, "CONFORMANCE_PLAN": plan_json(plan, hold=hold)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, plan: dict[str, Call]) -> Result:
        process = self.start(plan)
        output, errors = process.communicate(timeout=30)
        forms = [form for secret in SECRETS for form in (secret, quote(secret, safe=""))]
        found = [form for form in forms if form in output + errors]
        assert not found, "the runner printed a secret"
        return Result(process.returncode, output, errors)


@contextmanager
def injected_pod(tmp_path: Path) -> Iterator[Pod]:
    agent, aws = Played(answer_as_agent), Played(answer_as_aws)
    servers = [serve(agent), serve(aws)]
    token = tmp_path / "token"
    token.write_text(TOKEN)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "CONFORMANCE_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": aws.address,
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{agent.address}/v1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token),
    }
    yield Pod(agent, aws, environment)
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    """An injected pod whose agent and AWS answer as they should."""
    with injected_pod(tmp_path) as pod:
        yield pod


@pytest.fixture(scope="module")
def shared_pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    """The same for many tests that only look at what one run saw."""
    with injected_pod(tmp_path_factory.mktemp("pod")) as pod:
        yield pod
