"""A suite of two files in a folder of its own, on a target that is only pretended."""

from pathlib import Path
from typing import Any

import pytest

from conformance import targets
from conformance.events import Event, ScenarioFinished, read_events
from conformance.reports import Report
from conformance.run import process

PRETENDED = """
import os, shutil, tempfile
from contextlib import contextmanager
from pathlib import Path
import conformance.run.process, conformance.targets
from conformance.environment import Aws, Capability, Cluster, Environment
from conformance.errors import HarnessError
from conformance.events import EvidenceSeen
from conformance.requirements import Level, Requirement, Targets
from conformance.stages import Stage

HERE = Path(__file__).parent
SECRET = "pretended-secret-key-0123456789"

def mark(name, text="x"):
    with (HERE / name).open("a") as file:
        file.write(text)

class Target:
    DESCRIPTION = "pretended"
    def start(self, options, log, *, lifeline):
        if (HERE / "target-is-broken").exists():
            raise HarnessError("AWS process: no answer", saw="exit code 1")
        mark("starts")
        folder = Path(tempfile.mkdtemp(prefix="environment-", dir=HERE))
        with log.step("environment", "pretended AWS"):
            environment = Environment(
                target="embedded", folder=folder, network="loopback", probe_image="probe",
                aws=Aws(region="r", account_id="1", endpoint="http://127.0.0.1:1",
                        access_key_id="A", secret_access_key=SECRET),
                cluster=Cluster(name="c", arn="arn", kubeconfig=folder / "kubeconfig", context="c"),
                capabilities=frozenset({Capability.RECORDS}), provider="embedded",
                parts={"agent": "0.1.37"},
                admin_socket=folder / "aws.sock" if (HERE / "aws-is-emulated").exists() else None)
        environment.write()
        return environment
    def lost(self, environment):
        return "emulated AWS has ended" if (HERE / "aws-has-ended").exists() else ""
    def stop(self, environment, log):
        mark("stops")
        shutil.rmtree(environment.folder)

class World:
    scenario = ""
    def __init__(self, log): self.log = log
    def look(self, outcome, stage):
        evidence = {"outcome": outcome, "stage": stage}
        self.log.append(
            EvidenceSeen(scenario=self.scenario, subject="shop/reader", evidence=evidence))

@contextmanager
def open_world(spec, *, environment, run, key, stack, folder, log, keep):
    with log.step("terraform", f"apply {key}"):
        pass
    try:
        yield World(log)
    finally:
        mark("closed-worlds", key + "\\n")

def requirement(id_, level):
    return Requirement(id=id_, title=f"{id_} holds", level=level, promise="p", rationale="r",
                       source="s", stage=Stage.IAM, since="1", targets=Targets.ALL,
                       aws_validated="never")

CATALOGUE = {r.id: r for r in (requirement("a.one", Level.CORE), requirement("a.two", Level.CORE),
             requirement("b.three", Level.EXTENDED), requirement("b.four", Level.PROVISIONAL))}
conformance.targets.TARGETS["embedded"] = Target()
conformance.run.process.open_world = open_world
conformance.run.process.catalogue = lambda: CATALOGUE
"""

HEAD = """
import os, signal, threading, pytest
from conformance.errors import HarnessError
from conformance.probes.evidence import PromiseBroken
from conformance.spec import Spec
from conformance.stages import Stage
SPEC = Spec()
"""


LEFT_OUT = ("cacheprovider", "hypothesispytest", "pytest-kind")
"""As in run/suite.ini: plugins that are of no use there and take time to load."""
BOUND = 120.0
"""No run of a child may take so many seconds: one that waits for ever fails its test."""


class Suite:
    """The folder, and one run in it."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path = pytester.path
        pytester.makeconftest(PRETENDED)
        self.write("known_divergences.toml", "")

    def write(self, name: str, text: str) -> None:
        path = self.path / "scenarios" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def scenarios(self, **files: str) -> None:
        """Each file's text after a head that imports what scenarios use."""
        for name, text in files.items():
            self.write(f"test_{name}.py", HEAD + text)

    def run(self, *arguments: str, child: bool = False) -> pytest.RunResult:
        words = ("scenarios", *(word for name in LEFT_OUT for word in ("-p", f"no:{name}")))
        words += ("--import-mode=importlib", *arguments)
        if child:
            return self.pytester.runpytest_subprocess(*words, timeout=BOUND)
        return self.pytester.runpytest_inprocess(*words)

    @property
    def latest(self) -> Path:
        return self.path / "reports" / "latest"

    @property
    def report(self) -> Report:
        return Report.model_validate_json((self.latest / "report.json").read_text("utf-8"))

    @property
    def events(self) -> list[Event]:
        return read_events(self.latest)

    @property
    def verdicts(self) -> dict[str, Any]:
        return {
            event.scenario.partition("::")[2]: event.verdict.value
            for event in self.events
            if isinstance(event, ScenarioFinished)
        }

    @property
    def requirements(self) -> dict[str, str]:
        return {one.id: one.verdict.value for one in self.report.requirements}

    def count(self, mark: str) -> int:
        """How often the pretended target was started or stopped."""
        file = self.path / mark
        return len(file.read_text("utf-8")) if file.exists() else 0


PASSING = """
@pytest.mark.proves("a.one")
def test_one(world): world.look("granted", "service")

@pytest.mark.proves("b.three", "b.four")
def test_three(world): world.look("denied", "iam")
"""
PASSING_TOO = """
@pytest.mark.proves("a.two")
def test_two(world): world.look("denied", "iam")
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Suite:
    # The pretended parts are put in place by the suite's own conftest, so that xdist's
    # workers have them too; setting what is there already has monkeypatch restore it.
    for part in ("open_world", "catalogue"):
        monkeypatch.setattr(process, part, getattr(process, part))
    monkeypatch.setitem(targets.TARGETS, "embedded", targets.TARGETS["embedded"])
    return Suite(pytester)


@pytest.fixture
def good(suite: Suite) -> Suite:
    """A suite in which every promise is kept."""
    suite.scenarios(first=PASSING, second=PASSING_TOO)
    return suite
