"""
What happened in a run, as typed, frozen events.

Every process of a run appends to its own file, `events-<worker>.ndjson`; nobody
rewrites. Reports are pure functions of these lines, so a report can be made
again years later, and a run that died half-way still tells what it saw. No event
may carry a token or a secret key: evidence holds fingerprints.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class Verdict(StrEnum):
    """Never mixed: a broken promise, trouble of ours, a missing capability, a known divergence."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"
    DIVERGENT = "divergent"


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    worker: str = "main"


class RunStarted(_Event):
    """Once, first: everything that is needed to run the same again."""

    kind: Literal["run-started"] = "run-started"
    run: str
    suite_version: str
    target: str
    stack: str
    provider: str
    seed: int
    faults: list[str]
    command: str
    profile: str


class EnvironmentReady(_Event):
    """The parts that promises were checked on, each with its version."""

    kind: Literal["environment-ready"] = "environment-ready"
    target: str
    capabilities: list[str]
    parts: dict[str, str]
    attached: bool
    """True when the environment was there before the run."""
    faults: list[str] = []
    """Switched on when the run began; an environment that was there may have its own."""


class SuiteCollected(_Event):
    """
    What this run is about: scenarios, and the promises in the words of that day.

    `expected` are the requirements that the run answers for: all of the profile,
    or with a selection (`-k`, node ids) those of the selected scenarios.
    """

    kind: Literal["suite-collected"] = "suite-collected"
    scenarios: dict[str, list[str]]
    """Node id to requirement ids, in the order of the suite."""
    left_out: dict[str, list[str]]
    """The same for scenarios that the selection left out."""
    selection: str
    """The selection as it was given; empty when there was none."""
    expected: list[str]
    requirements: list[dict[str, str]]
    divergences: dict[str, str]
    """Requirements known to diverge on this target, each with its reason."""


class TroubleSeen(_Event):
    """Trouble of ours outside of any scenario: an environment, a file that cannot be read."""

    kind: Literal["trouble"] = "trouble"
    where: str
    message: str


class StepStarted(_Event):
    """Work began that may take over a second; shown live."""

    kind: Literal["step-started"] = "step-started"
    step: str
    what: str
    """`environment`, `terraform`, `resource`, `pod`, `fixture` or `scenario`."""
    detail: str = ""


class StepFinished(_Event):
    kind: Literal["step-finished"] = "step-finished"
    step: str
    what: str
    seconds: float
    ok: bool
    detail: str = ""
    bound_seconds: float | None = None
    """None where only the machine bounds it, or the steps around or within that have one."""


class Waited(_Event):
    """A wait, with its bound and what was used of it; there is no sleep."""

    kind: Literal["waited"] = "waited"
    what: str
    bound_seconds: float
    used_seconds: float
    """Until the first of the good answers that ended it."""
    attempts: int
    ok: bool
    last_seen: str
    consecutive: int = 1
    """How many good answers in a row were wanted."""


class EvidenceSeen(_Event):
    """What one call from a pod saw, stage by stage; see probes.evidence."""

    kind: Literal["evidence"] = "evidence"
    scenario: str
    """Or the shared fixture that was being made: then it is of every scenario that uses that."""
    subject: str
    """Who was looked at, `namespace/service-account` in the scenario's words."""
    evidence: dict[str, Any]


class ScenarioFinished(_Event):
    kind: Literal["scenario-finished"] = "scenario-finished"
    scenario: str
    """pytest's node id."""
    requirements: list[str]
    verdict: Verdict
    stage: str
    """The stage that a failure blames; empty when nothing is blamed."""
    message: str
    seconds: float
    reproduce: str
    fixtures: list[str] = []
    """Shared ones that it used, as steps and evidence call them."""


class LedgerBalance(_Event):
    """What was meant to be made, was made, was destroyed, and is left."""

    kind: Literal["ledger-balance"] = "ledger-balance"
    world: str
    intended: int
    created: int
    destroyed: int
    left: list[str]


class EnvironmentKept(_Event):
    """The environment goes on after the run, as was asked for."""

    kind: Literal["environment-kept"] = "environment-kept"
    file: str
    """Its environment.json."""
    env: str = ""
    """Shell variables that point anything at it; empty on a real account."""


class RunFinished(_Event):
    kind: Literal["run-finished"] = "run-finished"
    exit_code: int
    interrupted: bool
    seconds: float


Event = Annotated[
    RunStarted
    | EnvironmentReady
    | SuiteCollected
    | TroubleSeen
    | StepStarted
    | StepFinished
    | Waited
    | EvidenceSeen
    | ScenarioFinished
    | LedgerBalance
    | EnvironmentKept
    | RunFinished,
    Field(discriminator="kind"),
]

_ADAPTER: TypeAdapter[Event] = TypeAdapter(Event)


class EventLog:
    """Appends events to one file and shows them to listeners; safe from several threads."""

    def __init__(self, path: Path | None, worker: str = "main") -> None:
        self.worker = worker
        self.path = path
        self.listeners: list[Callable[[Event], None]] = []
        self._lock = threading.Lock()
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    def append(self, event: Event) -> None:
        event = event.model_copy(update={"worker": self.worker})
        with self._lock:
            if self.path is not None:
                # One write per line: a killed worker leaves whole lines behind.
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(event.model_dump_json() + "\n")
        for listener in self.listeners:
            listener(event)

    @contextmanager
    def step(self, what: str, step: str, *, bound: float | None = None) -> Iterator[None]:
        """Report work that may take over a second, how long it took and, in seconds, might have."""
        self.append(StepStarted(what=what, step=step))
        began = time.monotonic()
        ok = False
        try:
            yield
            ok = True
        finally:
            seconds = time.monotonic() - began
            self.append(
                StepFinished(what=what, step=step, seconds=seconds, ok=ok, bound_seconds=bound)
            )


def read_events(folder: Path) -> list[Event]:
    """
    All events of a run, in order of time.

    A last line that was cut off by a kill is passed over; anything else that
    cannot be read raises `pydantic.ValidationError`.
    """
    events: list[Event] = []
    for path in sorted(folder.glob("events-*.ndjson")):
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                data = json.loads(line)
            except json.JSONDecodeError:
                continue
            events.append(_ADAPTER.validate_python(data))
    return sorted(events, key=lambda event: event.at)
