"""
What each fault must turn red, and nothing else: `scenarios/fault_expectations.toml`.

Faults are the first mutants: they can be switched on by anybody (`--fault`), so the whole
table of who notices what is written down. It names requirements by patterns, because a
part that is away takes whole themes with it, and because a new requirement of such a theme
is in the table by its name alone.
"""

import tempfile
import time
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from conformance.errors import HarnessError
from conformance.faults import FAULTS
from conformance.mutants.trial import Fate, RunSuite, Trial
from conformance.reports import Report, RequirementVerdict
from conformance.requirements import catalogue
from conformance.run.suite import suite_root

FILE = "fault_expectations.toml"
_NOT = "!"
_FINE = (RequirementVerdict.PASSED, RequirementVerdict.SKIPPED)
_SHOWN = 20


@dataclass(frozen=True)
class Expectation:
    """One fault's row; what it does not name must pass, or be skipped."""

    fault: str
    because: str
    fails: Mapping[str, tuple[str, ...]]
    """Stage to blame, to the requirements that must fail there."""
    errors: tuple[str, ...]
    """Requirements that nobody decided: a part was away, which breaks no promise."""
    may: tuple[str, ...]
    """Requirements that depend on the broken part, and on luck."""

    @property
    def named(self) -> list[str]:
        """Every requirement of the row, as often as it is named."""
        return [*(id_ for ids in self.fails.values() for id_ in ids), *self.errors, *self.may]

    def wrong(self, report: Report) -> list[str]:
        """What a run with this fault did otherwise, a line for each requirement it asked about."""
        stages = {id_: stage for stage, ids in self.fails.items() for id_ in ids}
        lines = []
        for one in report.requirements:
            seen = (one.verdict, one.stage)
            if one.verdict is RequirementVerdict.NOT_SELECTED:
                continue
            if one.id in stages:
                wanted, good = f"failed at {stages[one.id]}", seen == ("failed", stages[one.id])
            elif one.id in self.errors:
                wanted, good = "error", one.verdict is RequirementVerdict.ERROR
            elif one.id in self.may:
                wanted, good = "passed or failed", one.verdict in (*_FINE, "failed")
            else:
                wanted, good = "passed", one.verdict in _FINE
            if not good:
                at = f" at {one.stage}" if one.stage else ""
                lines.append(f"{one.id}: {one.verdict}{at}, not {wanted}")
        return lines


def chosen(patterns: Iterable[str], ids: Sequence[str]) -> tuple[str, ...]:
    """
    The ids that patterns name, in the catalogue's order.

    `theme.*` adds, `!theme.one` takes away what was added before it. Raises `HarnessError`
    for a pattern that does nothing: it is out of date.
    """
    found: set[str] = set()
    for pattern in patterns:
        meant = {id_ for id_ in ids if fnmatchcase(id_, pattern.removeprefix(_NOT))}
        before = set(found)
        found = found - meant if pattern.startswith(_NOT) else found | meant
        if found == before:
            raise HarnessError(f"{FILE}: {pattern!r} does nothing", try_="take it out")
    return tuple(id_ for id_ in ids if id_ in found)


@cache
def expectations() -> Mapping[str, Expectation]:
    """The table by fault; raises `HarnessError` where it is out of date."""
    path = suite_root() / "scenarios" / FILE
    rows: dict[str, dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))
    ids = list(catalogue())
    if set(rows) != set(FAULTS):
        raise HarnessError(f"{FILE} and the faults differ", saw=", ".join(set(rows) ^ set(FAULTS)))
    return {
        fault: Expectation(
            fault=fault,
            because=row["because"],
            fails={stage: chosen(one, ids) for stage, one in row.get("fails", {}).items()},
            errors=chosen(row.get("errors", ()), ids),
            may=chosen(row.get("may", ()), ids),
        )
        for fault, row in rows.items()
    }


def attempt_fault(expectation: Expectation, run: RunSuite) -> Trial:
    """Run the whole suite with a fault, and compare with its row."""
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="pod-identity-fault-") as folder:
            wrong = expectation.wrong(run(Path(folder), ["--fault", expectation.fault]))
        fate = Fate.ELSEWHERE if wrong else Fate.KILLED
        more = [f"and {len(wrong) - _SHOWN} more"] if len(wrong) > _SHOWN else []
        message = "\n".join([*wrong[:_SHOWN], *more])
    except HarnessError as error:
        fate, message = Fate.TROUBLE, str(error)
    return Trial(
        name=expectation.fault,
        part=FAULTS[expectation.fault].part,
        broken=f"{len(set(expectation.named) - set(expectation.may))} requirements",
        fate=fate,
        stage=", ".join(expectation.fails),
        named=", ".join(expectation.fails),
        others=(),
        seconds=round(time.monotonic() - began, 1),
        message=message,
    )
