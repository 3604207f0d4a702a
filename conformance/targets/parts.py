"""
Which part of an emulated environment has ended.

A part that dies in mid-run makes scenarios see whatever its absence looks like: a refused
connection, an empty log, sometimes a denial that was hoped for. None of it says anything
about Pod Identity, so whoever judges has to know. A pid would not tell, it may be
somebody else's by now; a Unix socket that refuses has no process behind it, however
busy the machine is (connect(2), ECONNREFUSED).
"""

import socket
from dataclasses import dataclass
from pathlib import Path

from conformance.emulator.eks.cluster_folder import folder_of
from conformance.emulator.launch import LOG


@dataclass(frozen=True)
class Part:
    """A process, the Unix socket that it listens on as long as it runs, and its log."""

    name: str
    door: Path
    log: Path

    @property
    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as visitor:
            visitor.setblocking(False)
            try:
                visitor.connect(str(self.door))
            except (ConnectionRefusedError, FileNotFoundError):
                return False
            except BlockingIOError:
                pass  # Its queue is full: somebody is there, and busy.
        return True

    @property
    def obituary(self) -> str:
        """One sentence when it has ended, with the last line of its log; else empty."""
        if self.answers:
            return ""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
        words = f"; its log ends: {lines[-1]}" if lines else ""
        return f"{self.name} has ended before its time{words}"


def aws_part(folder: Path, pid: int | None) -> Part:
    """The AWS process of the environment in `folder`."""
    return Part(f"emulated AWS (pid {pid})", folder / "aws.sock", folder / LOG)


def cluster_part(folder: Path, name: str) -> Part:
    """The process of cluster `name` of the environment in `folder`."""
    home = folder_of(folder / "clusters", name)
    return Part(f"cluster process of {name}", home / "control.sock", home / "cluster.log")
