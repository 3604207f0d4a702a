"""
`conformance run`: pytest in a child process, watched.

A child, because then the display is ours alone, and because whatever happens to
pytest we are still there to say so. It has a process group of its own: signals reach
it once, through us, and it tells its workers. It holds the reading end of a pipe, so
it ends when we are killed.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Annotated

import typer
from rich.console import Console

from conformance.cli.consoles import console_of
from conformance.cli.progress import Progress
from conformance.cli.tail import Tail
from conformance.errors import HarnessError, UsageError
from conformance.events import EventLog, read_events
from conformance.faults import FAULTS
from conformance.reports import Report, judge, point_latest, write_reports
from conformance.reports.as_json import as_json
from conformance.reports.as_text import print_report
from conformance.run.options import (
    COMMAND_VARIABLE,
    LIFELINE_VARIABLE,
    OPTIONS,
    REFUSAL_VARIABLE,
    new_run,
    rendezvous_folder,
)
from conformance.run.settings import Settings, child_environment
from conformance.run.suite import suite_root

LOOK_SECONDS = 0.1
MOST_WORKERS = 4
SHOWN_LINES = 40
_REFUSED = 2
_NO_TESTS = 5
_PYTEST_USAGE = 4


def _help(field: str) -> str:
    return next(option.help for option in OPTIONS if option.field == field)


def run(  # noqa: PLR0917 - typer reads the command line from the signature
    context: typer.Context,
    scenarios: Annotated[
        list[str] | None,
        typer.Argument(help="Scenarios, as scenarios/FILE.py::NAME; all when none is named."),
    ] = None,
    keyword: Annotated[str, typer.Option("-k", help="Only scenarios whose name matches.")] = "",
    profile: Annotated[str | None, typer.Option(help=_help("profile"))] = None,
    target: Annotated[str | None, typer.Option(help=_help("target"))] = None,
    stack: Annotated[str | None, typer.Option(help=_help("stack"))] = None,
    module_source: Annotated[Path | None, typer.Option(help=_help("module_source"))] = None,
    engine: Annotated[str | None, typer.Option(help=_help("engine"))] = None,
    provider: Annotated[str | None, typer.Option(help=_help("provider"))] = None,
    backend_config: Annotated[Path | None, typer.Option(help=_help("backend_config"))] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "-n", help="Worker processes; 0 runs in one (default: two per CPU, at most 4)."
        ),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help=_help("keep"))] = False,
    as_json_: Annotated[
        bool, typer.Option("--json", help="Print the report as JSON and nothing else to stdout.")
    ] = False,
    fault: Annotated[
        list[str] | None, typer.Option(help=f"{_help('fault')}. One of: {', '.join(FAULTS)}.")
    ] = None,
    environment: Annotated[Path | None, typer.Option(help=_help("environment"))] = None,
    reports: Annotated[Path | None, typer.Option(help=_help("reports"))] = None,
    run_id: Annotated[str | None, typer.Option(help=_help("run_id"))] = None,
    seed: Annotated[int | None, typer.Option(help=_help("seed"))] = None,
    order: Annotated[str | None, typer.Option(help=_help("order"))] = None,
    network: Annotated[str | None, typer.Option(help=_help("network"))] = None,
    nodes: Annotated[int | None, typer.Option(help=_help("nodes"))] = None,
    agent_version: Annotated[str | None, typer.Option(help=_help("agent_version"))] = None,
    cluster: Annotated[str | None, typer.Option(help=_help("cluster"))] = None,
    region: Annotated[str | None, typer.Option(help=_help("region"))] = None,
    other_profile: Annotated[str | None, typer.Option(help=_help("other_profile"))] = None,
    allow: Annotated[list[str] | None, typer.Option(help=_help("allow"))] = None,
    probe_image: Annotated[str | None, typer.Option(help=_help("probe_image"))] = None,
) -> None:
    """
    Run scenarios on a target and report a verdict on every promise.

    \b
    conformance run                                 everything, on an emulated EKS
    conformance run -k separation -n 0              some of it, in one process
    conformance run --fault webhook-misses          see the suite go red
    conformance run --environment .conformance/environment.json
    conformance run --target eks --cluster staging --region eu-west-1 --probe-image IMAGE
    conformance run -- -x --durations=5             what follows -- is for pytest
    """
    settings = Settings.of(
        {
            "target": target,
            "stack": stack,
            "module_source": module_source,
            "engine": engine,
            "provider": provider,
            "backend_config": backend_config,
            "fault": fault,
            "environment": environment,
            "profile": profile,
            "keep": keep,
            "run_id": run_id or new_run(),
            "reports": reports,
            "seed": seed,
            "order": order,
            "network": network,
            "nodes": nodes,
            "agent_version": agent_version,
            "cluster": cluster,
            "region": region,
            "other_profile": other_profile,
            "allow": allow,
            "probe_image": probe_image,
        }
    )
    passed_on: list[str] = context.obj or []
    command = pytest_command(
        settings, scenarios or (), keyword=keyword, workers=workers, passed_on=passed_on
    )
    console = console_of(stderr=as_json_)
    raise typer.Exit(_watch(command, settings, console, as_json_=as_json_, show=bool(passed_on)))


def pytest_command(
    settings: Settings,
    scenarios: Sequence[str],
    *,
    keyword: str,
    workers: int | None,
    passed_on: Sequence[str],
) -> list[str]:
    """The command that runs the suite; raises `UsageError` for a scenario that is not there."""
    root = suite_root()
    if workers is None:
        # Two for each: about half of the time a scenario waits for somebody.
        workers = min(MOST_WORKERS, 2 * len(os.sched_getaffinity(0)))
    paths = []
    for scenario in scenarios or ("scenarios",):
        file = root / scenario.partition("::")[0]
        if not file.exists():
            raise UsageError(
                f"{scenario}: no such scenario", try_="conformance run -k NAME, which searches"
            )
        paths.append(str(root / scenario))
    return [
        *(sys.executable, "-m", "pytest", "--rootdir", str(root)),
        *("-c", str(Path(__file__).parent.parent / "run" / "suite.ini")),
        # In our order (`run.order`), not with most scenarios first.
        *(("-n", str(workers), "--dist", "loadscope") if workers else ("-n", "0")),
        *(("--no-loadscope-reorder",) if workers else ()),
        *(("-k", keyword) if keyword else ()),
        *settings.arguments(),
        *paths,
        *passed_on,
    ]


def _watch(
    command: list[str], settings: Settings, console: Console, *, as_json_: bool, show: bool
) -> int:
    folder = Path.cwd() / settings.reports / str(settings.run_id)
    tail = Tail(folder)
    # Files without names, so that nothing of them is left however we end.
    with (
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as refusal,
        _child(command, settings, output.fileno(), refusal.fileno()) as child,
    ):
        with Progress(console) as progress:
            code = None
            while code is None:
                with suppress(subprocess.TimeoutExpired):
                    code = child.process.wait(timeout=LOOK_SECONDS)
                progress.take(tail.new())
        said, refused = _text(output), _text(refusal)
    shutil.rmtree(rendezvous_folder(str(settings.run_id)), ignore_errors=True)
    if show:
        console.print(said, markup=False, soft_wrap=True)
    if refused:
        raise UsageError(refused) if code == _REFUSED else HarnessError(refused)
    report = _report(folder)
    if report is None:
        if child.interrupted_by is not None:
            sys.stderr.write("interrupted before the run began\n")
            return 128 + child.interrupted_by
        return _without_report(code, said, shown=show)
    if as_json_:
        sys.stdout.write(as_json(report))
    else:
        print_report(report, console, folder=settings.reports / "latest")
    return report.exit_code


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", errors="replace")


@dataclass
class _Child:
    process: subprocess.Popen[bytes]
    interrupted_by: int | None = None


@contextmanager
def _child(command: list[str], settings: Settings, output: int, refusal: int) -> Iterator[_Child]:
    """Pytest; signals to us go to it, it ends when we are gone, and it is waited for."""
    lifeline, ours = os.pipe()
    child = _Child(
        subprocess.Popen(
            command,
            env={
                **child_environment(settings.target),
                COMMAND_VARIABLE: shlex.join(["conformance", *sys.argv[1:]]),
                LIFELINE_VARIABLE: str(lifeline),
                REFUSAL_VARIABLE: str(refusal),
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(lifeline, refusal),
            process_group=0,
        )
    )
    os.close(lifeline)

    def forward(number: int, frame: FrameType | None) -> None:
        del frame
        child.interrupted_by = child.interrupted_by or number
        child.process.send_signal(number)

    before = {n: signal.signal(n, forward) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield child
    finally:
        if child.process.poll() is None:
            child.process.terminate()
            child.process.wait()
        os.close(ours)
        for number, handler in before.items():
            signal.signal(number, handler)


def _report(folder: Path) -> Report | None:
    """What the run reported; made here from its events when it was killed before it could."""
    file = folder / "report.json"
    if file.is_file():
        return Report.model_validate_json(file.read_text(encoding="utf-8"))
    events = read_events(folder) if folder.is_dir() else []
    if not events:
        return None
    from conformance.run.lifecycle import log_balance  # noqa: PLC0415 - only after a kill

    log_balance(folder, EventLog(folder / "events-ledger.ndjson", worker="ledger"))
    report = judge(read_events(folder))
    write_reports(report, folder)
    point_latest(folder)
    return report


def _without_report(code: int, said: str, *, shown: bool) -> int:
    """Nothing ran: say why. Returns the exit code."""
    if code == 0:
        return 0  # pytest was asked for something else, such as --collect-only
    last = "" if shown else "\n".join(said.splitlines()[-SHOWN_LINES:])
    if code == _NO_TESTS:
        raise UsageError("no scenario matches", saw=last, try_="conformance run -- --collect-only")
    if code == _PYTEST_USAGE:
        raise UsageError("pytest does not understand what follows --", saw=last)
    raise HarnessError(f"pytest ended with {code} before the run began", saw=last)
