"""How long a pod waits while EKS Auth is away or slow, and how the agent's probes see theirs."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from conformance.cluster.agent.interface import IPV4_HOST, Listener
from tests.cluster.agent.conftest import Served, StandIn, listening, make_token, serve
from tests.cluster.agent.jumping import LoopClock, jump


async def answer_and_seconds(served: Served) -> tuple[int, str, float]:
    loop = asyncio.get_running_loop()
    began = loop.time()
    reply = await served.ask(make_token())
    return reply.status, reply.text, loop.time() - began


def pauses() -> float:
    """Up to 2 s and up to 4 s, at random: aws-sdk-go-v2 aws/retry/jitter_backoff.go."""
    rng = random.Random(7)  # noqa: S311 - as the agent's in `serve`
    return 2 * rng.random() + 4 * rng.random()


@asynccontextmanager
async def hanging(version: str = "0.1.37") -> AsyncIterator[Served]:
    """An agent before an EKS Auth that hears and never answers."""
    async with serve(version=version, clock=LoopClock()) as served:
        served.stand_in.held = asyncio.Event()
        yield served
        served.stand_in.held.set()


@asynccontextmanager
async def before(closed: socket.socket) -> AsyncIterator[Served]:
    host, port = closed.getsockname()
    async with serve(clock=LoopClock(), eks_auth_endpoint=f"http://{host}:{port}") as served:
        yield served


def test_refused_connections_cost_nothing_but_the_pauses() -> None:
    async def scene() -> None:
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            async with before(bound) as served:
                status, text, seconds = await answer_and_seconds(served)
                assert (status, text) == (500, "[]\n")
                assert seconds == pytest.approx(pauses(), abs=0.01)

    jump(scene)


def test_dialling_ends_after_half_a_second() -> None:
    async def scene() -> None:
        with socket.socket() as full, socket.socket() as first, socket.socket() as second:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            for one in (first, second):
                one.setblocking(False)
                one.connect_ex(full.getsockname())
            async with before(full) as served:
                status, text, seconds = await answer_and_seconds(served)
                assert (status, text) == (500, "[]\n")
                assert seconds == pytest.approx(3 * 0.5 + pauses(), abs=0.01)

    jump(scene)


@pytest.mark.parametrize(
    ("version", "patience", "text"),
    [
        ("0.0.25", 0.6, "error getting credentials to cache: unable to fetch credentials"),
        ("0.1.37", 1.0, "[]\n"),
        ("0.2.1", 1.0, "[]\n"),
    ],
)
def test_each_attempt_has_the_patience_of_its_release(
    version: str, patience: float, text: str
) -> None:
    async def scene() -> None:
        async with hanging(version) as served:
            status, said, seconds = await answer_and_seconds(served)
            assert (status, said[: len(text)], len(served.stand_in.calls)) == (500, text, 3)
            assert seconds == pytest.approx(3 * patience + pauses(), abs=0.01)

    jump(scene)


def test_answer_after_four_fifths_of_a_second_reaches_the_pod() -> None:
    async def scene() -> None:
        slow = StandIn(default={"delay_seconds": 0.8})
        async with serve(stand_in=slow, clock=LoopClock()) as served:
            status, _, seconds = await answer_and_seconds(served)
            assert (status, len(slow.calls)) == (200, 1)
            assert seconds == pytest.approx(0.8, abs=0.01)

    jump(scene)


def test_timeouts_spend_the_quota_of_retries_twice_as_fast() -> None:
    async def scene() -> None:
        async with hanging() as served:
            for _ in range(25):
                await answer_and_seconds(served)
            assert len(served.stand_in.calls) == 75
            _, _, seconds = await answer_and_seconds(served)
            assert len(served.stand_in.calls) == 76
            assert seconds == pytest.approx(1, abs=0.01)

    jump(scene)


@pytest.mark.parametrize(("version", "calls"), [("0.0.25", 2), ("0.1.37", 1), ("0.2.1", 1)])
def test_second_request_waits_for_the_first_ones_answer_since_early_releases(
    version: str, calls: int
) -> None:
    async def scene() -> None:
        slow = StandIn(default={"delay_seconds": 0.5})
        async with serve(version=version, stand_in=slow, clock=LoopClock()) as served:
            token = make_token()
            await asyncio.gather(served.ask(token), served.ask(token))
            assert len(slow.calls) == calls

    jump(scene)


async def probed(answer: bytes) -> tuple[int, float]:
    """What the probe says when a bind host answers so, and after how long."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await reader.read()  # until the probe hangs up
        writer.close()

    loop = asyncio.get_running_loop()
    other = listening()
    async with serve(clock=LoopClock()) as served:
        assert served.agent is not None
        server = await asyncio.start_server(handle, sock=other)
        served.agent._listeners = [Listener(IPV4_HOST, other)]
        began = loop.time()
        status = await served.agent.probe()
        seconds = loop.time() - began
        server.close()
    return status, seconds


@pytest.mark.parametrize(("head", "status"), [("404 Not Found", 200), ("200 OK", 500)])
def test_probe_wants_a_404_of_every_bind_host(head: str, status: int) -> None:
    async def scene() -> None:
        answer = f"HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n".encode()
        assert (await probed(answer))[0] == status

    jump(scene)


def test_probe_that_is_not_answered_is_408_after_ten_seconds() -> None:
    async def scene() -> None:
        status, seconds = await probed(b"")
        assert status == 408
        assert seconds == pytest.approx(10, abs=1)

    jump(scene)
