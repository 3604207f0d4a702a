"""
Programs that run: what to start, and what can be done with it once it runs.

The exit of a child is learned from a pidfd, so no signal handler, no waiting
thread and no poll is needed, whichever thread started it.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import IO, Protocol, cast

from conformance.cluster.images import ImageStore
from conformance.errors import HarnessError


@dataclass(frozen=True)
class Mount:
    """A file or folder of the host in one container."""

    source: Path
    target: str
    read_only: bool = True


@dataclass(frozen=True, repr=False)
class Program:
    """What a container runs. No repr: the environment may hold secrets."""

    argv: tuple[str, ...]
    environment: dict[str, str]
    user: int
    group: int
    working_directory: str
    hostname: str
    mounts: tuple[Mount, ...] = field(default=())
    read_only_root: bool = False


class Sandbox(Protocol):
    """A way to start programs."""

    own_root: bool
    """Whether a program has a root of its own, and so sees its canonical paths."""

    def start(self, program: Program) -> "Process":
        """
        Start the program in the calling thread's network namespace.

        Call it on the namespace thread: a program dies with the thread that started
        it. Raises `HarnessError` when it cannot be started.
        """
        ...

    def outside(self, program: Program) -> Program:
        """The program as one that is started without making a sandbox for it."""
        ...


class Process:
    """One started program; `output` and `errors` are its pipes."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        self._end: asyncio.Task[int] | None = None
        self.output = cast("IO[bytes]", child.stdout)
        self.errors = cast("IO[bytes]", child.stderr)

    async def wait(self) -> int:
        """The exit code as containers have it: 128 and the signal's number when killed."""
        if self._end is None:
            self._end = asyncio.create_task(self._wait())
        # Several may wait, and one that is cancelled must not take the others along.
        return await asyncio.shield(self._end)

    async def _wait(self) -> int:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        descriptor = os.pidfd_open(self._child.pid)
        try:
            loop.add_reader(descriptor, ended.set)
            await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        code = self._child.wait()
        self._release()
        return code if code >= 0 else 128 - code

    async def inner_process(self) -> int | None:
        """A process that lives where the program does; None when it has ended."""
        return None if self.ended else self._child.pid

    @property
    def ended(self) -> bool:
        """Whether its end has been seen."""
        return self._end is not None and self._end.done()

    def terminate(self) -> None:
        """SIGTERM to the program, which may take its time."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to everything that the program started."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, number)

    def _release(self) -> None:
        """The program is gone."""


class Unconfined:
    """
    Starts programs without a sandbox, where bubblewrap cannot be had.

    They see this machine's files. Paths of the image and of volumes are replaced
    in arguments and variables by where they really lie.
    """

    own_root = False

    # The kernel ends the program with its cluster process, as bubblewrap would.
    _LAUNCHER = (
        "import ctypes, os, sys\n"
        "ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL\n"
        "os.execvp(sys.argv[1], sys.argv[1:])\n"
    )

    def __init__(self, store: ImageStore) -> None:
        self._store = store

    def start(self, program: Program) -> Process:
        program = self.outside(program)
        try:
            child = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", self._LAUNCHER, *program.argv],
                env=program.environment,
                cwd=program.working_directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            raise HarnessError(
                f"container: {program.argv[0]} cannot be started",
                saw=error.strerror or str(error),
            ) from error
        return Process(child)

    def outside(self, program: Program) -> Program:
        """Paths of the image and of volumes become those of this machine."""
        folder = self._real(program, program.working_directory)
        environment = {
            name: os.pathsep.join(self._real(program, one) for one in value.split(os.pathsep))
            if name == "PATH"
            else self._real(program, value)
            for name, value in program.environment.items()
        }
        return replace(
            program,
            argv=tuple(self._real(program, argument) for argument in program.argv),
            environment=environment,
            working_directory=folder if Path(folder).is_dir() else "/",
        )

    def _real(self, program: Program, text: str) -> str:
        for mount in program.mounts:
            if PurePosixPath(text).is_relative_to(mount.target):
                return str(mount.source / PurePosixPath(text).relative_to(mount.target))
        return self._store.on_this_machine(text)
