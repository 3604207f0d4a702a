"""
Looks at a run and its environment from outside, as any other program could.

What is secret is learned from the environment itself: its private folder holds the
tokens of pods while they run, and its memory the sessions that were given out. So
what is looked for are the real secrets of the very run that is looked at.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from conformance.environment import Environment

JWT = re.compile(rb"eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}")
SESSION_TOKEN = re.compile(rb"IQoJ[\w+/=-]{200,}")
SECRET_KEY = re.compile(
    rb"(?<![\w+/-])(?=[\w+/-]{40}(?![\w+/=-]))"
    rb"(?=[\w+/-]*[A-Z][\w+/-]*[A-Z])(?=[\w+/-]*[a-z])(?=(?:[\w+/-]*[0-9]){3})[\w+/-]{40}"
)
"""40 characters that look drawn; one key in 20 has fewer than three digits, and is not known."""
LARGEST_FILE = 1 << 20

Sockets = set[tuple[str, int]]
"""Addresses and ports at which somebody listens, or receives datagrams."""

_LIST_SOCKETS = """
import psutil
for one in psutil.net_connections("inet"):
    if one.laddr and not one.raddr:
        print(one.laddr.ip, one.laddr.port)
"""


@dataclass
class Watch:
    """What was seen of a run; every `look` adds to it."""

    environment: Environment
    run: psutil.Process
    tokens: set[bytes] = field(default_factory=set)
    """Service account tokens that pods were given, and the forged ones that they presented."""
    logs: dict[str, bytes] = field(default_factory=dict)
    """The last that was read of every log of the environment, pods' logs among them."""
    arguments: set[bytes] = field(default_factory=set)
    """Command lines of all processes of the machine."""
    listening: Sockets = field(default_factory=set)
    """Where processes of the run itself listened."""

    def look(self) -> None:
        for path, content in _files(self.environment.folder):
            if path.suffix == ".log":
                self.logs[str(path)] = content
            else:
                self.tokens |= set(JWT.findall(content))
        for pid in psutil.pids():
            try:
                self.arguments.add(Path(f"/proc/{pid}/cmdline").read_bytes())
            except OSError:
                continue  # It has ended meanwhile.
        for process in family(self.run):
            self.listening |= _listening(process)


def _files(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for place, _, names in os.walk(folder):
        for path in (Path(place, name) for name in names):
            try:
                if path.is_file() and path.stat().st_size < LARGEST_FILE:
                    yield path, path.read_bytes()
            except OSError:
                continue  # Its pod has gone meanwhile.


def family(process: psutil.Process) -> list[psutil.Process]:
    """The process and everything that it has started; empty when it has ended."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def in_memory(pid: int, *shapes: re.Pattern[bytes]) -> list[set[bytes]]:
    """What of each shape is in a process's memory; `PermissionError` where that is not allowed."""
    found: list[set[bytes]] = [set() for _ in shapes]
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines():
            limits, rights, *_ = line.split()
            if not rights.startswith("rw"):
                continue
            start, end = (int(limit, 16) for limit in limits.split("-"))
            try:
                memory.seek(start)
                content = memory.read(end - start)
            except OSError:
                continue  # [vvar] and pages that were given back meanwhile.
            for values, shape in zip(found, shapes, strict=True):
                values.update(shape.findall(content))
    return found


# --- networks


def own_sockets(pid: int) -> Sockets:
    """Where a process and everything it started listen, in the network this test is in."""
    return {one for member in family(psutil.Process(pid)) for one in _listening(member)}


def _listening(process: psutil.Process) -> Sockets:
    try:
        return {
            (one.laddr.ip, one.laddr.port)
            for one in process.net_connections("inet")
            if one.laddr and not one.raddr
        }
    except psutil.Error:
        return set()  # It has ended meanwhile.


def namespaces(pid: int) -> dict[str, tuple[int, str]]:
    """
    Network namespaces that a process and its children are in, or hold, other than ours.

    Name to (process, path by which it is entered). Threads count for themselves, and a
    namespace may be held by a file descriptor alone.
    """
    ours = str(Path("/proc/self/ns/net").readlink())
    found: dict[str, tuple[int, str]] = {}
    for member in family(psutil.Process(pid)):
        links = [
            *Path(f"/proc/{member.pid}/task").glob("*/ns/net"),
            *Path(f"/proc/{member.pid}/fd").glob("*"),
        ]
        for link in links:
            try:
                name = str(link.readlink())
            except OSError:
                continue  # Closed meanwhile.
            if name.startswith("net:") and name != ours:
                # Parents come first: a pod's own process is in a user namespace of its own.
                found.setdefault(name, (member.pid, str(link)))
    return found


def sockets_in(pid: int, path: str) -> Sockets:
    """Where anybody listens in a network namespace that `pid` has."""
    # Root enters any; anybody else by way of the user namespace that it belongs to.
    user = ["--user", "--preserve-credentials"] if os.geteuid() else []
    answer = subprocess.run(
        [
            *("nsenter", "--target", str(pid), *user, f"--net={path}"),
            *(sys.executable, "-c", _LIST_SOCKETS),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.split() for line in answer.stdout.splitlines()]
    return {(address, int(port)) for address, port in lines}
