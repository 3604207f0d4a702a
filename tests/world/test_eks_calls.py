from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from conformance.environment import Aws
from conformance.errors import HarnessError
from conformance.stages import Stage
from conformance.world.eks_calls import EksCalls

ID = "a-lfw52xh1ihr1szuwp"
CREATED = f'{{"association": {{"associationId": "{ID}", "createdAt": 1700000000}}}}'
REFUSED = '{"message": "Association already exists"}'


class Eks(BaseHTTPRequestHandler):
    asked: list[tuple[str, str, str]] = []  # noqa: RUF012 - emptied by the fixture
    answer: tuple[int, str, str] = (200, "", CREATED)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.asked.append((self.command, self.path, body))
        status, code, text = type(self).answer
        self.send_response(status)
        self.send_header("x-amzn-ErrorType", code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_DELETE = do_GET = do_POST  # noqa: N815 - the base class's names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as above
        pass


@pytest.fixture
def eks() -> Iterator[EksCalls]:
    server = HTTPServer(("127.0.0.1", 0), Eks)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    Eks.asked, Eks.answer = [], (200, "", CREATED)
    aws = Aws(
        region="eu-west-1",
        account_id="111122223333",
        endpoint=f"http://127.0.0.1:{server.server_port}",
        access_key_id="AKIDEXAMPLE",
        secret_access_key="a-made-up-secret-key",
    )
    yield EksCalls(aws, cluster="one", run="r1")
    server.shutdown()
    server.server_close()


def test_call_is_about_our_cluster_and_tagged_with_the_run(eks: EksCalls) -> None:
    made = eks.ask("create_pod_identity_association", namespace="shop", tags={"mine": "1"})
    method, path, body = Eks.asked[0]

    assert (method, path) == ("POST", "/clusters/one/pod-identity-associations")
    assert '"conformance:run": "r1"' in body
    assert '"mine": "1"' in body
    assert made.granted().answer["association"]["createdAt"].startswith("2023-")


@pytest.mark.parametrize(
    ("operation", "named"),
    [
        ("create_cluster", {"name": "two"}),
        ("create_nodegroup", {"nodegroupName": "nodes"}),
        ("create_addon", {"addonName": "vpc-cni"}),
    ],
)
def test_whatever_takes_tags_is_tagged_with_the_run(
    eks: EksCalls, operation: str, named: dict[str, str]
) -> None:
    eks.ask(operation, **named)

    assert '"tags": {"conformance:run": "r1"}' in Eks.asked[0][2]


def test_parameters_are_for_the_api_to_refuse(eks: EksCalls) -> None:
    eks.ask("list_pod_identity_associations", maxResults=0)

    assert Eks.asked[0][1].endswith("?maxResults=0")


def test_refusal_has_stage_and_code(eks: EksCalls) -> None:
    Eks.answer = (409, "ResourceInUseException", REFUSED)
    refused = eks.ask("create_pod_identity_association")

    refused.denied(Stage.SERVICE, "ResourceInUseException")
    assert (refused.status, refused.message) == (409, "Association already exists")
    assert refused.subject == "the harness"


def test_denial_is_of_iam(eks: EksCalls) -> None:
    Eks.answer = (403, "AccessDeniedException", REFUSED)

    eks.ask("list_pod_identity_associations").denied(Stage.IAM, "AccessDeniedException")


def test_what_was_made_here_is_taken_away(eks: EksCalls) -> None:
    eks.ask("create_pod_identity_association")
    eks.close()
    eks.close()

    assert [asked[0] for asked in Eks.asked] == ["POST", "DELETE"]
    assert Eks.asked[1][1].endswith(ID)


def test_association_that_stays_is_trouble(eks: EksCalls) -> None:
    eks.ask("create_pod_identity_association")
    Eks.answer = (400, "InvalidRequestException", REFUSED)

    with pytest.raises(HarnessError, match=ID):
        eks.close()


def test_api_that_is_away_is_trouble(eks: EksCalls) -> None:
    aws = Aws(region="eu-west-1", account_id="1", endpoint="http://127.0.0.1:1",
              access_key_id="AKIDEXAMPLE", secret_access_key="a-made-up-secret-key")  # fmt: skip

    with pytest.raises(HarnessError, match="does not answer"):
        EksCalls(aws, cluster="one", run="r1").ask("list_clusters")
