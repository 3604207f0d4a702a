"""
A second program in a container that already runs: `kubectl exec`, probes and hooks.

bubblewrap makes sandboxes and cannot enter one, so a launcher joins the namespaces of
the container's first program, gives up every capability, and executes. The trap is the
order. The network belongs to us and comes first; then the user namespace that owns the
mounts, without which an unprivileged process may not join those; and last the one inside
of it that the program lives in, where the right to join the others is lost.
Source: setns(2), ioctl_ns(2).
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import pty
import signal
import struct
import sys
import termios
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from typing import cast

from conformance.cluster.apiserver.execution import ERRORS, OUTPUT, Streams
from conformance.cluster.nodes.processes import Program

_CHUNK = 1 << 15
NO_INPUT = Streams()

# Arguments: a process of the container, whether there is a terminal, folder, program.
_LAUNCHER = r"""
import ctypes, fcntl, os, sys, termios
libc = ctypes.CDLL(None, use_errno=True)
process, terminal, folder, program = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]
libc.prctl(1, 9, 0, 0, 0)  # PR_SET_PDEATHSIG, SIGKILL
kinds = ("net", "mnt", "uts", "ipc", "pid", "user")
theirs = {kind: os.open(f"/proc/{process}/ns/{kind}", os.O_RDONLY) for kind in kinds}
here = {kind: os.stat(f"/proc/self/ns/{kind}").st_ino for kind in kinds}
other = {kind: os.fstat(held).st_ino != here[kind] for kind, held in theirs.items()}
sandboxed = other["mnt"]
def join(held):
    if libc.setns(held, 0):
        raise OSError(ctypes.get_errno(), "setns")
if other["net"]:
    join(theirs["net"])
if sandboxed:
    owner = fcntl.ioctl(theirs["mnt"], 0xB701)  # NS_GET_USERNS
    if os.fstat(owner).st_ino != here["user"]:
        join(owner)
    for kind in ("mnt", "uts", "ipc", "pid"):
        if other[kind]:
            join(theirs[kind])
    if other["user"] and os.fstat(owner).st_ino != os.fstat(theirs["user"]).st_ino:
        join(theirs["user"])
    os.close(owner)
for held in theirs.values():
    os.close(held)
child = os.fork()  # a process namespace is entered by children only
if child:
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os._exit(code if code >= 0 else 128 - code)
if terminal == "terminal":
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
if sandboxed:
    for capability in range(64):
        if libc.prctl(24, capability, 0, 0, 0):  # PR_CAPBSET_DROP
            break
    libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
libc.prctl(1, 9, 0, 0, 0)
try:
    os.chdir(folder)
    os.execvp(program[0], program)
except OSError as error:
    said = "executable file not found in $PATH" if error.errno == 2 else os.strerror(error.errno)
    sys.stderr.write(f'exec failed: exec: "{program[0]}": {said}\n')
    sys.stderr.flush()
    os._exit(127)
"""


class Execution:
    """A program that was started in a container, with its streams."""

    def __init__(self, process: asyncio.subprocess.Process, terminal: int | None) -> None:
        self._process = process
        self._terminal = terminal

    async def read(self) -> AsyncIterator[tuple[int, bytes]]:
        """What it writes, as `(OUTPUT or ERRORS, bytes)`, until all of it is closed."""
        arrived: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue(16)
        sources = await self._sources()

        async def pump(channel: int, reader: asyncio.StreamReader) -> None:
            try:
                while piece := await reader.read(_CHUNK):
                    await arrived.put((channel, piece))
            except OSError as error:
                # That is how a terminal says that nobody writes to it any more.
                if error.errno != errno.EIO:
                    raise
            finally:
                await arrived.put((channel, b""))

        pumps = [asyncio.create_task(pump(*source)) for source in sources]
        try:
            for _ in sources:
                while True:
                    channel, piece = await arrived.get()
                    if not piece:
                        break
                    yield channel, piece
        finally:
            for task in pumps:
                task.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _sources(self) -> list[tuple[int, asyncio.StreamReader]]:
        if self._terminal is not None:
            reader = asyncio.StreamReader()
            await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader),
                os.fdopen(os.dup(self._terminal), "rb", buffering=0),
            )
            return [(OUTPUT, reader)]
        process = self._process
        return [
            (OUTPUT, cast(asyncio.StreamReader, process.stdout)),
            (ERRORS, cast(asyncio.StreamReader, process.stderr)),
        ]

    async def write(self, data: bytes) -> None:
        """To its standard input; what nobody reads any more is dropped."""
        with contextlib.suppress(ConnectionError, OSError):
            if self._terminal is not None:
                os.write(self._terminal, data)
            elif self._process.stdin is not None:
                self._process.stdin.write(data)
                await self._process.stdin.drain()

    def close_input(self) -> None:
        """End of its standard input."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def resize(self, columns: int, rows: int) -> None:
        """Another size of the terminal."""
        if self._terminal is not None:
            fcntl.ioctl(
                self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0)
            )

    async def wait(self) -> int:
        """Its exit code; 128 and the signal's number when it was killed."""
        code = await self._process.wait()
        return code if code >= 0 else 128 - code

    async def close(self) -> None:
        """Kill it if it still runs, and let go of its streams."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        self.close_input()
        if self._terminal is not None:
            os.close(self._terminal)
            self._terminal = None


async def enter(process: int, program: Program, streams: Streams) -> Execution:
    """
    Start `program` beside `process`, in all of its namespaces.

    Of `program` the arguments, environment and folder count; user and files are those
    of the container. Raises `OSError` when the launcher itself cannot be started.
    """
    terminal, inner = pty.openpty() if streams.terminal else (None, None)
    try:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", _LAUNCHER),
            *(str(process), "terminal" if streams.terminal else "pipes"),
            *(program.working_directory, *program.argv),
            env=program.environment,
            cwd="/",
            stdin=inner if inner is not None else PIPE if streams.input else DEVNULL,
            stdout=PIPE if inner is None else inner,
            stderr=PIPE if inner is None else inner,
            start_new_session=True,
        )
    except OSError:
        if terminal is not None:
            os.close(terminal)
        raise
    finally:
        if inner is not None:
            os.close(inner)
    return Execution(child, terminal)
