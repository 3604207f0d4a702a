"""
Which requirements a run answers for.

A full run answers for every requirement of its profile, so a core requirement
that nothing proved makes it *partial*. Someone who selects scenarios asks about
those only; the report then says that it was a selection. What is left out by a name that
nothing has was not left out, so that is refused.
"""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.errors import UsageError

if TYPE_CHECKING:
    import pytest


def expected_of(
    profile: Collection[str], scenarios: Mapping[str, Sequence[str]], *, selection: str
) -> list[str]:
    """The requirements that a run with these scenarios answers for, in the profile's order."""
    if not selection:
        return list(profile)
    proved = {one for requirements in scenarios.values() for one in requirements}
    return [id_ for id_ in profile if id_ in proved]


def check_left_out(config: "pytest.Config", items: Sequence["pytest.Item"]) -> None:
    """Raises `UsageError` where `--deselect`, `--ignore` or `--ignore-glob` leaves nothing out."""
    for prefix in config.getoption("deselect") or ():
        if not any(item.nodeid.startswith(prefix) for item in items):
            raise UsageError(
                f"--deselect {prefix}: there is nothing of that name",
                try_="conformance run -- --collect-only -q",
            )
    for path in config.getoption("ignore") or ():
        left_out = _absolute(config, path)
        if not left_out.exists():
            raise UsageError(f"--ignore {path}: there is no such path")
        if left_out not in _below(config):
            raise UsageError(f"--ignore {path}: it leaves no scenario out")
    for glob in config.getoption("ignore_glob") or ():
        pattern = str(_absolute(config, glob))
        if not any(fnmatch(str(one), pattern) for one in _below(config)):
            raise UsageError(f"--ignore-glob {glob}: it leaves no scenario out")


def _below(config: "pytest.Config") -> Iterator[Path]:
    """What may be left out: test files and their folders. What the arguments name stays."""
    for argument in config.args:
        path = _absolute(config, argument.partition("::")[0])
        for file in path.rglob("test_*.py"):
            yield file
            yield from (folder for folder in file.parents if path in folder.parents)


def _absolute(config: "pytest.Config", path: str) -> Path:
    """As pytest compares it: links are left as they are."""
    return Path(os.path.abspath(config.invocation_params.dir / path))  # noqa: PTH100 - see above


def selection_of(config: "pytest.Config", suites: Collection[Path]) -> str:
    """
    How pytest was told to look at less than whole suites; empty when it was not.

    A path selects when it lies inside a suite; the suite itself, or a folder above
    it, is everything.
    """
    parts = []
    for option, name in (("-k", "keyword"), ("-m", "markexpr")):
        if value := config.getoption(name):
            parts.append(f"{option} {value!r}")
    for name in ("deselect", "ignore", "ignore_glob"):
        option = f"--{name.replace('_', '-')}"
        parts += [f"{option} {value}" for value in config.getoption(name) or ()]
    for argument in config.args:
        path, _, name = argument.partition("::")
        full = (config.invocation_params.dir / path).resolve()
        if name or any(suite in full.parents for suite in suites):
            parts.append(f"{full.name}::{name}" if name else full.name)
    return " ".join(parts)
