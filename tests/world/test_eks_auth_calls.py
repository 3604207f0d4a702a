import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from conformance.environment import Aws, OtherAccount
from conformance.errors import HarnessError
from conformance.stages import Stage
from conformance.world.eks_auth_calls import EksAuthCalls

TOKEN = "a.b.c"
KEYS = {"accessKeyId": "ASIAQWERTZUIOP", "secretAccessKey": "x", "sessionToken": "y"}
GIVEN = json.dumps({"credentials": KEYS})


class EksAuth(BaseHTTPRequestHandler):
    asked: list[tuple[str, str]] = []  # noqa: RUF012 - emptied by the fixture
    answer: tuple[int, str, str] = (200, "", GIVEN)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.asked.append((self.path, self.headers["Authorization"].split("/")[0]))
        status, code, text = type(self).answer
        self.send_response(status)
        self.send_header("x-amzn-ErrorType", code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's names
        pass


@pytest.fixture
def aws() -> Iterator[Aws]:
    server = HTTPServer(("127.0.0.1", 0), EksAuth)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    EksAuth.asked, EksAuth.answer = [], (200, "", GIVEN)
    keys = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "a-made-up-secret-key"}
    other = OtherAccount(account_id="2", access_key_id="AKIDOTHER", secret_access_key="another-key")
    yield Aws(
        region="eu-west-1",
        account_id="1",
        endpoint=f"http://127.0.0.1:{server.server_port}",
        other=other,
        **keys,
    )
    server.shutdown()
    server.server_close()


def test_nothing_secret_of_the_answer_is_kept(aws: Aws) -> None:
    evidence = EksAuthCalls(aws, cluster="one").ask(TOKEN).granted()

    assert EksAuth.asked[0][0] == "/clusters/one/assume-role-for-pod-identity"
    assert set(evidence.answer["credentials"]) == set(KEYS)
    assert all(value.startswith("<") for value in evidence.answer["credentials"].values())


def test_refusal_is_eks_auths_and_is_asked_once(aws: Aws) -> None:
    EksAuth.answer = (500, "InternalServerException", '{"message": "Internal failure"}')
    evidence = EksAuthCalls(aws, cluster="one").ask(TOKEN)

    evidence.unanswered(Stage.EKS_AUTH, "InternalServerException")
    assert len(EksAuth.asked) == 1


def test_other_account_asks_with_its_own_keys(aws: Aws) -> None:
    EksAuthCalls(aws, cluster="one").ask(TOKEN, as_other=True)

    assert EksAuth.asked[0][1].endswith("AKIDOTHER")


def test_second_account_that_is_not_there_is_trouble(aws: Aws) -> None:
    alone = aws.model_copy(update={"other": None})

    with pytest.raises(HarnessError, match="no second account"):
        EksAuthCalls(alone, cluster="one").ask(TOKEN, as_other=True)
