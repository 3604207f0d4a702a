"""
`conformance` as a user has it: a process, what it says, its exit code, its report.

Nothing of the harness runs in the test's own process, so what is proved here holds for
a user too. The child gets an environment of its own: xdist's variables, or those of
whoever started the tests, are not part of what is tested.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.reports import Report
from conformance.requirements import Targets, catalogue
from conformance.run.options import new_run

ROOT = Path(__file__).parents[2]
LATER = {"agent.cache.rotated.local"}
"""Promised by a later release of the agent than the usual one."""
ALL_PASSED = {
    id_: ("skipped" if one.targets is Targets.REAL or id_ in LATER else "passed", "")
    for id_, one in catalogue().items()
}
"""The verdicts when every promise holds that can be seen where AWS is emulated."""
FILES = tuple(f"scenarios/test_{theme}.py" for theme in ("s3_read", "separation", "trust_policy"))
SLICE = (*FILES, "-k", "not cluster")
"""
Scenarios for tests that are about the command, not about Pod Identity; none makes a cluster.

The whole suite in each of them would be minutes; `tox -e order` and `tox -e mutants` do that.
"""
LONGEST_SECONDS = 600.0
"""No run of ours may take so long, however busy the machine is."""

Verdicts = dict[str, tuple[str, str]]
"""Requirement id to verdict and blamed stage."""


@dataclass(frozen=True)
class Ran:
    """A run that is over."""

    code: int
    said: str
    """Standard output and standard error as they came."""
    folder: Path
    """Its reports."""

    @property
    def report(self) -> Report:
        file = self.folder / "report.json"
        assert file.is_file(), f"no report, exit code {self.code}:\n{self.said}"
        return Report.model_validate_json(file.read_text(encoding="utf-8"))

    @property
    def verdicts(self) -> Verdicts:
        return {one.id: (one.verdict.value, one.stage) for one in self.report.requirements}

    @property
    def selected(self) -> Verdicts:
        """The verdicts of what this run was asked about."""
        return {id_: one for id_, one in self.verdicts.items() if one[0] != "not selected"}

    @property
    def all_passed(self) -> bool:
        """Of what was selected, which is something."""
        wanted = {id_: ALL_PASSED[id_] for id_ in self.selected}
        return bool(wanted) and self.selected == wanted

    @property
    def scenarios(self) -> dict[str, str]:
        """Scenario, without the folder it lies in, to verdict."""
        return {
            one.id.rpartition("scenarios/")[2]: one.verdict.value if one.verdict else "unfinished"
            for one in self.report.scenarios
        }


@dataclass(frozen=True)
class Begun:
    """A run on its way."""

    process: subprocess.Popen[bytes]
    output: Path
    folder: Path

    def end(self) -> Ran:
        """Wait for its end; one that does not come fails the test, with what was said."""
        try:
            code = self.process.wait(LONGEST_SECONDS)
        except subprocess.TimeoutExpired as error:
            self.process.terminate()
            self.process.wait(LONGEST_SECONDS)
            raise AssertionError(f"no end after {error.timeout} s:\n{self._said()}") from None
        return Ran(code, self._said(), self.folder)

    def _said(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")


class Command:
    """Starts processes in a folder that is theirs."""

    def __init__(self, folder: Path, **how: Any) -> None:
        self.folder = folder
        self._how = how

    def run(self, *arguments: str | Path, **variables: str) -> Ran:
        """`conformance run ARGUMENTS`, to its end."""
        with self.begin(*arguments, **variables) as begun:
            return begun.end()

    @contextmanager
    def begin(
        self, *arguments: str | Path, module: str = "conformance", **variables: str
    ) -> Iterator[Begun]:
        """`conformance run ARGUMENTS`, or with `module="pytest"` pytest; ended with the block."""
        run = new_run()
        output = self.folder / f"{run}.txt"
        words = ["run"] if module == "conformance" else ["-p", "no:cacheprovider"]
        words += [*map(str, arguments), "--run-id", run, "--reports", str(self.folder / "reports")]
        with output.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *words],
                cwd=self.folder if module == "conformance" else ROOT,
                env=surroundings(**variables),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                **self._how,
            )
        try:
            yield Begun(process, output, self.folder / "reports" / run)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(LONGEST_SECONDS)


def surroundings(**variables: str) -> Mapping[str, str]:
    """The environment of a child: where programs and folders are, and what a test adds."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return kept | variables
