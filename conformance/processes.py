"""
Whether a process that wrote something is still there.

A pid alone says nothing: it is given to somebody else, and another machine or
container has one of the same number. So a process is named by four things that
together never come again: the boot of the machine, the pid namespace, the pid, and
when it started (proc(5): /proc/PID/stat, field 22; /proc/sys/kernel/random/boot_id).
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_ENDED: Final = ("Z", "X")
"""A zombie has run its last instruction; only its parent has not looked yet."""


@dataclass(frozen=True)
class Stamp:
    """One process, for ever."""

    boot: str
    namespace: str
    pid: int
    started: int
    """In clock ticks since the boot."""

    @classmethod
    def own(cls) -> "Stamp":
        """This process's."""
        pid = os.getpid()
        return cls(*_here(), pid, _started(pid) or 0)

    @classmethod
    def parse(cls, text: str) -> "Stamp":
        """From what `str` made of it; raises `ValueError`."""
        boot, namespace, pid, started = text.split("/")
        return cls(boot, namespace, int(pid), int(started))

    def __str__(self) -> str:
        return f"{self.boot}/{self.namespace}/{self.pid}/{self.started}"

    @property
    def alive(self) -> bool | None:
        """Whether it runs; None when it is of another machine or container: nobody here knows."""
        if (self.boot, self.namespace) != _here():
            return None
        return _started(self.pid) == self.started


def _here() -> tuple[str, str]:
    boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    namespace = os.readlink(_PROC / "self/ns/pid")  # noqa: PTH115 - its text is the answer
    return boot, namespace


def _started(pid: int) -> int | None:
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name stands in parentheses and may hold anything, also parentheses.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in _ENDED else int(fields[19])
