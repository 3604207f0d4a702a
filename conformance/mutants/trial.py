"""
What becomes of a mutant when the suite meets it.

Asked first are only the scenarios that prove the broken promise, which takes seconds. If
they stay green the whole suite is run, so that the table can say who noticed instead, or
that nobody did. An error is no kill: it says that something went wrong, not what was
promised.
"""

import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

from conformance.errors import HarnessError
from conformance.mutants.model import Mutant
from conformance.mutants.patching import broken_copy
from conformance.mutants.proving import Proving
from conformance.reports import Report, RequirementVerdict
from conformance.requirements import catalogue
from conformance.run.options import new_run
from conformance.run.settings import child_environment

LONGEST_SECONDS = 600.0
"""Bound for one run of the suite: a mutant may make everybody wait."""
INTERRUPT_SECONDS = 30.0
SHOWN = 2000


class Fate(StrEnum):
    """What became of a mutant; only the first is good."""

    KILLED = "killed"
    """The requirement that names the broken promise failed."""
    MISPLACED = "killed at another stage"
    """It failed, and blamed another stage than the mutant says."""
    ELSEWHERE = "killed by another"
    """It did not, and another one failed."""
    SURVIVED = "survived"
    """Every requirement passed."""
    TROUBLE = "trouble"
    """The suite did not come to a verdict."""


@dataclass(frozen=True)
class Trial:
    """One row of the kill table."""

    name: str
    part: str
    broken: str
    fate: Fate
    stage: str
    """That the failed requirement blames; empty when it did not fail."""
    named: str
    """The one that the mutant names, or else its requirement."""
    others: tuple[str, ...]
    """Other requirements that failed, of those that were asked."""
    seconds: float
    message: str
    """What there is to know when it was not killed; empty otherwise."""

    @property
    def good(self) -> bool:
        return self.fate is Fate.KILLED

    @property
    def blames_another(self) -> bool:
        """Whether the stage that is blamed is not the one that is named."""
        return self.stage not in ("", self.named)


_DECIDED = (RequirementVerdict.PASSED, RequirementVerdict.FAILED)

RunSuite = Callable[[Path, Sequence[str]], Report]
"""Runs the suite in a folder, whole or only some scenarios."""


class Stopped(Exception):  # noqa: N818 - what happened, not a mistake
    """The runs were told to stop."""


class Runs:
    """`conformance run`, several at a time; `stop` ends them all in their own orderly way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def __call__(self, root: Path, arguments: Sequence[str]) -> Report:
        """
        The report of a run in `root`, whose package it uses, on an environment of its own.

        Raises `HarnessError` when there is no report, `Stopped` after `stop`.
        """
        run, output = new_run(), root / "output.txt"
        with output.open("wb") as file:
            process = self._start(root, [*arguments, "-n", "0", "--run-id", run], file.fileno())
            try:
                process.wait(LONGEST_SECONDS)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)
                _await_end(process)
                raise HarnessError(
                    f"the run did not end within {LONGEST_SECONDS:g} s", saw=_tail(output)
                ) from None
            finally:
                with self._lock:
                    self._under_way.discard(process)
        if self._stopped:
            raise Stopped
        report = root / "reports" / run / "report.json"
        if not report.is_file():
            raise HarnessError(
                f"the run ended with {process.returncode} and no report", saw=_tail(output)
            )
        return Report.model_validate_json(report.read_text(encoding="utf-8"))

    def stop(self) -> None:
        """Interrupt what runs, as Ctrl-C would, and wait for it; nothing is started after."""
        with self._lock:
            self._stopped = True
            running = list(self._under_way)
        for process in running:
            process.send_signal(signal.SIGINT)
        for process in running:
            _await_end(process)

    def _start(
        self, root: Path, arguments: Sequence[str], output: int
    ) -> "subprocess.Popen[bytes]":
        with self._lock:
            if self._stopped:
                raise Stopped
            process = subprocess.Popen(
                # The folder comes first on Python's path: see `patching`.
                [sys.executable, "-m", "conformance", "run", *arguments],
                cwd=root,
                env=_surroundings(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Ctrl-C in a terminal must not reach it twice.
                start_new_session=True,
            )
            self._under_way.add(process)
            return process


def _await_end(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(INTERRUPT_SECONDS)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait()


def _surroundings() -> dict[str, str]:
    variables = child_environment("embedded")
    # With either of them the copy would not be found first.
    for name in ("PYTHONSAFEPATH", "PYTHONPATH"):
        variables.pop(name, None)
    return variables


def _tail(output: Path) -> str:
    return output.read_text(encoding="utf-8", errors="replace")[-SHOWN:].strip()


def attempt(
    mutant: Mutant, proving: Proving, run: RunSuite, *, whole: bool = False, keep: Path | None
) -> Trial:
    """
    Run the suite against one mutant.

    `whole` asks the whole suite at once; `keep` is a folder for the reports of a mutant
    that was not killed.
    """
    began = time.monotonic()
    stages: dict[str, str] = {}
    try:
        with broken_copy(mutant) as root:
            try:
                stages = _asked(mutant, proving, partial(run, root), whole=whole)
                fate, message = _fate(mutant, stages)
            except HarnessError as error:
                fate, message = Fate.TROUBLE, str(error)
            if fate is not Fate.KILLED and keep is not None and (root / "reports").is_dir():
                shutil.rmtree(keep / mutant.name, ignore_errors=True)
                shutil.copytree(root / "reports", keep / mutant.name, symlinks=True)
                message += f"\nreport: {keep / mutant.name}"
    except (HarnessError, SyntaxError) as error:
        fate, message = Fate.TROUBLE, str(error)
    return Trial(
        name=mutant.name,
        part=mutant.part,
        broken=mutant.broken,
        fate=fate,
        stage=stages.get(mutant.broken, ""),
        named=_named(mutant),
        others=tuple(id_ for id_ in stages if id_ != mutant.broken),
        seconds=round(time.monotonic() - began, 1),
        message=message,
    )


def _asked(
    mutant: Mutant, proving: Proving, run: Callable[[Sequence[str]], Report], *, whole: bool
) -> dict[str, str]:
    stages: dict[str, str] = {}
    if not whole:
        stages = _red(run([*proving[mutant.broken], *mutant.options]), mutant.broken)
    return stages if mutant.broken in stages else _red(run(mutant.options), mutant.broken)


def _red(report: Report, broken: str) -> dict[str, str]:
    """
    Failed requirements, each with the stage that it blames.

    Raises `HarnessError` when `broken` has no verdict, or something went wrong outside of
    any scenario.
    """
    if report.trouble:
        raise HarnessError(report.trouble[0].where, saw=report.trouble[0].message[:SHOWN])
    told = {one.id: one for one in report.requirements}
    if told[broken].verdict not in _DECIDED:
        raise HarnessError(f"{broken}: {told[broken].verdict}", saw=told[broken].reason[-SHOWN:])
    return {id_: one.stage for id_, one in told.items() if one.verdict is RequirementVerdict.FAILED}


def _named(mutant: Mutant) -> str:
    return mutant.stage or str(catalogue()[mutant.broken].stage)


def _fate(mutant: Mutant, stages: dict[str, str]) -> tuple[Fate, str]:
    if mutant.broken in stages:
        blamed = stages[mutant.broken]
        if mutant.stage and blamed != mutant.stage:
            return Fate.MISPLACED, f"{mutant.because}: noticed at {blamed}, not at {mutant.stage}"
        return Fate.KILLED, ""
    if stages:
        return Fate.ELSEWHERE, f"{mutant.because}: noticed, but not by {mutant.broken}"
    return Fate.SURVIVED, f"{mutant.because}: no scenario notices"
