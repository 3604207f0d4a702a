"""
What a report says, whoever writes it down.

The same object becomes report.json as it is; nothing here is computed when it is
read, so that what a machine reads and what a person sees cannot differ.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from conformance.events import Verdict
from conformance.requirements import Level


class Result(StrEnum):
    """How a run ended; each has its exit code."""

    PASSED = "passed"
    """Every required promise holds."""
    FAILED = "failed"
    """At least one required promise is broken."""
    ERROR = "error"
    """Trouble of ours; it says nothing about Pod Identity."""
    PARTIAL = "partial"
    """Nothing is broken, and a core promise was not proved."""


EXIT_CODES = {Result.PASSED: 0, Result.FAILED: 1, Result.ERROR: 3, Result.PARTIAL: 4}
"""2 is left to mistakes on the command line."""


class RequirementVerdict(StrEnum):
    """The worst of a requirement's scenarios; in this order, worst first."""

    FAILED = "failed"
    ERROR = "error"
    NOT_RUN = "not run"
    """A scenario that proves it never finished, or there is none."""
    SKIPPED = "skipped"
    DIVERGENT = "divergent"
    PASSED = "passed"
    NOT_SELECTED = "not selected"
    """The run was not asked about it."""


UNPROVED = (RequirementVerdict.NOT_RUN, RequirementVerdict.SKIPPED)
"""With one of these on a core requirement a run is partial."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Seen(_Part):
    """One piece of evidence: who was looked at, and what each stage saw."""

    subject: str
    evidence: dict[str, Any]


class Timing(_Part):
    """A step that took time: `what` is `environment`, `terraform`, `pod` or `fixture`."""

    what: str
    step: str
    worker: str
    began: float
    """Seconds after the run's start."""
    seconds: float
    ok: bool
    detail: str
    bound_seconds: float | None = None
    """None where only the machine bounds it, or the steps around or within that have one."""


class Wait(_Part):
    """A wait with its bound and what was used of it."""

    what: str
    worker: str
    bound_seconds: float
    used_seconds: float
    attempts: int
    ok: bool
    consecutive: int = 1
    """How many good answers in a row were wanted."""


class ScenarioResult(_Part):
    """One scenario; `verdict` None when it never finished."""

    id: str
    requirements: list[str]
    verdict: Verdict | None
    stage: str
    message: str
    began: float
    """Seconds after the run's start."""
    seconds: float
    worker: str
    reproduce: str
    """The command that runs just this scenario again."""
    evidence: list[Seen]
    waits: list[Wait] = []
    timings: list[Timing] = []
    """
    Of what happened while it ran, and while fixtures were made that it shares with others.

    Evidence and waits are those of the same time.
    """


class RequirementResult(_Part):
    """One promise in the words of the run's suite, with what became of it."""

    id: str
    title: str
    level: Level
    promise: str
    rationale: str
    source: str
    decided_at: str
    """The stage where keeping or breaking it is decided."""
    since: str
    aws_validated: str
    verdict: RequirementVerdict
    stage: str
    """The stage that a failure blames."""
    reason: str
    """Why it is not simply passed, in one line; empty when it is."""
    scenarios: list[str]


class Balance(_Part):
    """The ledger of one world."""

    world: str
    intended: int
    created: int
    destroyed: int
    left: list[str]


class Kept(_Part):
    """An environment that goes on after the run."""

    file: str
    env: str
    """A file of shell variables that point anything at it; empty on a real account."""


class Trouble(_Part):
    """Trouble of ours outside of any scenario."""

    where: str
    message: str


class Report(_Part):
    """Everything about one run."""

    schema_version: Literal[1] = 1
    run: str
    result: Result
    exit_code: int
    headline: str
    """The result in one sentence."""
    remarks: list[str]
    """What a reader must know beside the result: skips, selection, faults, interruption."""
    suite_version: str
    started_at: datetime
    seconds: float
    target: str
    stack: str
    provider: str
    profile: str
    selection: str
    seed: int
    faults: list[str]
    command: str
    attached: bool
    parts: dict[str, str]
    capabilities: list[str]
    requirements: list[RequirementResult]
    scenarios: list[ScenarioResult]
    trouble: list[Trouble]
    timings: list[Timing]
    waits: list[Wait]
    ledger: list[Balance]
    kept: Kept | None = None

    def count(self, verdict: RequirementVerdict) -> int:
        """How many requirements have this verdict."""
        return sum(requirement.verdict is verdict for requirement in self.requirements)
