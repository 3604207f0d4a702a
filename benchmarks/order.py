"""
Are the verdicts the same, however the suite is run?

    python -m benchmarks.order [--seed N] [--each scenario|file|none]

Whole runs with four workers and with none, with everything reversed and shuffled, files and
the scenarios in them; then each file alone, then each scenario alone. Every verdict is compared
with that of the first run.
Runs of the same environment may go on at once, for worlds never meet: that is part of what
is proved. `tox -e order`; minutes, so not part of `make test`.
"""

import argparse
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from conformance import targets
from conformance.environment import Environment
from conformance.events import EventLog
from conformance.mutants.proving import proving_scenarios
from conformance.reports import Report
from conformance.run.options import REVERSED, new_run
from conformance.run.settings import child_environment

Verdicts = dict[str, str]
"""Scenario to verdict."""


@dataclass(frozen=True)
class Way:
    """One way to run the suite, or a part of it."""

    name: str
    arguments: tuple[str, ...]


def verdicts(way: Way, folder: Path) -> Verdicts:
    """Run, and tell what became of each scenario; what never finished is `unfinished`."""
    run = new_run()
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "conformance", "run", *way.arguments),
            *("--run-id", run, "--reports", str(folder)),
        ],
        env=child_environment("embedded"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    report = folder / run / "report.json"
    if not report.is_file():
        return {f"{way.name}: no report": (ran.stdout + ran.stderr)[-500:]}
    told = Report.model_validate_json(report.read_text(encoding="utf-8"))
    trouble = {f"{way.name}: {one.where}": one.message for one in told.trouble}
    return trouble | {one.id: str(one.verdict or "unfinished") for one in told.scenarios}


def differences(wanted: Verdicts, seen: Verdicts, *, whole: bool) -> list[str]:
    """What one run says otherwise than another; a `whole` one has to say something of all."""
    lines = [
        f"{scenario}: {verdict}, not {wanted.get(scenario, 'there')}"
        for scenario, verdict in seen.items()
        if wanted.get(scenario) != verdict
    ]
    if whole:
        lines += [f"{scenario}: was not run" for scenario in wanted if scenario not in seen]
    return lines


def whole_ways(seed: int) -> list[Way]:
    """Each has an environment of its own."""
    return [
        Way("one process", ("-n", "0")),
        Way("four workers", ("-n", "4")),
        Way("reversed", ("-n", "0", "--order", REVERSED)),
        *(
            Way(f"{workers} workers, shuffled by {by}", ("-n", f"{workers}", "--order", f"{by}"))
            for workers, by in ((0, seed), (4, seed + 1))
        ),
    ]


@contextlib.contextmanager
def environment() -> Iterator[Environment]:
    log = EventLog(None)
    started = targets.start("embedded", targets.TargetOptions(run=new_run()), log)
    try:
        yield started
    finally:
        targets.stop(started, log)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=random.getrandbits(16))
    parser.add_argument("--each", choices=("scenario", "file", "none"), default="scenario")
    given = parser.parse_args()
    console = Console()
    scenarios = sorted({id_ for ids in proving_scenarios().values() for id_ in ids})
    files = sorted({id_.partition("::")[0] for id_ in scenarios})
    wrong = 0

    def told(way: Way, found: list[str], count: int, began: float) -> None:
        nonlocal wrong
        wrong += len(found)
        seconds = time.monotonic() - began
        said = f"{len(found)} differ" if found else "the same"
        console.print(f"{way.name}: {count} scenarios, {said}, {seconds:.0f} s", highlight=False)
        for line in found:
            console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)

    with tempfile.TemporaryDirectory(prefix="conformance-order-") as name:
        folder = Path(name)
        wanted: Verdicts = {}
        for way in whole_ways(given.seed):
            began = time.monotonic()
            seen = verdicts(way, folder)
            wanted = wanted or seen
            told(way, differences(wanted, seen, whole=True), len(seen), began)
        alone = {"scenario": [*files, *scenarios], "file": files, "none": []}[given.each]
        if alone:
            began = time.monotonic()
            with environment() as there, ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
                at = ("-n", "0", "--environment", str(there.file))
                ways = [Way(one, (one, *at)) for one in alone]
                seen_alone = pool.map(lambda way: verdicts(way, folder), ways)
                found = [
                    line
                    for way, seen in zip(ways, seen_alone, strict=True)
                    for line in differences(wanted, seen, whole=False) or _missing(way, seen)
                ]
            told(Way("each alone", ()), found, len(alone), began)
    return int(wrong > 0)


def _missing(way: Way, seen: Verdicts) -> list[str]:
    return [] if seen else [f"{way.name}: nothing was run"]


if __name__ == "__main__":
    sys.exit(main())
