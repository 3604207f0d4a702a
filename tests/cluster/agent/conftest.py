"""
An agent, a stand-in for EKS Auth behind it, and a client that sends bytes as given.

`pytest --agent PATH` runs the recorded answers against that agent binary
instead of ours: the stand-in and the client stay the same.
"""

from __future__ import annotations

import asyncio
import base64
import heapq
import json
import os
import random
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest
from aiohttp import web

from conformance.cluster.agent.agent import Agent
from conformance.cluster.agent.clock import Clock, SystemClock
from conformance.cluster.agent.interface import IPV4_HOST, Listener, NodeCredentials, Settings
from conformance.cluster.agent.profiles import PROFILES
from conformance.faults import ActiveFaults

REQUEST_ID = "11111111-2222-3333-4444-555555555555"
LIFE_SECONDS = 6 * 3600

REFUSALS = {
    "AccessDenied": (400, "AccessDeniedException"),
    "ExpiredToken": (400, "ExpiredTokenException"),
    "InvalidParameter": (400, "InvalidParameterException"),
    "InvalidRequest": (400, "InvalidRequestException"),
    "InvalidToken": (400, "InvalidTokenException"),
    "ResourceNotFound": (404, "ResourceNotFoundException"),
    "Throttling": (429, "ThrottlingException"),
    "InternalServer": (500, "InternalServerException"),
    "ServiceUnavailable": (503, "ServiceUnavailableException"),
    "Weird": (418, "TeapotException"),
}


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def make_token(
    *,
    drop: tuple[str, ...] = (),
    header: dict[str, Any] | None = None,
    signature: str | None = None,
    now: float | None = None,
    **claims: Any,
) -> str:
    """The default token of the recordings, unless changed; each is another one."""
    began = int(time.time() if now is None else now)
    pod = {"name": "pod", "uid": "pod-uid"}
    bound = {"namespace": "default", "pod": pod, "serviceaccount": {"name": "sa", "uid": "sa-uid"}}
    payload = {
        "aud": ["pods.eks.amazonaws.com"],
        "exp": began + 3600,
        "iat": began,
        "nbf": began,
        "iss": "https://issuer.example",
        "jti": os.urandom(8).hex(),
        "sub": "system:serviceaccount:default:sa",
        "kubernetes.io": bound,
        **claims,
    }
    payload = {name: value for name, value in payload.items() if name not in drop}
    head = header or {"alg": "RS256", "kid": "k"}
    return f"{segment(head)}.{segment(payload)}.{'c2ln' if signature is None else signature}"


class MovedClock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = float(int(time.time()))
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, id(woken), woken))
        await woken

    @property
    def sleepers(self) -> int:
        return sum(not entry[2].done() for entry in self._sleepers)

    def move(self, seconds: float) -> None:
        """Wake everyone who is due; what they then do happens when the test next waits."""
        self.now += seconds
        while self._sleepers and self._sleepers[0][0] <= self.now:
            woken = heapq.heappop(self._sleepers)[2]
            if not woken.done():
                woken.set_result(None)


class HastyClock(SystemClock):
    """Real time, but pauses between attempts take none."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0 if seconds < 60 else seconds)


async def eventually(true: Callable[[], bool], what: str, within: float = 5.0) -> None:
    """Let the loop run until something is true."""
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, f"not within {within} s: {what}"
        await asyncio.sleep(0.002)


@dataclass
class StandIn:
    """EKS Auth as a test wants it; answers by token."""

    behaviour: dict[str, dict[str, Any]] = field(default_factory=dict)
    default: dict[str, Any] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    endpoint: str = ""
    now: Callable[[], float] = time.time
    held: asyncio.Event | None = None
    """While set to an event, answers wait for it."""
    slowness: float = 1.0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        app = web.Application(client_max_size=8 << 20)
        app.router.add_post("/clusters/{name}/assume-role-for-pod-identity", self._answer)
        # 0 would mean for ever.
        runner = web.AppRunner(app, shutdown_timeout=0.05)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.endpoint = f"http://{host}:{port}"
        try:
            yield
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        token = (await request.json())["token"]
        self.calls.append((token, dict(request.headers)))
        wanted = self.behaviour.get(token, self.default)
        if self.held is not None:
            await self.held.wait()
        if "delay_seconds" in wanted:
            await asyncio.sleep(wanted["delay_seconds"] * self.slowness)
        headers = {"x-amzn-RequestId": REQUEST_ID}
        name = wanted.get("answer", "ok")
        if name in REFUSALS:
            status, code = REFUSALS[name]
            headers["x-amzn-ErrorType"] = code
            message = "tea" if name == "Weird" else f"lab message for {name}"
            return web.json_response({"message": message}, status=status, headers=headers)
        body = {} if name == "Empty" else self._credentials(wanted, len(self.calls))
        if name == "NoAssociation":
            del body["podIdentityAssociation"]
        return web.json_response(body, headers=headers)

    def _credentials(self, wanted: dict[str, Any], number: int) -> dict[str, Any]:
        life = wanted.get("credentials_live_seconds", LIFE_SECONDS)
        expiration: float = int(self.now()) + life
        if "fractional_expiration" in wanted:
            expiration += 0.75
        return {
            "subject": {"namespace": "default", "serviceAccount": "sa"},
            "audience": "pods.eks.amazonaws.com",
            "podIdentityAssociation": {"associationArn": "arn", "associationId": "a-1234567890"},
            "assumedRoleUser": {
                "arn": "arn:aws:sts::111122223333:assumed-role/r/eks-lab-pod",
                "assumeRoleId": "AROA:eks-lab-pod",
            },
            "credentials": {
                "accessKeyId": f"ASIA{number:012X}",
                "secretAccessKey": "SECRET",
                "sessionToken": "SESSION+/=<&>",
                "expiration": expiration,
            },
        }


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def access_key_id(self) -> str:
        key: str = json.loads(self.body)["AccessKeyId"]
        return key


async def send(address: tuple[str, int], raw: bytes, *, to_head: bool = False) -> Reply | None:
    """What comes back for these bytes; None when the connection ends without an answer."""
    reader, writer = await asyncio.open_connection(*address[:2])
    try:
        writer.write(raw)
        # A refused giant is answered before all of it was read.
        with suppress(ConnectionError):
            await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    else:
        lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        if to_head:
            body = b""
        elif "Content-Length" in headers:
            body = await reader.readexactly(int(headers["Content-Length"]))
        else:
            body = await reader.read()
        return Reply(int(lines[0].split()[1]), headers, body)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@dataclass
class Served:
    """An agent that answers at `addresses`, one for each bind host."""

    addresses: list[tuple[str, int]]
    stand_in: StandIn
    agent: Agent | None = None
    lines: list[dict[str, Any]] = field(default_factory=list)

    async def raw(self, raw: bytes, *, to_head: bool = False) -> Reply | None:
        return await send(self.addresses[0], raw, to_head=to_head)

    async def ask(self, token: str, *, listener: int = 0, host: str = IPV4_HOST) -> Reply:
        raw = f"GET /v1/credentials HTTP/1.1\r\nHost: {host}\r\nAuthorization: {token}\r\n\r\n"
        reply = await send(self.addresses[listener], raw.encode())
        assert reply is not None
        return reply


def listening() -> socket.socket:
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    made.listen()
    return made


async def node_credentials() -> NodeCredentials:
    return NodeCredentials("AKIDNODE", "node-secret", "node-session")


@asynccontextmanager
async def serve(
    *,
    version: str = "0.1.37",
    clock: Clock | None = None,
    faults: tuple[str, ...] = (),
    settings: Settings | None = None,
    request_seconds: float | None = None,
    stand_in: StandIn | None = None,
    **options: Any,
) -> AsyncIterator[Served]:
    """Our agent on two loopback listeners, with a stand-in behind it."""
    stand_in = stand_in or StandIn()
    clock = clock or HastyClock()
    stand_in.now = clock.time
    profile = PROFILES[version]
    if request_seconds is not None:
        profile = replace(profile, request_seconds=request_seconds)
    sockets = [listening(), listening()]
    served = Served([one.getsockname() for one in sockets], stand_in)
    hosts = (IPV4_HOST, "[fd00:ec2::23]")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(stand_in.serving())
        options.setdefault("eks_auth_endpoint", stand_in.endpoint)
        options.setdefault("node_credentials", node_credentials)
        served.agent = Agent(
            profile,
            cluster_name="lab",
            region="eu-west-1",
            listeners=[Listener(*pair) for pair in zip(hosts, sockets, strict=True)],
            connect=lambda info: socket.socket(info[0], info[1]),
            log=lambda line: served.lines.append(json.loads(line)),
            faults=ActiveFaults(list(faults)),
            settings=settings,
            clock=clock,
            rng=random.Random(7),  # noqa: S311 - jitter that repeats
            **options,
        )
        stack.push_async_callback(served.agent.close)
        await served.agent.start()
        yield served


@asynccontextmanager
async def serve_binary(path: str, stand_in: StandIn) -> AsyncIterator[Served]:
    """A given agent on loopback, started as the chart starts it but for addresses."""
    sockets = [listening() for _ in range(3)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    async with stand_in.serving():
        process = await asyncio.create_subprocess_exec(
            *(path, "server", "-c", "lab", "-b", "127.0.0.1", "-p", str(ports[0])),
            *("--probe-port", str(ports[1]), "--metrics-address", "127.0.0.1"),
            *("--metrics-port", str(ports[2]), "--endpoint", stand_in.endpoint),
            env={
                "AWS_REGION": "eu-west-1",
                "AWS_ACCESS_KEY_ID": "AKIDNODE",
                "AWS_SECRET_ACCESS_KEY": "node-secret",
            },
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            await _answers(("127.0.0.1", ports[0]), process)
            yield Served([("127.0.0.1", ports[0])], stand_in)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _answers(address: tuple[str, int], process: asyncio.subprocess.Process) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        assert process.returncode is None, f"the agent ended with {process.returncode}"
        with suppress(OSError):
            _, writer = await asyncio.open_connection(*address)
            writer.close()
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"no agent answers on {address} after 10 s")


@pytest.fixture(scope="session")
def agent_binary(pytestconfig: pytest.Config) -> str | None:
    """The agent to compare with the recordings instead of ours."""
    return cast("str | None", pytestconfig.getoption("--agent"))
