"""
The life of a run, in the one process that owns it: xdist's controller, or the only one.

It opens the report folder, has a target start the environment, and at the end,
however that came, stops the environment, balances the books and writes the
reports. The trap is the order at a bad end: workers tidy up through the
environment, so it is stopped after them; reports are written last, and always.
"""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from conformance import __version__, targets
from conformance.emulator.behaviour import Behaviour
from conformance.environment import Capability, Environment
from conformance.errors import HarnessError, UsageError
from conformance.events import (
    EnvironmentKept,
    EventLog,
    LedgerBalance,
    RunFinished,
    RunStarted,
    ScenarioFinished,
    SuiteCollected,
    TroubleSeen,
    Verdict,
    read_events,
)
from conformance.faults import ActiveFaults
from conformance.reports import Report, judge, point_latest, write_reports
from conformance.run.options import Identity
from conformance.run.rendezvous import Rendezvous
from conformance.run.settings import Settings
from conformance.sweep.runs import Place, reach
from conformance.targets.env_file import write_env
from conformance.terraform.backend import find_backend
from conformance.terraform.finding import find_engine
from conformance.terraform.ledger import Ledger
from conformance.terraform.sources import provider_source
from conformance.terraform.stacks import stack


@dataclass
class Run:
    """One run; nothing exists before `open`."""

    settings: Settings
    identity: Identity
    command: str
    rendezvous: Rendezvous
    """Where the other processes of the run wait, if there are any."""

    def __post_init__(self) -> None:
        self.id = self.identity.run
        self.folder = self.identity.folder
        self.ledger = Ledger.of_run(self.folder)
        self.log = EventLog(None)
        self.environment: Environment | None = None
        self.report: Report | None = None
        self._collected: SuiteCollected | None = None
        self._opened: float | None = None

    @property
    def opened(self) -> bool:
        return self._opened is not None

    @property
    def outlives(self) -> bool:
        """True when the environment stays after the run: it was there before, or is kept."""
        return self.settings.keep or self.settings.environment is not None

    def check(self) -> None:
        """
        Refuse what cannot be before anything is made.

        Raises `UsageError` for an unknown target, fault, stack, engine or provider source, and
        for a run id that has a report already: nobody rewrites a report.
        """
        if self.settings.target not in targets.TARGETS:
            raise UsageError(
                f"--target {self.settings.target}: no such target",
                try_=f"one of: {', '.join(targets.TARGETS)}",
            )
        ActiveFaults(self.settings.fault)
        stack(self.settings.stack_text)
        if self.settings.engine is not None:
            find_engine()
        find_backend()
        if self.settings.provider is not None:
            provider_source(self.settings.provider)
        if any(self.folder.glob("*")):
            raise UsageError(
                f"--run-id {self.id}: {self.folder} holds a report already",
                try_="another --run-id, or none",
            )

    def open(self) -> None:
        """
        Begin the report: from here on `finish` must be called.

        Raises `HarnessError` when nothing can be written there.
        """
        try:
            self.ledger.begin(self.id)
            self.log = EventLog(self.folder / "events-main.ndjson")
            self._begin_events()
        except OSError as error:
            raise HarnessError(
                f"--reports {self.folder.parent}: no report can be written there",
                saw=str(error),
                try_="--reports with a folder that can be written to, on a disk with room",
            ) from error
        self._opened = time.monotonic()

    def _begin_events(self) -> None:
        settings = self.settings
        self.log.append(
            RunStarted(
                run=self.id,
                suite_version=__version__,
                target=settings.target,
                stack=settings.stack_text,
                provider=settings.provider or "",
                seed=self.identity.seed,
                faults=list(settings.fault),
                command=self.command,
                profile=settings.profile,
            )
        )

    def start(self) -> Environment:
        """
        Start or attach to the environment and tell the workers.

        Raises `UsageError` or `HarnessError`; a usage error leaves no report.
        """
        settings = self.settings
        try:
            if settings.environment is not None:
                environment = targets.attach(settings.environment, self.log)
            else:
                environment = targets.start(
                    settings.target,
                    target_options(settings, self.id),
                    self.log,
                    lifeline=not settings.keep,
                )
        except UsageError:
            self.abandon()
            raise
        self.environment = environment
        self.rendezvous.publish(environment)
        return environment

    def collect(self, collected: SuiteCollected) -> None:
        """Note what the run is about."""
        self._collected = collected
        self.log.append(collected)

    def lost(self, scenario: str, message: str) -> None:
        """A scenario whose worker died while it ran: trouble of ours."""
        self.log.append(
            ScenarioFinished(
                scenario=scenario,
                requirements=self._collected.scenarios[scenario] if self._collected else [],
                verdict=Verdict.ERROR,
                stage="",
                message=message,
                seconds=0.0,
                reproduce=self.settings.reproduce(scenario, self.identity.seed),
            )
        )

    def trouble(self, where: str, message: str) -> None:
        """Report trouble of ours outside of any scenario."""
        self.log.append(TroubleSeen(where=where, message=message))

    def abandon(self) -> None:
        """Leave no trace: the run was refused before it began."""
        self._opened = None
        self.log = EventLog(None)
        self.rendezvous.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def finish(self, *, signal: int | None = None) -> Report:
        """
        Stop what was started, write the reports and say how it ended.

        `signal` is the signal that interrupted the run, if one did.
        """
        if self._opened is None:
            raise HarnessError("a run is finished that was never opened")
        if self.environment is not None and signal is None:
            self._account_for(self.environment)
        self._tidy()
        if self.environment is not None and not self.outlives:
            try:
                targets.stop(self.environment, self.log)
            except HarnessError as error:
                self.trouble("stopping the environment", str(error))
        self.rendezvous.close()
        if self.settings.keep:
            self.ledger.keep()
            self._leave_running()
        else:
            log_balance(self.folder, self.log)
        verdict = judge(read_events(self.folder), running=True)
        code = verdict.exit_code if signal is None else 128 + signal
        self.log.append(
            RunFinished(
                exit_code=code,
                interrupted=signal is not None,
                seconds=time.monotonic() - self._opened,
            )
        )
        self.report = judge(read_events(self.folder))
        write_reports(self.report, self.folder)
        point_latest(self.folder)
        return self.report

    def _leave_running(self) -> None:
        """Nobody else will say where it is, and it runs until somebody ends it."""
        if self.environment is None:
            return
        env = str(write_env(self.environment)) if self.environment.emulated else ""
        self.log.append(EnvironmentKept(file=str(self.environment.file), env=env))

    def _account_for(self, environment: Environment) -> None:
        """A part that ended before its time may have taken promises with it, unnoticed."""
        if lost := targets.lost(environment):
            self.trouble("environment", lost)

    def _tidy(self) -> None:
        """
        Take away what the worlds could not, while there is a way to it.

        Most runs have nothing to do here; and what dies with its environment is left to it.
        """
        environment = self.environment
        if environment is None or self.settings.keep:
            return
        if environment.emulated and not self.outlives:
            return
        from conformance.sweep.sweeping import tidy  # noqa: PLC0415 - few runs need it

        try:
            tidy(self.ledger, environment)
        except HarnessError as error:
            self.trouble("tidying up", str(error))


def log_balance(folder: Path, log: EventLog) -> None:
    """
    Tell what the ledger of the run in `folder` says, world by world.

    Worlds whose emulated environment has gone went with it; their ledger is closed here.
    """
    ledger = Ledger.of_run(folder)
    for workspace, world in ledger.read().worlds.items():
        entry, book = world.entry, world.book
        left = world.left
        if left and entry.endpoint is not None and reach(Place.of(entry), [entry]) is None:
            ledger.destroyed(workspace, "environment")
            left = []
        log.append(
            LedgerBalance(
                world=entry.world,
                intended=book.intended,
                created=book.created,
                destroyed=book.destroyed if left else book.created,
                left=left,
            )
        )


def target_options(settings: Settings, run: str) -> targets.TargetOptions:
    """What the target gets to know of the settings."""
    return targets.TargetOptions(
        run=run,
        provider=settings.provider,
        faults=settings.fault,
        network=settings.network,
        nodes=settings.nodes,
        cluster=settings.cluster,
        region=settings.region,
        other_profile=settings.other_profile,
        allow=frozenset(Capability(name) for name in settings.allow),
        probe_image=settings.probe_image,
        behaviour=_behaviour(settings),
    )


def _behaviour(settings: Settings) -> Behaviour:
    if settings.agent_version is None:
        return Behaviour()
    return Behaviour(agent_version=settings.agent_version)
