"""
The only module that speaks pytest's hooks.

It is installed into every pytest of an environment that has the suite, so until a
scenario was seen it does nothing and imports nothing. The trap is xdist: its
controller collects nothing, its workers come and go, and a fixture of session scope
is made once per worker. So the environment belongs to the controller, which starts
it when the first worker has told that it found scenarios, before any is scheduled.
"""

from __future__ import annotations

import contextlib
import gc
import os
import random
import shutil
import signal
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from conformance.errors import HarnessError
from conformance.run.options import OPTIONS, Identity, new_run, rendezvous_folder
from conformance.run.suite import suite_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from conformance.environment import Environment
    from conformance.run.owner import Owner
    from conformance.run.process import Process
    from conformance.world import World

_KINDS: dict[str, dict[str, Any]] = {
    "text": {"default": None},
    "path": {"default": None, "type": Path},
    "number": {"default": None, "type": int},
    "flag": {"action": "store_true"},
    "many": {"action": "append"},
}

_STATUS = {"failed": ("failed", "F", "FAILED"), "error": ("error", "E", "ERROR")}
"""How pytest shows a verdict that it would show otherwise: setup, or trouble in a call."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance", "EKS Pod Identity conformance")
    for option in OPTIONS:
        group.addoption(option.flag, dest=option.dest, help=option.help, **_KINDS[option.kind])


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "proves(*requirements, needs=()): the requirements that this scenario proves, "
        "and the capabilities without which it is skipped",
    )
    if not config.getoption("collectonly", False):
        config.pluginmanager.register(Hooks(config), Hooks.NAME)


def _may_be_scenario(item: pytest.Item) -> bool:
    """True for an item that `run.marked.scenario_of` has to look at; costs no import."""
    if item.get_closest_marker("proves"):
        return True
    module = getattr(item, "module", None)
    return "world" in getattr(item, "fixturenames", ()) and hasattr(module, "SPEC")


class Hooks:
    """One process of a pytest session; `process` is None until a scenario was seen."""

    NAME = "conformance-run"

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.process: Process | None = None
        self.owner: Owner | None = None
        told: dict[str, Any] = getattr(config, "workerinput", {})
        self._is_worker = bool(told)
        self._worker_pids: list[int] = []
        self._broken_files: dict[str, str] = {}
        seed = config.getoption("conformance_seed")
        self._identity = Identity(
            run=told.get("conformance_run") or config.getoption("conformance_run_id") or new_run(),
            seed=told.get("conformance_seed", random.getrandbits(32) if seed is None else seed),
            worker=told.get("workerid", "main"),
            reports=config.invocation_params.dir
            / (config.getoption("conformance_reports") or "reports"),
            arguments=tuple(map(str, config.invocation_params.args)),
        )

    def wake(self) -> Process:
        """From now on this process takes part in a run."""
        if self.process is not None:
            return self.process
        given = {option.field: self.config.getoption(option.dest) for option in OPTIONS}
        if self._is_worker:
            from conformance.run.process import Process  # noqa: PLC0415 - see the module

            self.process = Process(self._identity, given)
        else:
            from conformance.run.owner import Owner  # noqa: PLC0415 - see the module

            self.process = self.owner = Owner(self._identity, given)
        # What is imported by now stays. pytest ends with five looks for garbage in it.
        gc.freeze()
        return self.process

    # --- collecting

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        # First, so that what -k leaves out is known as left out.
        found = [item for item in items if _may_be_scenario(item)]
        outside = self.wake().collect(found, among=items, config=self.config) if found else []
        if outside:
            self.config.hook.pytest_deselected(items=outside)
            items[:] = [item for item in items if item not in outside]
        if self.process is not None:
            self.process.arrange(items)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        # First, so that the controller hears of it before xdist says that we are done.
        if self.process is not None:
            self.process.collected(session.items, self.config)

    def pytest_exception_interact(
        self,
        node: pytest.Item | pytest.Collector,
        call: pytest.CallInfo[object],
        report: pytest.CollectReport | pytest.TestReport,
    ) -> None:
        # Where the exception still is one; from a worker only the text of the report arrives.
        suite = suite_of(node.path)
        if suite and call.excinfo and isinstance(report, pytest.CollectReport):
            from conformance.run.broken import words_of  # noqa: PLC0415 - see the module

            words = words_of(call.excinfo.value, suite=suite, file=node.path)
            report.longrepr = words or report.longrepr

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        file = self.config.rootpath / report.nodeid.partition("::")[0]
        if report.failed and suite_of(file) is not None:
            # xdist goes on when one file is broken; without it the verdicts must be the same.
            self.config.option.continue_on_collection_errors = True
            # Once, though every worker collects every file.
            self._broken_files.setdefault(report.nodeid, report.longreprtext)

    # --- xdist's controller

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput["conformance_run"] = self._identity.run
        node.workerinput["conformance_seed"] = self._identity.seed

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        if config.getoption("dist") != "loadscope" or not self._asked_for_a_suite():
            return None
        from conformance.run.scheduling import Scheduling  # noqa: PLC0415 - imports xdist

        # There are scenarios, so this will be needed; and while workers collect there is time.
        import_module("conformance.run.owner")
        try:
            return Scheduling(config, log)
        except HarnessError as error:
            self.wake()
            if self.owner is not None:
                self.owner.refuse(error)
            raise

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_newgateway(self, gateway: Any) -> None:
        # xdist's own reporter asks the gateway in the same way.
        self._worker_pids.append(gateway._rinfo().pid)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self) -> None:
        if self.process is None and rendezvous_folder(self._identity.run).is_dir():
            self.wake()
            if self.owner is not None:
                self.owner.hear()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        owner = self.owner
        if error and owner and owner.run and owner.interrupted_by is None:
            owner.run.trouble(f"worker {node.gateway.id}", f"the worker died: {error}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # xdist reports a test whose worker died while it ran in a phase named "???".
        if self.owner and self.owner.run and cast("str", report.when) == "???":
            self.owner.run.lost(report.nodeid, report.longreprtext)

    def _asked_for_a_suite(self) -> bool:
        folder = self.config.invocation_params.dir
        places = (folder / argument.partition("::")[0] for argument in self.config.args)
        return any(suite_of(place / "any") is not None for place in places)

    # --- running

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        why_not = self.process.set_up(item.nodeid) if self.process else None
        if why_not:
            pytest.skip(why_not)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        if self.process is None or fixturedef.scope in ("function", "session"):
            return (yield)
        with self.process.sharing(request):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if self.process is not None:
            self.process.phase(item, call, report)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(
        self, report: pytest.CollectReport | pytest.TestReport
    ) -> tuple[str, str, str] | None:
        return _STATUS.get(report.__dict__.get("conformance_verdict", ""))

    # --- ending

    def pytest_keyboard_interrupt(self) -> None:
        # Called for `pytest.exit` too; xdist alone would let idle workers wait for 5 s.
        if self.owner is None or (self.owner.interrupted_by is None and not self.owner.trouble):
            return
        for pid in self._worker_pids:
            with contextlib.suppress(ProcessLookupError):  # It died already, or was replaced.
                os.kill(pid, signal.SIGINT)

    def pytest_internalerror(self, excrepr: object) -> None:
        if self.owner and self.owner.run:
            with contextlib.suppress(OSError):  # A full disk: `finish` says so.
                self.owner.run.trouble("pytest", str(excrepr))

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        # Innermost: what is inside ends workers and fixtures, what is outside prints.
        try:
            if self.owner and self._worker_pids:
                self.owner.wait_for_workers()
            yield
        finally:
            if self._broken_files and not self._is_worker:
                self.wake()
            if self.owner is not None:
                code = self.owner.finish(self._broken_files)
                session.exitstatus = session.exitstatus if code is None else code
            if self.process is not None:
                self.process.end()
            elif self._worker_pids:
                # Interrupted while the workers collected: one may have been that far.
                shutil.rmtree(rendezvous_folder(self._identity.run), ignore_errors=True)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        run = self.owner.run if self.owner else None
        if run is None or run.report is None:
            if self.owner and self.owner.trouble:
                terminalreporter.write_line(f"error: {self.owner.trouble}")
            return
        from conformance.reports.as_text import as_text  # noqa: PLC0415 - see the module

        terminalreporter.write_sep("=", "EKS Pod Identity conformance")
        terminalreporter.write_line(as_text(run.report).strip("\n"))
        terminalreporter.write_line(f"report: {run.folder / 'report.html'}")


def _process(config: pytest.Config) -> Process:
    return cast("Hooks", config.pluginmanager.getplugin(Hooks.NAME)).wake()


@pytest.fixture(scope="session")
def environment(pytestconfig: pytest.Config) -> Environment:
    """The running target; the same for every worker."""
    return _process(pytestconfig).rendezvous.environment()


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """What the module's `SPEC` became on the target; shared by the module's scenarios."""
    with _process(request.config).world(request) as opened:
        yield opened
