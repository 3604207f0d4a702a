"""`conformance mutants`: does the suite notice every broken cluster that we can build?"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from conformance.cli.consoles import console_of
from conformance.mutants import MUTANTS, Mutant, mutants_with
from conformance.mutants.faults import attempt_fault, expectations
from conformance.mutants.proving import proving_scenarios
from conformance.mutants.table import as_json, headline, line, table
from conformance.mutants.trial import Runs, Trial, attempt

KEPT = Path("reports") / "mutants"


def mutants(  # noqa: PLR0917 - typer reads the command line from the signature
    words: Annotated[
        list[str] | None,
        typer.Option("-k", help="Only those whose name, part or requirement has this; repeatable."),
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="The whole suite for each, not only what must notice.")
    ] = False,
    faults: Annotated[
        bool, typer.Option("--faults", help="The faults first, each on the whole suite.")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option("-j", help="How many at a time (default: one per CPU).", min=1)
    ] = None,
    as_json_: Annotated[bool, typer.Option("--json", help="The kill table as JSON.")] = False,
    list_: Annotated[
        bool, typer.Option("--list", help="Say what there is and run nothing.")
    ] = False,
) -> None:
    """
    Run the suite against clusters that each break one promise.

    \b
    conformance mutants                 all of them, on the scenarios that must notice
    conformance mutants -k agent.cache  those that break promises about the agent's cache
    conformance mutants --whole         all of them, each on the whole suite
    conformance mutants --faults        the faults of `conformance run --fault`, too

    Exits 1 unless each is killed by the requirement that names the broken promise.
    """
    switched = [
        row
        for row in expectations().values()
        if faults and (not words or any(word in row.fault for word in words))
    ]
    chosen = mutants_with(words or (), or_none=bool(switched))
    if list_:
        _list(chosen)
        return
    console = console_of(stderr=as_json_)
    began = time.monotonic()
    runs = Runs()
    proving = proving_scenarios()

    one = partial(attempt, proving=proving, run=runs, whole=whole, keep=Path.cwd() / KEPT)
    trials = _all(
        [
            *(partial(attempt_fault, row, runs) for row in switched),
            *(partial(one, mutant) for mutant in chosen),
        ],
        at_once=jobs or len(os.sched_getaffinity(0)),
        runs=runs,
        console=console,
    )
    if as_json_:
        sys.stdout.write(as_json(trials, seconds=time.monotonic() - began) + "\n")
    else:
        console.print()
        console.print(table(trials))
        for trial in trials:
            if not trial.good:
                console.print(Text(f"\n{trial.name}\n{trial.message}"), soft_wrap=True)
        console.print(Text(f"\n{headline(trials)}, {time.monotonic() - began:.0f} s"))
    if not all(trial.good for trial in trials):
        raise typer.Exit(1)


def _all(
    work: Sequence[Callable[[], Trial]], *, at_once: int, runs: Runs, console: Console
) -> list[Trial]:
    """Do all of it, some at a time, and say what is done; after a signal, end what runs first."""
    with (
        _signals_interrupt(),
        ThreadPoolExecutor(at_once) as pool,
        console.status("") as status,
    ):
        futures: list[Future[Trial]] = [pool.submit(each) for each in work]
        try:
            for number, future in enumerate(as_completed(futures), start=1):
                console.print(line(future.result()), soft_wrap=True)
                status.update(f"{number} of {len(work)}")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            runs.stop()
            raise
    return [future.result() for future in futures]


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """SIGTERM and a closed terminal end us as Ctrl-C does: in order."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        del frame
        raise SystemExit(128 + number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _list(chosen: Sequence[Mutant]) -> None:
    console = console_of()
    for mutant in chosen:
        console.print(
            Text.assemble(mutant.name, (f"  {mutant.broken}", "dim"), f"\n  {mutant.because}"),
            soft_wrap=True,
        )
    console.print(Text(f"\n{len(chosen)} of {len(MUTANTS)}", style="dim"))
