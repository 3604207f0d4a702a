"""What our own services see of a request; in-process, signed by botocore."""

import asyncio
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from ministack.services import sts

from conformance.emulator.router import Dropped, Router, Wire
from conformance.emulator.service import Request, Response, Session

REGION = "eu-west-1"


class Recorder:
    """A service that remembers what it was asked."""

    def __init__(self) -> None:
        self.seen: list[Request] = []

    async def __call__(self, request: Request, _: Any) -> Response:
        self.seen.append(request)
        return Response(200, {"x-made-by": "us"}, b"done")


def _wire(session: Session, service: str, path: str, body: bytes = b"{}") -> Wire:
    request = AWSRequest("POST", f"http://127.0.0.1{path}", data=body)
    credentials = Credentials(
        session.access_key_id, session.secret_access_key, session.session_token
    )
    SigV4Auth(credentials, service, REGION).add_auth(request)
    headers = {"Host": "127.0.0.1", **dict(request.headers.items())}
    return Wire(
        "POST",
        path,
        tuple((name.encode(), value.encode()) for name, value in headers.items()),
        body,
        "127.0.0.1",
    )


def _answer(aws: Any, service: str, handler: Recorder, wire: Wire) -> Response:
    return asyncio.run(Router(aws, {service: handler}).answer(wire))


def test_service_sees_the_verified_caller(account: Any) -> None:
    session = account.session(account.role("node"), "i-1", tags={"team": "x"})
    handler = Recorder()
    answer = _answer(
        account.aws, "eks", handler, _wire(session, "eks", "/tags/arn%3Aaws%3Aeks%3A%2Fx?a=1&a=2")
    )
    request = handler.seen[0]
    assert (answer.status, answer.body) == (200, b"done")
    assert answer.headers["x-amzn-requestid"] == request.request_id
    assert request.caller.arn == session.arn
    assert request.caller.account_id == account.id
    assert request.caller.session_tags == {"team": "x"}
    assert (request.path, request.raw_path) == (
        "/tags/arn:aws:eks:/x",
        "/tags/arn%3Aaws%3Aeks%3A%2Fx",
    )
    assert request.query == {"a": ["1", "2"]}
    assert (request.service, request.region, request.body) == ("eks", REGION, b"{}")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Expiration": 1.0}, "ExpiredTokenException"),
        ({"SessionToken": "another"}, "UnrecognizedClientException"),
        ({"SecretAccessKey": "another"}, "InvalidSignatureException"),
    ],
)
def test_bad_credentials_never_reach_a_service(
    account: Any, change: dict[str, Any], code: str
) -> None:
    session = account.session(account.role("node"))
    sts._sessions[session.access_key_id].update(change)
    handler = Recorder()
    answer = _answer(account.aws, "eks", handler, _wire(session, "eks", "/clusters"))
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (403, code)
    assert handler.seen == []


def test_stale_request_is_refused(account: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    session = account.session(account.role("node"))
    wire = _wire(session, "eks", "/clusters")
    old = tuple(
        (name, b"20200101T000000Z" if name.lower() == b"x-amz-date" else value)
        for name, value in wire.headers
    )
    handler = Recorder()
    answer = _answer(account.aws, "eks", handler, Wire("POST", "/clusters", old, b"{}", "::1"))
    assert answer.headers["x-amzn-errortype"] == "InvalidSignatureException"


def test_eks_auth_that_is_down_drops_even_good_requests(account: Any) -> None:
    session = account.session(account.role("node"))
    account.aws.faults.set(["eks-auth-down"])
    try:
        with pytest.raises(Dropped):
            _answer(account.aws, "eks-auth", Recorder(), _wire(session, "eks-auth", "/x"))
        assert _answer(account.aws, "eks", Recorder(), _wire(session, "eks", "/x")).status == 200
    finally:
        account.aws.faults.set([])


def test_session_of_a_deleted_role_can_do_nothing(account: Any) -> None:
    everything = (
        '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
    )
    session = account.session(account.role("short-lived", everything))
    caller = account.caller(session)
    assert account.aws.authorize(caller, "eks:ListClusters", "*").allowed
    account.ask_iam("DeleteRolePolicy", RoleName="short-lived", PolicyName="own")
    account.ask_iam("DeleteRole", RoleName="short-lived")
    decision = account.aws.authorize(caller, "eks:ListClusters", "*")
    assert not decision.allowed
    assert decision.message == (
        f"User: {session.arn} is not authorized to perform: eks:ListClusters because no "
        "identity-based policy allows the eks:ListClusters action"
    )


def test_context_of_a_service_is_a_condition_key(account: Any) -> None:
    policy = (
        '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:PassRole","Resource":'
        '"*","Condition":{"StringEquals":{"iam:PassedToService":"pods.eks.amazonaws.com"}}}}'
    )
    caller = account.caller(account.session(account.role("r", policy)))
    target = f"arn:aws:iam::{account.id}:role/x"
    for service, allowed in (("pods.eks.amazonaws.com", True), ("ec2.amazonaws.com", False)):
        decision = account.aws.authorize(
            caller, "iam:PassRole", target, {"iam:PassedToService": service}
        )
        assert decision.allowed is allowed
