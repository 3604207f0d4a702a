"""
Which scenarios prove a requirement.

Only pytest knows: marks may stand on single parameters. So it collects, in a process of
its own because scenarios are imported for that; see `collecting`.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence

from conformance.errors import HarnessError
from conformance.run.settings import child_environment

Proving = Mapping[str, Sequence[str]]
"""Requirement id to the node ids of the scenarios that prove it."""


def proving_scenarios() -> Proving:
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
    found: dict[str, list[str]] = json.loads(ran.stdout)
    return found
