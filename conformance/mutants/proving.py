"""
Which scenarios prove a requirement.

Only pytest knows: marks may stand on single parameters, and name what they need by a
variable. So it collects, in a process of its own because scenarios are imported for that;
see `collecting`.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.errors import HarnessError
from conformance.run.settings import child_environment

Proving = Mapping[str, Sequence[str]]
"""Requirement id to the node ids of the scenarios that prove it."""


@dataclass(frozen=True)
class Marked:
    """One scenario by its node id, and what its marks and its file say."""

    scenario: str
    requirements: tuple[str, ...]
    needs: tuple[str, ...]
    """Capabilities, that of an environment of its own included."""
    gaps: tuple[str, ...]

    @classmethod
    def read(cls, told: dict[str, Any]) -> "Marked":
        """JSON has no tuples."""
        parts = (tuple(told[name]) for name in ("requirements", "needs", "gaps"))
        return cls(told["scenario"], *parts)


def marked_scenarios() -> list[Marked]:
    """Of the whole suite; raises `HarnessError` when it cannot be collected."""
    ran = subprocess.run(
        [sys.executable, "-m", "conformance.mutants.collecting"],
        env=child_environment("embedded"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode != 0:
        raise HarnessError(
            "the scenarios of the suite cannot be collected",
            saw=ran.stderr[-2000:],
            try_="conformance run -- --collect-only",
        )
    return [Marked.read(each) for each in json.loads(ran.stdout)]


def proving_scenarios() -> Proving:
    """Of every requirement; raises `HarnessError` when the suite cannot be collected."""
    found: dict[str, list[str]] = {}
    for one in marked_scenarios():
        for id_ in one.requirements:
            found.setdefault(id_, []).append(one.scenario)
    return found
