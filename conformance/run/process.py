"""
One process of a pytest session that runs scenarios.

A worker of xdist is this and no more; the owner of the run (`run.owner`) is also the
only process where there is no xdist. What `plugin` decides is decided here, without a
hook in sight, and none of it is imported before a scenario was seen.
"""

import os
import select
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from conformance.errors import HarnessError
from conformance.events import EventLog, SuiteCollected
from conformance.requirements import catalogue
from conformance.run.options import Identity
from conformance.run.order import arranged
from conformance.run.rendezvous import Rendezvous
from conformance.run.scenarios import Scenarios
from conformance.run.selection import check_left_out, selection_of
from conformance.run.settings import Settings
from conformance.targets.own import OwnEnvironment, own_environment
from conformance.terraform.backend import VARIABLE as BACKEND_VARIABLE
from conformance.terraform.finding import VARIABLE as ENGINE_VARIABLE
from conformance.world import World, open_world


class Process:
    """Made when the first scenario is seen; see the module."""

    def __init__(self, identity: Identity, given: Mapping[str, Any]) -> None:
        self.identity = identity
        self.rendezvous = Rendezvous(identity.run)
        self.interrupted_by: int | None = None
        self._given = given
        if engine := given.get("engine"):
            # Also for what this process starts: one run, one engine.
            os.environ[ENGINE_VARIABLE] = engine
        if backend := given.get("backend_config"):
            os.environ[BACKEND_VARIABLE] = str(Path(backend).absolute())
        self._scenarios: Scenarios | None = None
        self.trouble: HarnessError | None = None
        self.own_log: EventLog | None = None
        self._handlers: dict[signal.Signals, Any] = {}

    @property
    def settings(self) -> Settings:
        """Raises `UsageError` for options that cannot be."""
        return Settings.of(self._given)

    # --- collecting

    def collect(
        self, items: Sequence[pytest.Item], *, among: Sequence[pytest.Item], config: pytest.Config
    ) -> list[pytest.Item]:
        """Look at the scenarios `among` all items; returns those that the profile leaves out."""
        try:
            check_left_out(config, among)
            self._scenarios = Scenarios(self.settings, catalogue())
            return self._scenarios.collect(items)
        except HarnessError as error:
            # Here it would become an internal error of pytest; `collected` says it in order.
            self.trouble = error
            return []

    def arrange(self, items: list[pytest.Item]) -> None:
        """Put them into the order that was asked for; see `run.order`."""
        if self.trouble is None:
            items[:] = arranged(items, self.settings.order)

    def collected(self, items: Sequence[pytest.Item], config: pytest.Config) -> None:
        """Selecting is over."""
        told: SuiteCollected | HarnessError | None = self.trouble
        if self._scenarios is not None and told is None:
            selection = selection_of(config, self._scenarios.suites)
            told = self._scenarios.collected(items, selection=selection)
        if told is None:
            return
        self.tell(told)

    def tell(self, collected: SuiteCollected | HarnessError) -> None:
        """Let the owner know what there is to do, or why it cannot be done."""
        self.listen(self._interrupt_once)
        # What a killed owner had started is gone, and so is all there was to tidy up;
        # on a real account xdist's own, slower way leaves Terraform some time.
        watch_owner(os.getppid(), self.rendezvous, end=self.settings.target == "embedded")
        self.rendezvous.claim()
        self.rendezvous.tell(collected)

    def listen(self, handler: Callable[[int, FrameType | None], None]) -> None:
        """Have signals handled until `end`."""
        # SIGHUP: the terminal has been closed.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._handlers.setdefault(number, signal.signal(number, handler))

    def end(self) -> None:
        """The session is over."""
        self.rendezvous.release()
        for number, before in self._handlers.items():
            signal.signal(number, before)

    def _interrupt_once(self, number: int, frame: FrameType | None) -> None:
        """For workers, which a terminal's Ctrl-C and the owner both interrupt."""
        del frame
        if self.interrupted_by is None:
            self.interrupted_by = number
            raise KeyboardInterrupt

    # --- running scenarios

    def set_up(self, nodeid: str) -> str | None:
        """A test's setup begins; returns why it must be skipped, if it must."""
        if self._scenarios is None:
            return None
        self._scenarios.begin(nodeid, self.log)
        self.rendezvous.hold()
        if not self._scenarios.has_environment:
            self._scenarios.use(self.rendezvous.environment())
        return self._scenarios.why_not(nodeid)

    def phase(
        self, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport
    ) -> None:
        """One phase of a test is over."""
        if self._scenarios is None:
            return
        self._scenarios.phase(item, call.excinfo, report)
        if call.when == "teardown":
            finished = self._scenarios.end(item.nodeid, seed=self.identity.seed)
            if finished is not None:
                self.log.append(finished)

    def sharing(self, request: pytest.FixtureRequest) -> AbstractContextManager[None]:
        """A fixture is made that a file's scenarios share."""
        if self._scenarios is None:
            return nullcontext()
        name = request.fixturename or ""
        fixture = f"{request.node.nodeid}::{name}"
        if hasattr(request, "param"):
            # It is made for each parameter.
            fixture += f"[{getattr(request, 'param_index', 0)}]"
        return self._scenarios.filing.sharing(name, fixture, self.log)

    @contextmanager
    def world(self, request: pytest.FixtureRequest) -> Iterator[World]:
        """
        What the module's `SPEC` became; raises `HarnessError` when it has none.

        It is made on the run's environment, or on one of its own where the module has `OWN`;
        that one ends with it, whatever `--keep` says.
        """
        spec = getattr(request.module, "SPEC", None)
        if spec is None or self._scenarios is None:
            raise HarnessError(
                f"{request.node.nodeid} asks for a world and says not what is in it",
                try_="SPEC = Spec(...) in the module",
            )
        wanted: OwnEnvironment | None = getattr(request.module, "OWN", None)
        run = self.identity.run
        with ExitStack() as stack:
            environment = self.rendezvous.environment()
            more: dict[str, bool] = {}
            if wanted is not None:
                environment = stack.enter_context(
                    own_environment(wanted, beside=environment, run=run, log=self.log)
                )
                more["own"] = True
            world = stack.enter_context(
                open_world(
                    spec,
                    environment=environment,
                    run=run,
                    # With --dist load, two workers may need the same file's world.
                    key=f"{request.path.stem}-{self.identity.worker}",
                    stack=self.settings.stack_text,
                    folder=self.identity.folder,
                    log=self.log,
                    keep=self.settings.keep,
                    **more,
                )
            )
            stack.enter_context(self._scenarios.looking_through(world, environment))
            yield world

    @property
    def log(self) -> EventLog:
        """Where this process writes its events; nothing is made before the first."""
        if self.own_log is None:
            file = self.identity.folder / f"events-{self.identity.worker}.ndjson"
            self.own_log = EventLog(file, worker=self.identity.worker)
        return self.own_log


def watch_owner(pid: int, rendezvous: Rendezvous, *, end: bool) -> None:
    """When that process is gone, remove what it cannot any more, and with `end` end at once."""
    process = os.pidfd_open(pid)

    def watch() -> None:
        select.select([process], [], [])
        rendezvous.close()
        if end:
            os._exit(128 + signal.SIGKILL)

    threading.Thread(target=watch, name="owner", daemon=True).start()
