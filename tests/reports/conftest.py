"""A run as its events tell it; each test changes what it is about."""

import shlex
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conformance.events import (
    EnvironmentReady,
    Event,
    EvidenceSeen,
    LedgerBalance,
    RunFinished,
    RunStarted,
    ScenarioFinished,
    StepFinished,
    StepStarted,
    SuiteCollected,
    Verdict,
    Waited,
)

BEGAN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def requirement(id_: str, level: str = "core") -> dict[str, str]:
    texts = ("title", "promise", "rationale", "source", "since", "aws_validated")
    return {"id": id_, "level": level, "stage": "iam", **{t: f"{t} of {id_}" for t in texts}}


class Story:
    """Scenarios with their ends, and what a run says around them."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.scenarios: dict[str, list[str]] = {}
        self.levels = {"a.one": "core", "a.two": "core", "b.three": "extended"}
        self.collected: dict[str, Any] = {"left_out": {}, "selection": "", "divergences": {}}
        self.started: dict[str, Any] = {"faults": [], "profile": "all"}
        self.ready: dict[str, Any] = {"attached": False}
        self.ended: dict[str, Any] | None = {"exit_code": 0, "interrupted": False}
        self.extra: list[Event] = []

    def scenario(
        self,
        name: str,
        *proves: str,
        verdict: str | None = "passed",
        stage: str = "",
        message: str = "",
        evidence: int = 0,
        answer: str = "",
    ) -> "Story":
        id_ = f"scenarios/test_x.py::{name}"
        self.scenarios[id_] = list(proves)
        for number in range(evidence):
            seen = {"call": f"call {number}", "outcome": "denied", "stage": "iam", "answer": answer}
            self.events.append(EvidenceSeen(scenario=id_, subject="shop/reader", evidence=seen))
        if verdict is not None:
            self.events.append(
                ScenarioFinished(
                    at=BEGAN + timedelta(seconds=5),
                    worker="gw0",
                    scenario=id_,
                    requirements=list(proves),
                    verdict=Verdict(verdict),
                    stage=stage,
                    message=message,
                    seconds=0.25,
                    reproduce=shlex.join(["conformance", "run", id_, "--seed", "7"]),
                )
            )
        return self

    @staticmethod
    def waited(what: str, *, used: float, bound: float) -> Waited:
        return Waited(
            what=what, bound_seconds=bound, used_seconds=used, attempts=3, ok=True, last_seen=""
        )

    def while_running(self, name: str, proves: str, *events: Event) -> None:
        """A scenario that passes, and what happened in its worker meanwhile."""
        begun = StepStarted(what="scenario", step=f"scenarios/test_x.py::{name}")
        self.events += [
            event if event.worker == "gw1" else event.model_copy(update={"worker": "gw0"})
            for event in (begun, *events)
        ]
        self.scenario(name, proves)

    def tell(self) -> list[Event]:
        started = RunStarted(
            at=BEGAN,
            run="k3m9xq",
            suite_version="0.1.0",
            target="embedded",
            stack="aws",
            provider="embedded",
            seed=7,
            command="conformance run",
            **self.started,
        )
        collected = SuiteCollected(
            at=BEGAN,
            scenarios=self.scenarios,
            **{"expected": list(self.levels), **self.collected},
            requirements=[requirement(id_, level) for id_, level in self.levels.items()],
        )
        around: list[Event] = [
            EnvironmentReady(
                at=BEGAN,
                target="embedded",
                capabilities=["records"],
                parts={"agent": "0.1.37"},
                **self.ready,
            ),
            StepFinished(
                at=BEGAN + timedelta(seconds=2),
                what="environment",
                step="emulated AWS",
                seconds=1.5,
                ok=True,
            ),
            Waited(
                at=BEGAN,
                what="injection",
                bound_seconds=30,
                used_seconds=0.4,
                attempts=3,
                ok=True,
                last_seen="True",
            ),
            LedgerBalance(at=BEGAN, world="x", intended=9, created=9, destroyed=9, left=[]),
        ]
        end: list[Event] = []
        if self.ended is not None:
            end = [RunFinished(at=BEGAN + timedelta(seconds=9), seconds=9.0, **self.ended)]
        return [started, collected, *around, *self.events, *self.extra, *end]


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
def good(story: Story) -> Story:
    return (
        story.scenario("test_one", "a.one", evidence=1)
        .scenario("test_two", "a.two")
        .scenario("test_three", "b.three")
    )


@pytest.fixture
def failed(good: Story) -> Story:
    return good.scenario(
        "test_leak",
        "a.two",
        verdict="failed",
        stage="iam",
        evidence=2,
        message="call 'x' & <script>alert(1)</script>\n  promised: denied\n  saw: granted",
    )
