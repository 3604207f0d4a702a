"""
What of a run's events belongs to which scenario.

Evidence says what it is filed under; steps and waits belong to what their worker was at.
What was seen or waited for while a shared fixture was made belongs to every scenario that
used the fixture, or only the first of them could show anything.
"""

import json
from collections.abc import Sequence
from typing import TypeVar

from conformance.events import (
    Event,
    EvidenceSeen,
    ScenarioFinished,
    StepFinished,
    StepStarted,
    Waited,
)

E = TypeVar("E", EvidenceSeen, Waited, StepFinished)


class Belongings:
    """Of all scenarios of a run, each in the order in which it was seen."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._fixtures: dict[str, list[str]] = {}
        self._evidence: dict[str, list[EvidenceSeen]] = {}
        self._waits: dict[str, list[Waited]] = {}
        self._steps: dict[str, list[StepFinished]] = {}
        at: dict[str, list[str]] = {}
        for event in events:
            # A worker is at one scenario, and in it at the fixtures that are made for it.
            self._take(event, at.setdefault(event.worker, []))

    def evidence(self, scenario: str) -> list[EvidenceSeen]:
        """Each piece once: a scenario may look at it again, and a wait asks until it is so."""
        found: dict[str, EvidenceSeen] = {}
        for one in self._of(scenario, self._evidence):
            found.setdefault(_said(one), one)
        return list(found.values())

    def waits(self, scenario: str) -> list[Waited]:
        return self._of(scenario, self._waits)

    def steps(self, scenario: str) -> list[StepFinished]:
        """Without single resources: their apply is among them."""
        return [one for one in self._of(scenario, self._steps) if one.what != "resource"]

    def _of(self, scenario: str, found: dict[str, list[E]]) -> list[E]:
        places = [*self._fixtures.get(scenario, ()), scenario]
        return [event for place in places for event in found.get(place, ())]

    def _take(self, event: Event, at: list[str]) -> None:
        match event:
            case StepStarted(what="scenario"):
                at[:] = [event.step]
            case StepStarted(what="fixture") if at:
                # Until it says itself which it used: one that is killed never does.
                self._fixtures.setdefault(at[0], []).append(event.step)
                at.append(event.step)
            case ScenarioFinished():
                self._fixtures[event.scenario] = event.fixtures
                at.clear()
            case EvidenceSeen():
                self._evidence.setdefault(event.scenario, []).append(event)
            case Waited() if at:
                self._waits.setdefault(at[-1], []).append(event)
            case StepFinished() if at:
                self._steps.setdefault(at[-1], []).append(event)
                if event.what == "fixture":
                    at.pop()


def _said(event: EvidenceSeen) -> str:
    """What makes it the same: all but how long it took."""
    rest = {name: value for name, value in event.evidence.items() if name != "latency_ms"}
    return json.dumps([event.subject, rest], sort_keys=True, default=str)
