"""
The sentences of a report.

They stand in the report itself, so that every writer says the same thing. What
was not looked at is said as loudly as what was.
"""

from conformance.events import RunStarted, SuiteCollected, Verdict
from conformance.reports.model import (
    UNPROVED,
    RequirementResult,
    RequirementVerdict,
    Result,
    ScenarioResult,
    Trouble,
)
from conformance.requirements import Level
from conformance.requirements.profiles import ALL


def headline(
    result: Result,
    requirements: list[RequirementResult],
    scenarios: list[ScenarioResult],
    trouble: list[Trouble],
) -> str:
    """The result in one sentence, without the result's own word."""
    asked = [
        r
        for r in requirements
        if r.verdict is not RequirementVerdict.NOT_SELECTED and r.level is not Level.PROVISIONAL
    ]
    if result is Result.FAILED:
        broken = sum(r.verdict is RequirementVerdict.FAILED for r in asked)
        return f"{broken} of {_many(len(asked), 'required promise')} {_are(broken)} broken"
    if result is Result.ERROR:
        errors = sum(s.verdict is Verdict.ERROR for s in scenarios)
        where = f": {trouble[0].where}" if trouble and not errors else ""
        many = _many(errors, "scenario") if errors else "the run"
        return f"trouble of ours in {many}{where}; it says nothing about Pod Identity"
    if result is Result.PARTIAL:
        unproved = sum(r.verdict in UNPROVED and r.level is Level.CORE for r in requirements)
        return f"nothing is broken, but {_many(unproved, 'core promise')} {_are(unproved)} unproved"
    return f"all {_many(len(asked), 'required promise')} hold"


def remarks(
    started: RunStarted,
    collected: SuiteCollected | None,
    requirements: list[RequirementResult],
    scenarios: list[ScenarioResult],
    *,
    faults: list[str],
    interrupted: bool,
) -> list[str]:
    """What else a reader must know, each a sentence, most important first."""
    told = []
    if interrupted:
        done = sum(scenario.verdict is not None for scenario in scenarios)
        told.append(f"Interrupted after {done} of {_many(len(scenarios), 'scenario')}.")
    if collected and collected.selection:
        out = _many(len(collected.left_out), "scenario")
        told.append(f"A selection: {collected.selection}; {out} left out.")
    if started.profile != ALL:
        told.append(f"Profile {started.profile} only.")
    if faults:
        told.append(f"Faults were switched on: {', '.join(faults)}.")
    told += _skipped(Level.CORE, requirements)
    nothing = [
        r.id
        for r in requirements
        if (r.level, r.verdict) == (Level.CORE, RequirementVerdict.NOT_RUN)
    ]
    if nothing:
        told.append(f"Core promises that nothing proved: {_listed(nothing)}.")
    told += _skipped(Level.EXTENDED, requirements)
    provisional = [
        r.id
        for r in requirements
        if r.level is Level.PROVISIONAL and r.verdict is RequirementVerdict.FAILED
    ]
    if provisional:
        told.append(f"Provisional promises broken, which fails no run: {_listed(provisional)}.")
    divergent = [r.id for r in requirements if r.verdict is RequirementVerdict.DIVERGENT]
    if divergent:
        told.append(f"Known divergences: {_listed(divergent)}.")
    return told


def _skipped(level: Level, requirements: list[RequirementResult]) -> list[str]:
    """A sentence for each reason: what has to change is the same for all that it stands for."""
    by_reason: dict[str, list[str]] = {}
    for one in requirements:
        if (one.level, one.verdict) == (level, RequirementVerdict.SKIPPED):
            by_reason.setdefault(one.reason.partition("\n")[0].rstrip("."), []).append(one.id)
    return [
        f"{level.capitalize()} promises skipped: {_listed(ids)}; {reason}."
        for reason, ids in by_reason.items()
    ]


def _listed(ids: list[str]) -> str:
    return ", ".join(ids) if len(ids) <= 6 else f"{', '.join(ids[:6])} and {len(ids) - 6} more"


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
