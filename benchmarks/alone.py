"""One part in a process of its own, so that whoever measures it does not slow it down."""

import asyncio
import multiprocessing
import socket
import subprocess
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from conformance.cluster.agent.agent import Agent
from conformance.cluster.agent.interface import IPV4_HOST, Listener, NodeCredentials
from conformance.cluster.agent.profiles import PROFILES
from conformance.cluster.apiserver import ApiServer
from conformance.faults import ActiveFaults

START_SECONDS = 20.0
Part = Callable[..., Coroutine[Any, Any, Any]]
"""Starts a part and returns what others need to know of it."""


@dataclass(frozen=True)
class Started:
    """A part that runs in a process of its own."""

    told: Any
    """What it returned; of an agent its port."""
    pid: int


async def agent(endpoint: str, cluster: str, region: str, node: dict[str, str]) -> int:
    """AWS's contract on 127.0.0.1; returns its port."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)

    async def credentials() -> NodeCredentials:
        return NodeCredentials(node["AccessKeyId"], node["SecretAccessKey"], node["Token"])

    made = Agent(
        PROFILES["0.1.37"],
        cluster_name=cluster,
        region=region,
        eks_auth_endpoint=endpoint,
        node_credentials=credentials,
        listeners=[Listener(IPV4_HOST, listening)],
        connect=lambda info: socket.socket(info[0], info[1]),
        log=lambda _: None,
        faults=ActiveFaults(),
    )
    await made.start()
    port: int = listening.getsockname()[1]
    return port


async def api_server() -> tuple[int, str, str]:
    """Its port, the certificate that it is verified with, and the administrator's token."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    server = ApiServer("bench", "https://oidc.eks.eu-west-1.amazonaws.com/id/BENCH")
    await server.start(listening)
    return listening.getsockname()[1], server.ca_pem, server.admin_token


@contextmanager
def agent_binary(
    path: str, endpoint: str, cluster: str, region: str, node: dict[str, str]
) -> Iterator[Started]:
    """AWS's agent or another, started as its chart starts it but for addresses."""
    ports = []
    for _ in range(3):
        with socket.create_server(("127.0.0.1", 0)) as free:
            ports.append(free.getsockname()[1])
    keys = {
        "AWS_ACCESS_KEY_ID": node["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": node["SecretAccessKey"],
        "AWS_SESSION_TOKEN": node["Token"],
    }
    process = subprocess.Popen(
        [
            *(path, "server", "-c", cluster, "-b", "127.0.0.1", "-p", str(ports[0])),
            *("--probe-port", str(ports[1]), "--metrics-address", "127.0.0.1"),
            *("--metrics-port", str(ports[2]), "--endpoint", endpoint),
        ],
        env={"AWS_REGION": region, **keys},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _answers(ports[0], process)
        yield Started(ports[0], process.pid)
    finally:
        process.kill()
        process.wait()


def _answers(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as visitor:
            if visitor.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError(f"the agent that was given does not listen: exit code {process.poll()}")


@contextmanager
def running(part: Part, *arguments: Any) -> Iterator[Started]:
    """Run `part` in a fresh process."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_run, args=(there, part, arguments), daemon=True
    )
    process.start()
    try:
        if not here.poll(START_SECONDS):
            raise TimeoutError(f"{part.__name__} did not start within {START_SECONDS:g} s")
        assert process.pid is not None  # noqa: S101 -- it was started
        yield Started(here.recv(), process.pid)
    finally:
        process.kill()
        process.join()


def _run(told: Connection, part: Part, arguments: tuple[Any, ...]) -> None:
    async def live() -> None:
        told.send(await part(*arguments))
        await asyncio.Event().wait()

    asyncio.run(live())
