"""
The scenarios of one process: what was collected, which one runs, how it ended.

A scenario has three phases and one verdict, the worst of them. The traps: a failure
in a shared fixture must not be called a broken promise of whichever scenario came
first unless it is one, and pytest has no status of its own for trouble of ours.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conformance import targets
from conformance.environment import Environment
from conformance.errors import HarnessError
from conformance.events import (
    EventLog,
    ScenarioFinished,
    StepStarted,
    SuiteCollected,
    Verdict,
)
from conformance.requirements import Requirement
from conformance.requirements.profiles import profile_of
from conformance.run.divergences import known_divergences
from conformance.run.filing import NOTHING_SEEN, Filing
from conformance.run.marked import Scenario, scenario_of, why_not_emulated, why_skipped
from conformance.run.selection import expected_of
from conformance.run.settings import Settings
from conformance.run.verdicts import Verdicts
from conformance.spec import Spec, StackCapability
from conformance.terraform.stacks import missing_capabilities, stack

if TYPE_CHECKING:
    from conformance.world import World

VERDICT = "conformance_verdict"
"""Name under which a pytest report carries our verdict, also from worker to controller."""

_WORST_FIRST = (
    Verdict.FAILED,
    Verdict.ERROR,
    Verdict.DIVERGENT,
    Verdict.SKIPPED,
    Verdict.PASSED,
)


class _Running:
    """One scenario on its way through its phases."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.verdict = Verdict.PASSED
        self.stage = ""
        self.message = ""
        self.seconds = 0.0
        self.fixtures: list[str] = []
        """Shared ones that it used."""

    def add(self, verdict: Verdict, stage: str, message: str) -> None:
        if _WORST_FIRST.index(verdict) < _WORST_FIRST.index(self.verdict):
            self.verdict, self.stage, self.message = verdict, stage, message


class Scenarios:
    """Raises `UsageError` and `HarnessError` while it collects, never later."""

    def __init__(self, settings: Settings, catalogue: Mapping[str, Requirement]) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._profile = profile_of(settings.profile, catalogue)
        self._stack_capabilities = stack(settings.stack_text).description.capabilities
        self._known: dict[str, Scenario] = {}
        self._divergences: dict[str, str] = {}
        self._running: _Running | None = None
        self._environment: Environment | None = None
        self._own: Environment | None = None
        """Of the file that runs, where it has one."""
        self._verdicts = Verdicts()
        self.filing = Filing()

    def collect(self, items: Sequence[pytest.Item]) -> list[pytest.Item]:
        """Take note of the scenarios among the items; returns those outside the profile."""
        outside = []
        for item in items:
            scenario = scenario_of(item, self._catalogue)
            if scenario is None:
                continue
            self._known[item.nodeid] = scenario
            # A warning of some library is neither a broken promise nor trouble of ours,
            # whatever the user's configuration makes of warnings.
            item.add_marker(pytest.mark.filterwarnings("default"))
            if not set(self._profile) & set(scenario.requirements):
                outside.append(item)
        for suite in self.suites:
            self._divergences |= known_divergences(
                suite,
                target=self._settings.target,
                requirements=self._catalogue,
            )
        return outside

    @property
    def suites(self) -> set[Path]:
        """The suite folders that scenarios were collected from."""
        return {one.suite for one in self._known.values() if one.suite is not None}

    def collected(self, left: Sequence[pytest.Item], *, selection: str) -> SuiteCollected | None:
        """What the run is about, once all selecting is done; None without any scenario."""
        chosen = {item.nodeid for item in left}
        proves = {id_: list(one.requirements) for id_, one in self._known.items()}
        scenarios = {id_: proved for id_, proved in proves.items() if id_ in chosen}
        if not scenarios:
            return None
        return SuiteCollected(
            scenarios=scenarios,
            left_out={id_: proved for id_, proved in proves.items() if id_ not in chosen},
            selection=selection,
            expected=expected_of(self._profile, scenarios, selection=selection),
            requirements=[
                {name: str(value) for name, value in asdict(requirement).items()}
                for requirement in self._catalogue.values()
            ],
            divergences=self._divergences,
        )

    # --- running

    @property
    def has_environment(self) -> bool:
        return self._environment is not None

    def use(self, environment: Environment) -> None:
        """Run on this environment from now on."""
        self._environment = environment
        self._keep_secrets_of(environment)

    @contextmanager
    def looking_through(self, world: "World", environment: Environment) -> Iterator[None]:
        """File the world's evidence, made on `environment`, under whatever is running."""
        if environment != self._environment:
            self._own = environment
            self._keep_secrets_of(environment)
        try:
            with self.filing.looking_through(world):
                yield
        finally:
            self._own = None

    def _keep_secrets_of(self, environment: Environment) -> None:
        accounts = (environment.aws, environment.aws.other)
        secrets = [one.secret_access_key for one in accounts if one is not None]
        self._verdicts.clean_of(secret for secret in secrets if secret)

    def _lost(self) -> str:
        """What has ended of the environment, or of the file's own."""
        there = (one for one in (self._environment, self._own) if one is not None)
        return next(filter(None, map(targets.lost, there)), "")

    def begin(self, nodeid: str, log: EventLog) -> None:
        """A scenario's setup begins."""
        scenario = self._known.get(nodeid)
        if scenario is None:
            return
        log.append(StepStarted(what="scenario", step=nodeid))
        self._running = _Running(scenario)
        self.filing.begin(nodeid, log)

    def why_not(self, nodeid: str) -> str | None:
        """
        One sentence when a scenario cannot be run on this environment.

        Raises `HarnessError` when a part of the environment has ended.
        """
        scenario = self._known.get(nodeid)
        if scenario is None or self._environment is None:
            return None
        if lost := self._lost():
            raise HarnessError(lost)
        has = {str(one) for one in self._environment.capabilities} | self._stack_capabilities
        why = why_skipped(scenario.needs, frozenset(has), self._environment.target)
        if why is None and self._environment.emulated:
            why = why_not_emulated(scenario.gaps, self._environment.target)
        return why or self._why_no_world(scenario.spec, self._environment)

    def _why_no_world(self, spec: Spec | None, environment: Environment) -> str | None:
        if spec is None:
            return None
        if StackCapability.OTHER_ACCOUNT in spec.needs and environment.aws.other is None:
            return f"needs a second account, which target {environment.target} does not have here"
        return missing_capabilities(spec, self._settings.stack_text)

    def phase(
        self,
        item: pytest.Item,
        excinfo: pytest.ExceptionInfo[BaseException] | None,
        report: pytest.TestReport,
    ) -> None:
        """Judge one phase, and make pytest's own report show the verdict."""
        running = self._running
        if running is None or running.scenario.id != item.nodeid:
            return
        if report.when == "call":
            running.seconds = report.duration
        running.fixtures = self.filing.shared_by(item)
        if excinfo is None:
            if report.when == "call" and not self.filing.is_of(item):
                report.outcome, report.longrepr = "failed", NOTHING_SEEN
                report.__dict__[VERDICT] = str(Verdict.ERROR)
                running.add(Verdict.ERROR, "", NOTHING_SEEN)
            return
        if isinstance(excinfo.value, pytest.skip.Exception):
            running.add(Verdict.SKIPPED, "", self._verdicts.clean(str(excinfo.value)))
            return
        verdict, stage, message = self._verdicts.judge(
            excinfo.value,
            when=report.when,
            suite=running.scenario.suite,
            scenario=item.path,
        )
        lost = self._lost()
        if lost:
            # Whatever it saw, it saw a part of ours die.
            verdict, stage, message = Verdict.ERROR, "", lost
        reasons = [self._divergences.get(id_) for id_ in running.scenario.requirements]
        if verdict is Verdict.FAILED and all(reasons):
            verdict = Verdict.DIVERGENT
            because = "; ".join(dict.fromkeys(reason for reason in reasons if reason))
            message = f"known divergence: {because}\n{message}"
            report.outcome = "skipped"
            report.__dict__["wasxfail"] = because
        elif lost or isinstance(excinfo.value, HarnessError):
            report.longrepr = message
        report.__dict__[VERDICT] = str(verdict)
        running.add(verdict, stage, message)

    def end(self, nodeid: str, *, seed: int) -> ScenarioFinished | None:
        """A scenario is over, teardown included; None for somebody else's test."""
        running, self._running = self._running, None
        self.filing.end()
        if running is None or running.scenario.id != nodeid:
            return None
        return ScenarioFinished(
            scenario=nodeid,
            requirements=list(running.scenario.requirements),
            verdict=running.verdict,
            stage=running.stage,
            message=running.message,
            seconds=running.seconds,
            reproduce=self._settings.reproduce(nodeid, seed),
            fixtures=running.fixtures,
        )
