"""Whatever is sent as a token: refused in words, and the agent goes on."""

import asyncio
import base64
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cluster.agent.conftest import Served, StandIn, make_token, serve

HEADER_BYTES = st.binary(max_size=120).map(lambda raw: raw.replace(b"\n", b"").replace(b"\r", b""))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
CLAIMS = st.dictionaries(
    st.sampled_from(["exp", "nbf", "iat", "aud", "iss", "sub", "jti", "EXP", "kubernetes.io"]),
    JSON,
    max_size=4,
)


def part(value: Any) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


def mutated(place: int, byte: int) -> bytes:
    good = bytearray(make_token().encode())
    good[place % len(good)] = byte
    return bytes(good)


TOKENS = st.one_of(
    HEADER_BYTES,
    st.lists(HEADER_BYTES, min_size=3, max_size=3).map(b".".join),
    st.builds(lambda head, claims: b".".join([part(head), part(claims), b""]), JSON, CLAIMS),
    st.builds(lambda claims: b".".join([part({"alg": "RS256"}), part(claims), b"s"]), CLAIMS),
    st.builds(mutated, st.integers(0, 10_000), st.integers(32, 126)),
)


class Loop:
    """One agent for all examples; EKS Auth believes none of their tokens."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.trouble: list[dict[str, Any]] = []
        self.stack = AsyncExitStack()
        self.served = self.runner.run(self._start())

    async def _start(self) -> Served:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: self.trouble.append(context)
        )
        stand_in = StandIn(default={"answer": "InvalidToken"})
        return await self.stack.enter_async_context(serve(stand_in=stand_in))

    def close(self) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.close()


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
@given(token=TOKENS)
def test_bad_token_is_never_answered_200(loop: Loop, token: bytes) -> None:
    raw = b"GET /v1/credentials HTTP/1.1\r\nHost: 169.254.170.23\r\nAuthorization: " + token
    reply = loop.runner.run(loop.served.raw(raw + b"\r\n\r\n"))
    assert loop.trouble == []
    assert reply is not None
    assert reply.status in (400, 429)
    assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert reply.body
