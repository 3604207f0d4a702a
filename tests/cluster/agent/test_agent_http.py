import asyncio
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.cluster.agent.connections import HandlerPanicError
from conformance.cluster.agent.connections import Server as HttpServer
from conformance.cluster.agent.credentials import target_host
from conformance.cluster.agent.http_messages import (
    Answer,
    BadRequestError,
    Request,
    read_request,
)
from conformance.cluster.agent.routes import clean_path, routes
from tests.cluster.agent.conftest import Reply, listening, send

GET = "GET / HTTP/1.1\r\n"


async def echo(request: Request) -> Answer:
    if request.query == "panic":
        raise HandlerPanicError
    return Answer.error(200, f"{request.method} {request.path} {request.host}")


def ask(raw: bytes, *, answers: int = 1) -> list[Reply | None]:
    """Send bytes on one connection each time until that many answers are there."""

    async def asked() -> list[Reply | None]:
        made = listening()
        server = HttpServer(routes({"/echo": echo}), made)
        await server.start()
        try:
            return [await send(made.getsockname(), raw) for _ in range(answers)]
        finally:
            await server.close()

    return asyncio.run(asked())


def one(raw: str) -> Reply:
    reply = ask(raw.encode())[0]
    assert reply is not None
    return reply


async def _talk(raw: bytes) -> bytes:
    made = listening()
    server = HttpServer(routes({"/echo": echo}), made)
    await server.start()
    reader, writer = await asyncio.open_connection(*made.getsockname())
    writer.write(raw)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await writer.wait_closed()
    await server.close()
    return answer


def talk(raw: str) -> bytes:
    """Everything that comes back until the server ends the connection."""
    return asyncio.run(_talk(raw.encode()))


def test_requests_follow_each_other_on_a_connection() -> None:
    first = "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n"
    last = "GET /echo HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n"
    answer = talk(first + last)
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert answer.index(b"GET /echo a\n") < answer.index(b"GET /echo b\n")
    assert answer.count(b"Connection: close") == 1


def test_body_between_requests_is_read_away() -> None:
    first = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\r\n"
    last = "GET /echo HTTP/1.0\r\n\r\n"
    assert talk(first + last).count(b" 200 OK") == 2


@pytest.mark.parametrize(
    "framing",
    ["Transfer-Encoding: chunked", "Content-Length: 999999999", "Expect: 100-continue"],
)
def test_body_that_is_not_awaited_ends_the_connection(framing: str) -> None:
    answer = talk(f"POST /echo HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"Connection: close" in answer


def test_http_1_0_is_kept_alive_when_asked() -> None:
    reply = one("GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert (reply.status, reply.headers["Connection"]) == (200, "keep-alive")


@pytest.mark.parametrize(
    ("raw", "status", "text"),
    [
        ("nonsense\r\n\r\n", 400, "400 Bad Request"),
        ("\r\n\r\n", 400, "400 Bad Request"),
        ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400, "400 Bad Request"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "400 Bad Request"),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400, "400 Bad Request"),
        ("GET / HTTP/1.1\r\n  first\r\n\r\n", 400, "400 Bad Request"),
        ("GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400, "400 Bad Request"),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "400 Bad Request: malformed Host header"),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nb c: d\r\n\r\n",
            400,
            "400 Bad Request: invalid header name",
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nb: \x01\r\n\r\n",
            400,
            "400 Bad Request: invalid header value",
        ),
        (
            "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
            505,
            "505 HTTP Version Not Supported: unsupported protocol version",
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
            501,
            "Unsupported transfer encoding",
        ),
    ],
)
def test_bad_request_is_answered_as_go_does(raw: str, status: int, text: str) -> None:
    reply = one(raw)
    assert (reply.status, reply.text) == (status, text)
    assert reply.headers["Connection"] == "close"


def test_target_with_a_host_overrides_the_header() -> None:
    assert one("GET http://other/echo HTTP/1.1\r\nHost: a\r\n\r\n").text == "GET /echo other\n"


def test_options_of_everything_is_answered() -> None:
    reply = one("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (reply.status, reply.body) == (200, b"")


def test_continued_header_is_one_value() -> None:
    request, _ = read_request(b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: b\r\n  c\r", "peer")
    assert request.authorization == b"b c"


def test_encoded_path_is_the_same_path() -> None:
    assert one("GET /%65cho HTTP/1.1\r\nHost: a\r\n\r\n").status == 200


def test_redirect_keeps_the_query_and_has_a_body_for_get_only() -> None:
    reply = one("GET //echo?a=1&b HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (reply.status, reply.headers["Location"]) == (307, "/echo?a=1&b")
    assert reply.text == '<a href="/echo?a=1&amp;b">Temporary Redirect</a>.\n\n'
    assert one("POST //echo HTTP/1.1\r\nHost: a\r\n\r\n").body == b""


def test_panic_closes_without_an_answer() -> None:
    assert ask(b"GET /echo?panic HTTP/1.1\r\nHost: a\r\n\r\n", answers=2) == [None, None]


@pytest.mark.parametrize(
    ("path", "clean"),
    [
        ("", "/"),
        ("/", "/"),
        ("/a/", "/a/"),
        ("//a", "/a"),
        ("/a/./b", "/a/b"),
        ("/a/../b", "/b"),
        ("/..", "/"),
        ("/a//b/", "/a/b/"),
    ],
)
def test_clean_path(path: str, clean: str) -> None:
    assert clean_path(path) == clean


@pytest.mark.parametrize(
    ("given_host", "name"),
    [
        ("169.254.170.23", "169.254.170.23"),
        ("169.254.170.23:", "169.254.170.23"),
        ("[fd00:ec2::23]", "fd00:ec2::23"),
        ("[fd00:ec2::23]:80", "fd00:ec2::23"),
        ("fd00:ec2::23", "fd00:ec2::23"),
        ("a:b:80", "a:b:80"),
        ("[", "["),
        ("", ""),
    ],
)
def test_target_host(given_host: str, name: str) -> None:
    assert target_host(given_host) == name


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_head_is_a_request_or_refused(head: bytes) -> None:
    with suppress(BadRequestError):
        assert read_request(head, "peer")[0].method
