"""
What becomes of each member of a request: honoured, noted, or refused.

A member that nobody reads is how an emulation lies: the call succeeds, and the verdict
is about something else. So every member of every operation is in `members.toml`, and
what is asked for in vain is refused with the words of the gap.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from conformance.emulator.eks.errors import ServiceError
from conformance.emulator.eks.parameters import Parameters
from conformance.fidelity import not_emulated

Path = tuple[str, ...]


@dataclass(frozen=True)
class Fate:
    """Of one member and everything below it."""

    fate: Literal["honoured", "noted", "refused"]
    gap: str = ""
    """The gap that says what is not done; empty for what is honoured."""
    unless: tuple[object, ...] = ()
    """Values that ask for nothing and are let through."""


@cache
def fates() -> Mapping[str, Mapping[Path, Fate]]:
    """By operation and by the names that lead to a member."""
    listed = tomllib.loads(files(__package__).joinpath("members.toml").read_text(encoding="utf-8"))
    return {operation: dict(_fates(rows)) for operation, rows in listed.items()}


def _fates(rows: Mapping[str, Any]) -> Iterator[tuple[Path, Fate]]:
    for name in rows["honoured"]:
        yield _path(name), Fate("honoured")
    for name, gap in rows.get("noted", {}).items():
        yield _path(name), Fate("noted", gap)
    for name, row in rows.get("refused", {}).items():
        yield _path(name), Fate("refused", row["gap"], tuple(row.get("unless", ())))


def _path(name: str) -> Path:
    return tuple(name.split("."))


def fate_of(operation: str, path: Path) -> Fate | None:
    """Of the member itself or of what it lies in; None when nobody has thought of it."""
    known = fates()[operation]
    beginnings = (path[:length] for length in range(1, len(path) + 1))
    return next((known[beginning] for beginning in beginnings if beginning in known), None)


def check(operation: str, parameters: Parameters) -> None:
    """Raises NotImplementedException for the first member that is asked for in vain."""
    for path, value in _given(parameters, ()):
        fate = fate_of(operation, path)
        if fate is None or (fate.fate == "refused" and value not in fate.unless):
            raise not_honoured(operation, path, value, fate.gap if fate else "")


def not_honoured(operation: str, path: Path, value: object, gap: str) -> ServiceError:
    """The refusal: which member, with which value, and why."""
    what = ".".join(path) if isinstance(value, list | dict) else f"{'.'.join(path)}={value}"
    why = f". {not_emulated(gap)}" if gap else ""
    return ServiceError("NotImplementedException", f"{operation}: {what} is not emulated{why}")


def _given(value: Any, path: Path) -> Iterator[tuple[Path, object]]:
    """What was really said, by where it was said; an empty list or structure says nothing."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _given(inner, (*path, name))
    elif isinstance(value, list):
        for inner in value:
            yield from _given(inner, path)
    else:
        yield path, value
