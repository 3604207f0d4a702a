"""
What a node does to a container: execute in it, ask it by HTTP, connect to it, wait.

Probes and lifecycle hooks are made of these. They start from the node's network, as a
kubelet's do, so a container that listens on its own loopback only is not ready.
Source: pkg/probe and pkg/kubelet/lifecycle/handlers.go. Calls by gRPC are missing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp
from aiohttp import AddrInfoType

from conformance.cluster.nodes.api import Object
from conformance.cluster.nodes.entering import Execution
from conformance.cluster.nodes.interface import NodeNetwork
from conformance.cluster.nodes.runtime import StartError

_SHOWN = 10 * 1024
"""Bytes of a command's output that a kubelet repeats."""

Execute = Callable[[list[str]], Awaitable[Execution]]
"""Starts a command in the container; raises `StartError`."""


@dataclass(frozen=True)
class Checked:
    """The container that is asked, and from where."""

    spec: Object
    address: str
    """Of its pod."""
    network: NodeNetwork
    execute: Execute

    def port(self, wanted: object) -> int:
        """A port by number or by the name that the container gave it."""
        if isinstance(wanted, int) or str(wanted).isdecimal():
            return int(str(wanted))
        for one in self.spec.get("ports") or ():
            if one.get("name") == wanted:
                return int(one["containerPort"])
        raise CheckFailedError(f"couldn't find port: {wanted}")


class CheckFailedError(Exception):
    """The text is what an Event says."""


async def check(action: Object, on: Checked, seconds: float | None) -> None:
    """
    Do what a probe or a hook asks for.

    Raises `CheckFailedError`, also when it takes longer than `seconds`.
    """
    try:
        async with asyncio.timeout(seconds):
            await _check(action, on)
    except TimeoutError as error:
        raise CheckFailedError(f"command timed out after {seconds:g}s") from error


async def _check(action: Object, on: Checked) -> None:
    if "exec" in action:
        await _execute(action["exec"].get("command") or [], on)
    elif "httpGet" in action:
        await _http(action["httpGet"], on)
    elif "tcpSocket" in action:
        await _connect(action["tcpSocket"], on)
    elif "sleep" in action:
        await asyncio.sleep(action["sleep"]["seconds"])
    else:
        raise CheckFailedError("this node knows exec, httpGet, tcpSocket and sleep only")


async def _execute(command: list[str], on: Checked) -> None:
    try:
        execution = await on.execute(command)
    except StartError as error:
        raise CheckFailedError(str(error)) from error
    said = b""
    try:
        async for _, piece in execution.read():
            said = (said + piece)[:_SHOWN]
        code = await execution.wait()
    finally:
        await execution.close()
    if code:
        raise CheckFailedError(said.decode(errors="replace") or f"exit code {code}")


async def _http(wanted: Object, on: Checked) -> None:
    host = wanted.get("host") or on.address
    shown = f"[{host}]" if ":" in host else host
    scheme = str(wanted.get("scheme") or "HTTP").lower()
    path = "/" + str(wanted.get("path") or "/").lstrip("/")
    url = f"{scheme}://{shown}:{on.port(wanted['port'])}{path}"
    headers = {"User-Agent": "kube-probe/1.33", "Accept": "*/*"}
    headers |= {one["name"]: one["value"] for one in wanted.get("httpHeaders") or ()}

    def made(address: AddrInfoType) -> object:
        return on.network.outbound(address[0], address[1])

    # A kubelet does not check the certificates of what it probes.
    connector = aiohttp.TCPConnector(socket_factory=made, ssl=False, force_close=True)  # type: ignore[arg-type]  # returns a socket
    async with aiohttp.ClientSession(connector=connector) as session:
        try:
            async with session.get(url, headers=headers, allow_redirects=False) as answer:
                status = answer.status
        except aiohttp.ClientError as error:
            raise CheckFailedError(f'Get "{url}": {error}') from error
    if not 200 <= status < 400:
        raise CheckFailedError(f"HTTP probe failed with statuscode: {status}")


async def _connect(wanted: Object, on: Checked) -> None:
    host, port = wanted.get("host") or on.address, on.port(wanted["port"])
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=1)
        family, kind, _, _, address = found[0]
        with on.network.outbound(family, kind) as made:
            await loop.sock_connect(made, address)
    except OSError as error:
        raise CheckFailedError(f"dial tcp {host}:{port}: {error.strerror or error}") from error
