"""
How faithful one part of an emulated environment is, as data.

A verdict from an emulation is worth what its parts are worth, so each part says what it
does, which source says that AWS or Kubernetes does so, what it was compared with, and
what it does not do. The last is the one that is easily forgotten: every `Gap` is a
sentence that a reader can decide by, and a scenario that needs it is skipped with it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """A test of this repository, and what it holds the part against."""

    test: str
    """File or folder below `tests/`."""
    against: str
    """A recording, a real program, or `our own cases` where nothing real was at hand."""


@dataclass(frozen=True)
class Gap:
    """Something that is not emulated, or is otherwise than on AWS."""

    id: str
    """`<part>.<words>`; stays, and is never used for something else."""
    says: str
    """One sentence for someone who has to decide whether it matters to them."""


@dataclass(frozen=True)
class Part:
    """One part of an environment."""

    id: str
    name: str
    modules: tuple[str, ...]
    """Where it is written, relative to the repository."""
    does: tuple[str, ...]
    sources: tuple[str, ...]
    checks: tuple[Check, ...]
    gaps: tuple[Gap, ...]
