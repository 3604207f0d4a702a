"""
What dead environments and runs left on this machine: processes and temporary folders.

A process is ours when its own command line says so: a part of an environment, with its
folder, in a temporary folder that we make. It is an orphan when it was given a lifeline
and nobody holds the other end any more; then it should have ended by itself, and did
not. An environment without lifeline (`conformance up`) is somebody's, whatever started
it. A folder goes when nobody lives in it, and when what lies in it is what we put there:
somebody's own `conformance-notes` stays.
"""

import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from conformance.processes import Stamp

END_SECONDS: Final = 5.0
"""From SIGTERM to SIGKILL; an environment promises to be gone after 3."""
YOUNG_SECONDS: Final = 60.0
"""A folder without any sign of who made it may belong to somebody who is just starting."""

_MODULES: Final = ("conformance.emulator", "conformance.cluster")
_FOLDER: Final = re.compile(r"conformance-[a-z0-9_]{8}")
"""As `tempfile` names them."""
_RENDEZVOUS: Final = re.compile(r"conformance-run-[a-z0-9-]+")
_OF_AN_ENVIRONMENT: Final = frozenset({"aws.json", "aws.log", "aws.sock", "environment.json"})
_PROVIDER: Final = "provider"


@dataclass
class Cleaned:
    """What was found dead on this machine; in a dry run it is still there."""

    processes: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """What could not be ended or removed, and why."""


@dataclass(frozen=True)
class Part:
    """One process of an environment."""

    process: psutil.Process
    folder: Path
    lifeline: int | None

    @property
    def orphan(self) -> bool:
        return self.lifeline is not None and _is_cut(self.process.pid, self.lifeline)


def parts() -> Iterator[Part]:
    """Every process of every environment of this user."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, ValueError, IndexError):
            line = process.cmdline()
            if line[1:2] != ["-m"] or line[2] not in _MODULES:
                continue
            if process.uids().effective != os.geteuid():
                continue
            lifeline = _argument(line, "--lifeline-fd")
            folder = Path(_argument(line, "--dir") or "").resolve()
            yield Part(process, folder, None if lifeline is None else int(lifeline))


def served(folder: Path) -> bool:
    """Whether the AWS process of this environment's folder runs, and is to go on running."""
    return any(part.folder == folder.resolve() and not part.orphan for part in parts())


def clean(*, dry_run: bool, notes: frozenset[Path] = frozenset()) -> Cleaned:
    """
    End orphans and remove the folders of the dead.

    `notes` are folders of environments that are no processes of ours (target eks),
    known to be of runs that are over.
    """
    cleaned = Cleaned()
    home = Path(tempfile.gettempdir()).resolve()
    for part in list(parts()):
        if _within(home, part.folder) and part.orphan:
            cleaned.processes.append(f"{part.process.pid} in {part.folder}")
            if not dry_run and not end(part.process):
                cleaned.left.append(f"process {part.process.pid} does not end")
    living = {part.folder for part in parts() if not part.orphan}
    for folder in sorted(home.glob("conformance-*")):
        if not folder.is_dir() or folder.is_symlink() or folder.stat().st_uid != os.geteuid():
            continue
        if any(folder == each or folder in each.parents for each in living):
            continue
        if folder in notes or _is_dead(folder):
            cleaned.folders.append(str(folder))
            if not dry_run:
                _remove(folder, cleaned)
    return cleaned


def end(process: psutil.Process) -> bool:
    """SIGTERM, and SIGKILL when that was not enough; False when it is there still."""
    with suppress(psutil.NoSuchProcess):
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except psutil.TimeoutExpired:
            process.kill()
            with suppress(psutil.TimeoutExpired):
                process.wait(END_SECONDS)
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def workers_in(folder: Path) -> list[psutil.Process]:
    """Terraform and its plugins at work in a work folder: they run nowhere else."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and Path(process.cwd()) == folder:
                found.append(process)
    return found


def _argument(line: list[str], name: str) -> str | None:
    return line[line.index(name) + 1] if name in line else None


def _within(home: Path, folder: Path) -> bool:
    if home not in folder.parents:
        return False
    return _FOLDER.fullmatch(folder.relative_to(home).parts[0]) is not None


def _is_cut(pid: int, descriptor: int) -> bool:
    """Whether nobody holds the writing end: a pipe without one reads as ended (pipe(7))."""
    try:
        pipe = os.open(f"/proc/{pid}/fd/{descriptor}", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False  # Nobody here knows; it is left alone.
    try:
        return os.read(pipe, 1) == b""
    except OSError:
        return False  # There is nothing to read, but somebody who may write.
    finally:
        os.close(pipe)


def _is_dead(folder: Path) -> bool:
    """Of a folder in which no process of an environment lives."""
    names = {path.name for path in folder.iterdir()}
    if _RENDEZVOUS.fullmatch(folder.name):
        stamps = [Stamp.parse(path.read_text("ascii")) for path in folder.glob("process-*")]
        if stamps:
            return all(stamp.alive is False for stamp in stamps)
        return _old(folder)
    if not _FOLDER.fullmatch(folder.name):
        return False
    if "environment.json" in names and "aws.log" not in names:
        return False  # Notes about a real cluster: its run's ledger decides.
    if names & _OF_AN_ENVIRONMENT:
        return "aws.json" in names or _old(folder)
    if names == {_PROVIDER}:
        return not _is_listened_to(folder / _PROVIDER)
    return not names and _old(folder)


def _old(folder: Path) -> bool:
    return time.time() - folder.stat().st_mtime > YOUNG_SECONDS


def _is_listened_to(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as visitor:
        try:
            visitor.connect(str(path))
        except OSError:
            return False
    return True


def _remove(folder: Path, cleaned: Cleaned) -> None:
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return  # Its owner was faster.
    except OSError as error:
        cleaned.left.append(f"{folder}: {error}")
