"""
A run that is interrupted, terminated or killed leaves nothing on the machine.

Looked at from outside while the chain is real: the folder for temporary files, which is
the run's alone here, and the processes that the run started, or that know that folder.
With them go its network namespaces, for none of them is held by a name (ip-netns(8)).
Where it happens is told by the run's events, not by a clock.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import pytest

from conformance.events import Event, ScenarioFinished, StepStarted, read_events
from conformance.terraform.ledger import Ledger
from tests.endtoend.command import LONGEST_SECONDS, Begun, Command

FILES = ("scenarios/test_s3_read.py", "scenarios/test_trust_policy.py")
GONE_SECONDS = 3.0
"""After a kill; what is promised, on a machine that has time for us."""
PATIENCE_SECONDS = 30.0
"""After a kill, on one that has not: a bound for the test, not for the promise."""
LOOK_SECONDS = 0.05

Place = Callable[[Event], bool]


def _applies_cluster(event: Event) -> bool:
    return isinstance(event, StepStarted) and event.step.startswith("cluster ")


def _applies_world(event: Event) -> bool:
    return isinstance(event, StepStarted) and event.what == "terraform"


def _runs_pods(event: Event) -> bool:
    return isinstance(event, ScenarioFinished)


PLACES = {
    "while the cluster is applied": _applies_cluster,
    "while a world is applied": _applies_world,
    "while pods run": _runs_pods,
}


class Watched:
    """A run that has come to a place, and what it had made by then."""

    def __init__(self, begun: Begun, temporary: Path, place: Place) -> None:
        self.begun = begun
        self.temporary = temporary
        self.command = psutil.Process(begun.process.pid)
        self.seen: set[psutil.Process] = set()
        until = time.monotonic() + LONGEST_SECONDS
        while not any(place(event) for event in self._events()):
            assert begun.process.poll() is None, "the run was over before it came there"
            assert time.monotonic() < until
            time.sleep(LOOK_SECONDS)
            self.seen.update(self.command.children(recursive=True))
        self.seen.update(self.command.children(recursive=True))

    def _events(self) -> list[Event]:
        return read_events(self.begun.folder) if self.begun.folder.is_dir() else []

    @property
    def workers(self) -> list[psutil.Process]:
        """Of xdist, in the order in which they were started."""
        (owner,) = self.command.children()
        return [
            each
            for each in owner.children()
            if any("sys.stdin.readline" in word for word in each.cmdline())
        ]

    def left(self) -> list[str]:
        """What of the run is there still."""
        ours = self.seen | {each for each in psutil.process_iter() if self._knows_folder(each)}
        there = [f"process {each.pid}" for each in ours if _lives(each)]
        return there + [f"folder {path}" for path in self.temporary.iterdir()]

    def _knows_folder(self, process: psutil.Process) -> bool:
        try:
            return bool(process.environ().get("TMPDIR") == str(self.temporary))
        except psutil.Error:
            return False  # It has ended, or is somebody else's.

    def wait_until_gone(self) -> float:
        """Seconds that it took; fails with what is left."""
        began = time.monotonic()
        while left := self.left():
            assert time.monotonic() < began + PATIENCE_SECONDS, left
            time.sleep(LOOK_SECONDS)
        return time.monotonic() - began


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def temporary() -> Iterator[Path]:
    # Short, because paths of Unix sockets are.
    with TemporaryDirectory(prefix="days-") as folder:
        yield Path(folder)


@pytest.fixture
def begin(command: Command, temporary: Path) -> Any:
    def starting(*arguments: str) -> Any:
        return command.begin(*FILES, *arguments, "--nodes", "1", TMPDIR=str(temporary))

    return starting


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_run_takes_all_away_and_reports(
    begin: Any, temporary: Path, place: str, number: signal.Signals, code: int
) -> None:
    with begin("-n", "2") as begun:
        watched = Watched(begun, temporary, PLACES[place])
        begun.process.send_signal(number)
        ran = begun.end()
    assert watched.left() == []
    assert (ran.code, ran.report.exit_code) == (code, code), ran.said
    assert Ledger.of_run(ran.folder).left() == []
    assert "Interrupted after" in ran.said


@pytest.mark.parametrize("place", PLACES)
def test_killed_run_is_gone_with_everything_it_started(
    begin: Any, temporary: Path, place: str
) -> None:
    with begin("-n", "2") as begun:
        watched = Watched(begun, temporary, PLACES[place])
        begun.process.kill()
        seconds = watched.wait_until_gone()
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    # On a machine with more to do than it can, everything takes as much longer.
    assert seconds < GONE_SECONDS * max(1.0, load)


def test_killed_worker_costs_its_scenario_and_leaves_no_folder(begin: Any, temporary: Path) -> None:
    with begin("-n", "2") as begun:
        watched = Watched(begun, temporary, _applies_world)
        watched.workers[0].kill()
        ran = begun.end()
    assert watched.left() == []
    assert ran.code == 3, ran.said
    verdicts = list(ran.scenarios.values())
    assert (verdicts.count("error"), set(verdicts)) == (1, {"error", "passed"}), ran.said
