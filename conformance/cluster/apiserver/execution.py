"""
`pods/exec`: a program in a running container, its streams on one WebSocket.

A real API server passes the request on to a kubelet; here a function takes its
place, as for logs. Each message begins with a byte that names its stream. The traps:
the exit code travels as a Status on a channel of its own, and only protocol v5 can say
that standard input has ended (a program that reads to the end hangs without).
Source: k8s.io/apimachinery pkg/util/remotecommand/constants.go.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from aiohttp import WSMsgType, web

from conformance.cluster.apiserver import status, wire
from conformance.cluster.apiserver.resources import Object, dig

INPUT, OUTPUT, ERRORS, OUTCOME, RESIZE = range(5)
_CLOSE = 255
_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")


@dataclass(frozen=True)
class Streams:
    """What the caller attaches to."""

    input: bool = False
    terminal: bool = False


@dataclass(frozen=True)
class ExecRequest:
    """One `GET .../pods/NAME/exec`, checked: pod and container exist."""

    namespace: str
    pod: str
    pod_uid: str
    node: str
    container: str
    command: tuple[str, ...]
    streams: Streams


class Execution(Protocol):
    """A program that runs; see `nodes/entering.py`."""

    def read(self) -> AsyncIterator[tuple[int, bytes]]: ...

    async def write(self, data: bytes) -> None: ...

    def close_input(self) -> None: ...

    def resize(self, columns: int, rows: int) -> None: ...

    async def wait(self) -> int: ...

    async def close(self) -> None: ...


ExecSource = Callable[[ExecRequest], Awaitable[Execution]]
"""Starts the program; raises `ApiError`."""


def exec_request(pod: Object, query: Mapping[str, str], command: list[str]) -> ExecRequest:
    """Raises `ApiError` 400 for what cannot be executed."""
    meta, spec = pod["metadata"], pod["spec"]
    names = [one["name"] for one in spec["containers"]]
    chosen = query.get("container") or names[0]
    others = [one["name"] for one in spec.get("initContainers") or ()]
    if chosen not in names + others:
        raise status.bad_request(f"container {chosen} is not valid for pod {meta['name']}")
    if not command:
        raise status.bad_request("you must specify at least 1 of stdin, stdout, stderr, command")
    if not spec.get("nodeName"):
        raise status.bad_request(f"pod {meta['name']} does not have a host assigned")
    if dig(pod, "status", "phase") in {"Succeeded", "Failed"}:
        raise status.bad_request(
            "cannot exec into a container in a completed pod; current phase is "
            f"{pod['status']['phase']}"
        )
    return ExecRequest(
        namespace=meta["namespace"],
        pod=meta["name"],
        pod_uid=meta["uid"],
        node=spec["nodeName"],
        container=chosen,
        command=tuple(command),
        streams=Streams(_yes(query, "stdin"), _yes(query, "tty")),
    )


def _yes(query: Mapping[str, str], name: str) -> bool:
    return query.get(name) in {"true", "1"}


async def attach(http: web.BaseRequest, execution: Execution) -> web.StreamResponse:
    """Carry the streams until the program ends or the caller hangs up."""
    socket = web.WebSocketResponse(protocols=_PROTOCOLS, max_msg_size=0)
    tasks: set[asyncio.Task[None]] = set()
    try:
        await socket.prepare(http)
        tasks = {
            asyncio.create_task(_take_input(socket, execution)),
            asyncio.create_task(_send_output(socket, execution)),
        }
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        # Whoever hung up in the middle of an answer is nobody's trouble.
        await asyncio.gather(*tasks, return_exceptions=True)
        await execution.close()
    await socket.close()
    return socket


async def _send_output(socket: web.WebSocketResponse, execution: Execution) -> None:
    async for channel, piece in execution.read():
        await socket.send_bytes(bytes([channel]) + piece)
    outcome = _outcome(await execution.wait())
    await socket.send_bytes(bytes([OUTCOME]) + wire.dumps(outcome))


async def _take_input(socket: web.WebSocketResponse, execution: Execution) -> None:
    """Ends when the caller hangs up."""
    async for message in socket:
        if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT) or not message.data:
            continue
        data = message.data if isinstance(message.data, bytes) else message.data.encode()
        channel, content = data[0], data[1:]
        if channel == INPUT:
            await execution.write(content)
        elif channel == _CLOSE and content == bytes([INPUT]):
            execution.close_input()
        elif channel == RESIZE:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                size = json.loads(content)
                execution.resize(int(size["Width"]), int(size["Height"]))


def _outcome(code: int) -> Object:
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }
