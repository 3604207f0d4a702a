"""What a check tells of each step, whichever kind of stack it is."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from conformance.terraform.messages import Change

NOTHING_LEFT: Final = "nothing left"
AS_AWS_HAS_IT: Final = "as AWS has it"
BY_US: Final = frozenset({NOTHING_LEFT, AS_AWS_HAS_IT})
"""The steps whose calls are ours alone; all others are made with the stack's provider."""


@dataclass(frozen=True)
class CheckedStep:
    """One step; `trouble` is empty when it was as agreed, `skipped` says why it was not tried."""

    spec: str
    what: str
    trouble: str = ""
    skipped: str = ""


def second_plan(spec: str, changes: Iterable[Change]) -> CheckedStep:
    """There must be nothing in it."""
    trouble = ", ".join(f"{change.action} {change.address}" for change in changes)
    return CheckedStep(spec, "second plan", trouble=trouble)
