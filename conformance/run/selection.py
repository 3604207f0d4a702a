"""
Which requirements a run answers for.

A full run answers for every requirement of its profile, so a core requirement
that nothing proved makes it *partial*. Someone who selects scenarios asks about
those only; the report then says that it was a selection. What is left out by a name that
nothing has was not left out, so that is refused.
"""

from collections.abc import Collection, Mapping, Sequence
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
    """Raises `UsageError` where `--deselect` or `--ignore` names what is not there."""
    for prefix in config.getoption("deselect") or ():
        if not any(item.nodeid.startswith(prefix) for item in items):
            raise UsageError(
                f"--deselect {prefix}: there is nothing of that name",
                try_="conformance run -- --collect-only -q",
            )
    for path in config.getoption("ignore") or ():
        if not (config.invocation_params.dir / path).exists():
            raise UsageError(f"--ignore {path}: there is no such path")


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
    for option, name in (("--deselect", "deselect"), ("--ignore", "ignore")):
        parts += [f"{option} {value}" for value in config.getoption(name) or ()]
    for argument in config.args:
        path, _, name = argument.partition("::")
        full = (config.invocation_params.dir / path).resolve()
        if name or any(suite in full.parents for suite in suites):
            parts.append(f"{full.name}::{name}" if name else full.name)
    return " ".join(parts)
