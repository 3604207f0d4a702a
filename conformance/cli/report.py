"""`conformance report`: the reports of a run again, from its events."""

from pathlib import Path
from typing import Annotated

import typer

from conformance.cli.consoles import console_of
from conformance.errors import UsageError
from conformance.events import read_events
from conformance.reports import WRITERS, judge, write_reports
from conformance.reports.as_text import print_report


def report(
    folder: Annotated[Path, typer.Argument(help="The folder of a run.")] = Path("reports/latest"),
    format_: Annotated[
        list[str] | None,
        typer.Option("--format", help=f"Only this; repeatable. One of: {', '.join(WRITERS)}."),
    ] = None,
) -> None:
    """
    Make the reports of a run again, from its events.

    Works years later and for a run that was killed. Exits 0 whatever the verdict was.

    \b
    conformance report                               the last run
    conformance report reports/k3m9xq --format html  one run, one format
    """
    unknown = [name for name in format_ or () if name not in WRITERS]
    if unknown:
        raise UsageError(
            f"--format {unknown[0]}: no such format", try_=f"one of: {', '.join(WRITERS)}"
        )
    if not any(folder.glob("events-*.ndjson")):
        raise UsageError(f"{folder}: no run lies here", saw="no file events-*.ndjson")
    made = judge(read_events(folder))
    console = console_of()
    print_report(made, console, folder=None)
    for path in write_reports(made, folder, format_ or ("json", "junit", "html")):
        console.print(str(path), soft_wrap=True)
