"""Runs as a user waits for them: from the shell and back to it."""

import subprocess
import sys
import tempfile

from benchmarks.measuring import Number

FIRST_FILES = ("s3_read", "separation", "trust_policy", "lifecycle")
"""What the first certification was made of; the rest of the suite came later."""


def first_run(rounds: int) -> list[Number]:
    """Start, world by world, and end, of what is promised within 20 s."""
    files = [f"scenarios/test_{name}.py" for name in FIRST_FILES]
    return [_run(Number(f"conformance run of {', '.join(FIRST_FILES)}", 20), rounds, files)]


def whole_run(rounds: int) -> list[Number]:
    """All of it."""
    return [_run(Number("conformance run, everything included", 60), rounds)]


def _run(number: Number, rounds: int, files: list[str] | None = None) -> Number:
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder, number.timed():
            subprocess.run(
                [sys.executable, "-m", "conformance", "run", *(files or ()), "--reports", folder],
                check=True,
                stdout=subprocess.DEVNULL,
            )
    return number
