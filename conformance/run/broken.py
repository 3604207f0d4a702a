"""
A scenario file that cannot be collected, in words.

A Spec that cannot be has said the field and its value. All that is missing is the line of
the file that it stands in, and a traceback through the checks would bury the three.
"""

from pathlib import Path

from conformance.errors import HarnessError
from conformance.run.verdicts import place_of


def words_of(error: BaseException, *, suite: Path, file: Path) -> str | None:
    """What a mistake in `file` says, and where it stands; None for one that needs its traceback."""
    if not isinstance(error, HarnessError):
        return None
    return f"{error}\n  at {place_of(error.__traceback__, suite, file)}"
