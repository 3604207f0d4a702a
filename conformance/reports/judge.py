"""
From events to a report: the one place where results are decided.

A requirement's verdict is the worst of its scenarios. The run's result asks, in
this order: is a required promise broken (failed), had we trouble (error), is a core
promise unproved (partial)? The traps are what is missing rather than wrong: a
scenario that never finished, a core requirement that no scenario proved, a
divergence that has gone away. Each of them shows.
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from conformance.errors import HarnessError
from conformance.events import (
    EnvironmentKept,
    EnvironmentReady,
    Event,
    LedgerBalance,
    RunFinished,
    RunStarted,
    ScenarioFinished,
    StepFinished,
    SuiteCollected,
    TroubleSeen,
    Verdict,
    Waited,
)
from conformance.reports.belongings import Belongings
from conformance.reports.model import (
    EXIT_CODES,
    UNPROVED,
    Balance,
    Kept,
    Report,
    RequirementResult,
    RequirementVerdict,
    Result,
    ScenarioResult,
    Seen,
    Timing,
    Trouble,
    Wait,
)
from conformance.reports.words import headline, remarks
from conformance.requirements import Level

E = TypeVar("E")

_WORST_FIRST = list(RequirementVerdict)


def judge(events: Sequence[Event], *, running: bool = False) -> Report:
    """
    The report of a run.

    `running` while the run has not written its own end yet; otherwise a missing
    end means that the run was killed, and is an error. Raises `HarnessError` when
    the events hold no run.
    """
    started = _first(events, RunStarted)
    if started is None:
        raise HarnessError(
            "these events are of no run", saw=f"{len(events)} events, none of them run-started"
        )
    collected = _first(events, SuiteCollected)
    ready = _first(events, EnvironmentReady)
    kept = _first(events, EnvironmentKept)
    ended = _first(events, RunFinished)
    faults = list(dict.fromkeys([*started.faults, *(ready.faults if ready else ())]))
    scenarios = _scenarios(events, started, collected)
    requirements = _requirements(scenarios, collected)
    trouble = [Trouble(where=e.where, message=e.message) for e in _all(events, TroubleSeen)]
    if ended is None and not running:
        trouble.append(Trouble(where="the run", message="it was killed before it could end"))
    # A ledger may be read twice, once by a run that was killed while it did; the last counts.
    ledger = list({event.world: event for event in _all(events, LedgerBalance)}.values())
    trouble += [_left_behind(started.run, event) for event in ledger if event.left]
    interrupted = ended is not None and ended.interrupted
    result = _result(requirements, scenarios, trouble, interrupted=interrupted)
    return Report(
        run=started.run,
        result=result,
        exit_code=ended.exit_code if ended is not None and interrupted else EXIT_CODES[result],
        headline=headline(result, requirements, scenarios, trouble),
        remarks=remarks(
            started, collected, requirements, scenarios, faults=faults, interrupted=interrupted
        ),
        suite_version=started.suite_version,
        started_at=started.at,
        seconds=ended.seconds if ended else (events[-1].at - started.at).total_seconds(),
        target=started.target if ready is None else ready.target,
        stack=started.stack,
        provider=started.provider,
        profile=started.profile,
        selection=collected.selection if collected else "",
        seed=started.seed,
        faults=faults,
        command=started.command,
        attached=ready.attached if ready else False,
        parts=ready.parts if ready else {},
        capabilities=ready.capabilities if ready else [],
        requirements=requirements,
        scenarios=scenarios,
        trouble=trouble,
        timings=[_timing(started, event) for event in _all(events, StepFinished)],
        waits=[_wait(event) for event in _all(events, Waited)],
        ledger=[Balance(**e.model_dump(include=set(Balance.model_fields))) for e in ledger],
        kept=Kept(file=kept.file, env=kept.env) if kept else None,
    )


def _all(events: Iterable[Event], kind: type[E]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]


def _first(events: Iterable[Event], kind: type[E]) -> E | None:
    return next(iter(_all(events, kind)), None)


def _began(started: RunStarted, end: StepFinished | ScenarioFinished) -> float:
    return max(0.0, (end.at - started.at).total_seconds() - end.seconds)


def _timing(started: RunStarted, event: StepFinished) -> Timing:
    fields = event.model_dump(include=set(Timing.model_fields))
    return Timing(began=_began(started, event), **fields)


def _wait(event: Waited) -> Wait:
    return Wait(**event.model_dump(include=set(Wait.model_fields)))


def _left_behind(run: str, event: LedgerBalance) -> Trouble:
    left = "\n".join(f"  {each}" for each in event.left)
    return Trouble(
        where=f"left behind by {event.world}",
        message=f"{left}\n  try: conformance sweep --run {run}".strip(),
    )


def _scenarios(
    events: Sequence[Event], started: RunStarted, collected: SuiteCollected | None
) -> list[ScenarioResult]:
    finished = {event.scenario: event for event in _all(events, ScenarioFinished)}
    its = Belongings(events)
    proves = dict(collected.scenarios) if collected else {}
    proves |= {id_: event.requirements for id_, event in finished.items() if id_ not in proves}
    results = []
    for id_, requirements in proves.items():
        end = finished.get(id_)
        results.append(
            ScenarioResult(
                id=id_,
                requirements=requirements,
                verdict=end.verdict if end else None,
                stage=end.stage if end else "",
                message=end.message if end else "",
                began=_began(started, end) if end else 0.0,
                seconds=end.seconds if end else 0.0,
                worker=end.worker if end else "",
                reproduce=end.reproduce if end else "",
                evidence=[
                    Seen(subject=event.subject, evidence=event.evidence)
                    for event in its.evidence(id_)
                ],
                waits=[_wait(event) for event in its.waits(id_)],
                timings=[_timing(started, event) for event in its.steps(id_)],
            )
        )
    return results


def _requirements(
    scenarios: list[ScenarioResult], collected: SuiteCollected | None
) -> list[RequirementResult]:
    if collected is None:
        return []
    results = []
    for told in collected.requirements:
        id_ = told["id"]
        proving = [scenario for scenario in scenarios if id_ in scenario.requirements]
        partly = any(id_ in proved for proved in collected.left_out.values())
        verdict, stage, reason = _verdict(
            proving,
            expected=id_ in collected.expected,
            because=collected.divergences.get(id_),
            partly=partly,
        )
        results.append(
            RequirementResult(
                id=id_,
                title=told["title"],
                level=Level(told["level"]),
                promise=told["promise"],
                rationale=told["rationale"],
                source=told["source"],
                decided_at=told["stage"],
                since=told["since"],
                aws_validated=told["aws_validated"],
                verdict=verdict,
                stage=stage,
                reason=reason,
                scenarios=[scenario.id for scenario in proving],
            )
        )
    return results


def _verdict(
    proving: list[ScenarioResult], *, expected: bool, because: str | None, partly: bool
) -> tuple[RequirementVerdict, str, str]:
    """(verdict, blamed stage, reason) of one requirement."""
    if not expected:
        return RequirementVerdict.NOT_SELECTED, "", ""
    if not proving:
        return RequirementVerdict.NOT_RUN, "", "no scenario that proves it was run"
    verdicts = [
        RequirementVerdict(one.verdict) if one.verdict else RequirementVerdict.NOT_RUN
        for one in proving
    ]
    worst = min(verdicts, key=_WORST_FIRST.index)
    if worst is RequirementVerdict.PASSED:
        if because is not None and not partly:
            return (
                RequirementVerdict.FAILED,
                "",
                f"kept, although known_divergences.toml lists it ({because}): take the entry out",
            )
        return worst, "", ""
    guilty = proving[verdicts.index(worst)]
    reason = guilty.message.partition("\n  at ")[0].strip() or f"{guilty.id} never finished"
    return worst, guilty.stage, reason


def _result(
    requirements: list[RequirementResult],
    scenarios: list[ScenarioResult],
    trouble: list[Trouble],
    *,
    interrupted: bool,
) -> Result:
    if any(
        r.verdict is RequirementVerdict.FAILED and r.level is not Level.PROVISIONAL
        for r in requirements
    ):
        return Result.FAILED
    if trouble or any(scenario.verdict is Verdict.ERROR for scenario in scenarios):
        return Result.ERROR
    unproved = any(r.verdict in UNPROVED and r.level is Level.CORE for r in requirements)
    if unproved or interrupted or not requirements:
        return Result.PARTIAL
    return Result.PASSED
