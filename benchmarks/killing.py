"""
Killing a run at a place that is counted, not timed.

Terraform's calls to AWS go through a proxy that counts them. At a given call it kills,
either before AWS hears of the call, or after AWS has done it and before anybody hears
the answer: then there is a resource that no state and no log knows. The same number
gives the same place again on any machine.
"""

import asyncio
import itertools
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import aiohttp
import psutil
from aiohttp import web
from yarl import URL


class Victim(StrEnum):
    """Who is killed."""

    COMMAND = "conformance run"
    OWNER = "pytest, which owns the run"
    WORKER = "a worker"
    TERRAFORM = "terraform"
    PROVIDER = "the provider's process"


@dataclass(frozen=True)
class Point:
    """One place in the life of a world."""

    victim: Victim
    call: int
    """The first is 1."""
    answered: bool
    """Whether AWS does what the call asks for."""
    plugin: bool
    """Whether the provider is a process of its own, started by Terraform."""
    file: str
    """The scenario file whose world it is."""

    def __str__(self) -> str:
        when = "after" if self.answered else "before"
        how = ", provider as plugin" if self.plugin else ""
        return f"{self.victim} {when} call {self.call} of {self.file}{how}"


_WORKERS_WORD = "sys.stdin.readline"
"""In the command line of a worker, which learns by its standard input who it is (execnet)."""
_HOP: frozenset[str] = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length"}
)


class CountingProxy:
    """Hands every call on, signature and all, and counts."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.url = ""
        self.calls = 0
        self.fired = threading.Event()
        """Set when that call came, and somebody was killed."""
        self._point: tuple[int, bool, Callable[[], bool]] | None = None

    def arm(self, call: int, *, answered: bool, kill: Callable[[], bool]) -> None:
        """Kill at this call, counted from now; `kill` says whether there was anybody to kill."""
        self.calls = 0
        self.fired.clear()
        self._point = (call, answered, kill)

    def disarm(self) -> None:
        self._point = None

    @contextmanager
    def serving(self) -> Iterator[None]:
        loop = asyncio.new_event_loop()
        ready, ended = threading.Event(), asyncio.Event()

        async def serve() -> None:
            # Clients are killed all the time here; that one is gone is no news.
            logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
            application = web.Application(client_max_size=2**30)
            application.router.add_route("*", "/{anything:.*}", self._hand_on)
            runner = web.AppRunner(application, access_log=None)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            self.url = f"http://{host}:{port}"
            async with aiohttp.ClientSession(auto_decompress=False) as self._session:
                ready.set()
                await ended.wait()
            await runner.cleanup()

        thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
        thread.start()
        ready.wait()
        try:
            yield
        finally:
            loop.call_soon_threadsafe(ended.set)
            thread.join()
            loop.close()

    async def _hand_on(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.calls += 1
        point = self._point
        here = point is not None and self.calls == point[0]
        if point is not None and here and not point[1]:
            self._fire(point[2], request)
            return web.Response(status=503)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP}
        url = URL(self.endpoint + request.raw_path, encoded=True)
        async with self._session.request(
            request.method, url, headers=headers, data=body, allow_redirects=False
        ) as answer:
            content = await answer.read()
            if point is not None and here:
                self._fire(point[2], request)
            kept = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP}
            return web.Response(status=answer.status, headers=kept, body=content)

    def _fire(self, kill: Callable[[], bool], request: web.Request) -> None:
        self._point = None
        if kill():
            self.fired.set()
        if request.transport is not None:
            # Whoever survived never hears the answer.
            request.transport.abort()


def kill(victim: Victim, command: psutil.Process) -> bool:
    """SIGKILL, of this run's process and of no other; False when it has none that plays that."""
    with suppress(psutil.NoSuchProcess, ProcessLookupError):
        for process in itertools.islice(_candidates(victim, command), 1):
            os.kill(process.pid, signal.SIGKILL)
            return True
    return False


def family(command: psutil.Process) -> list[psutil.Process]:
    """The run's processes of Python: command, owner, workers."""
    with suppress(psutil.NoSuchProcess):
        return [command, *filter(_is_ours, command.children(recursive=True))]
    return []


def _candidates(victim: Victim, command: psutil.Process) -> Iterator[psutil.Process]:
    if victim is Victim.COMMAND:
        yield command
        return
    owners = command.children()
    if victim is Victim.OWNER:
        yield from owners
        return
    for owner in owners:
        for process in owner.children(recursive=True):
            with suppress(psutil.Error):
                if _plays(victim, process):
                    yield process


def _plays(victim: Victim, process: psutil.Process) -> bool:
    line = process.cmdline()
    if victim is Victim.WORKER:
        return _is_ours(process) and any(_WORKERS_WORD in word for word in line)
    terraform = Path(process.cwd()).parent.name == "worlds" and line[:1] != ["cat"]
    plugin = any("conformance.terraform.provider" in word for word in line)
    if victim is Victim.TERRAFORM:
        return terraform and not plugin
    # Terraform takes the process that TF_REATTACH_PROVIDERS names for the provider.
    return plugin or line == ["cat"]


def _is_ours(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        line = process.cmdline()
        return "python" in Path(line[0]).name and Path(process.cwd()).parent.name != "worlds"
    return False
