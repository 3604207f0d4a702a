"""What a check says."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from conformance.stages import Stage
from conformance.world import looking


class Found(NamedTuple):
    """One thing that should be otherwise."""

    object: str
    """Kind and name, such as `Pod shop/web-7d4f` or `Role reader`."""
    says: str
    """What is so, with the offending value; never a secret."""
    fix: str
    """What to do, as a command or a condition where there is one."""


@dataclass(frozen=True)
class Finding:
    """The same, with the check that found it."""

    check: str
    object: str
    says: str
    fix: str


def shown(findings: Sequence[Finding]) -> looking.Seen:
    """All of them, as evidence."""
    found = [f"{one.check}: {one.object}: {one.says}" for one in findings]
    many = f"{len(found)} findings"
    return looking.seen("posture", "conformance: audit", Stage.SERVICE, many, findings=found)
