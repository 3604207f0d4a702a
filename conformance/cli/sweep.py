"""
`conformance sweep`: what runs left behind, found, taken away and counted.

It says what it took, what it spared and why, and what is left; a machine reads the same
with --json. Exit code 3 means that something is left, or that nobody could look.
"""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from conformance.cli.consoles import console_of
from conformance.environment import Aws, Environment
from conformance.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from conformance.sweep.balance import RunBalance, Swept
    from conformance.sweep.machine import Cleaned

EXIT_LEFT = 3
MOST_SHOWN = 20
"""Lines of one run; all of them are in --json."""

_AGE = re.compile(r"(\d+)([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def sweep(  # noqa: PLR0917 - typer reads the command line from the signature
    older_than: Annotated[
        str | None,
        typer.Option(help="Only runs older than this, such as 90m, 6h or 2d; also of other hosts."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be taken away, and take nothing.")
    ] = False,
    run: Annotated[str | None, typer.Option(help="Only this run, also when it was kept.")] = None,
    environment: Annotated[
        Path | None, typer.Option(help="Search this environment.json's account for tags, too.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="eks: search the account of the ambient credentials, too.")
    ] = None,
    region: Annotated[str | None, typer.Option(help="Its region, target eks.")] = None,
    cluster: Annotated[
        str | None, typer.Option(help="Search this cluster for namespaces, target eks.")
    ] = None,
    reports: Annotated[
        Path, typer.Option(help="Where the report folders with their ledgers lie.")
    ] = Path("reports"),
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """
    Take away what runs left behind: in the account, in the cluster, on this machine.

    Only what a ledger or the tag conformance:run names, and only of runs that are over.

    \b
    conformance sweep --dry-run                      what would be taken away
    conformance sweep                                the runs under ./reports
    conformance sweep --environment .conformance/environment.json
    conformance sweep --target eks --region eu-west-1 --older-than 6h    in nightly CI
    """
    from conformance.sweep.sweeping import Request  # noqa: PLC0415 - others need not wait for it
    from conformance.sweep.sweeping import sweep as sweep_  # noqa: PLC0415 - likewise

    found = None if environment is None else Environment.read(environment)
    aws = _real_account(target, region) if target is not None else None
    if target is None and (region or cluster):
        raise UsageError("--region and --cluster are for --target eks")
    request = Request(
        reports=reports.absolute(),
        run=run,
        older_than=None if older_than is None else _age(older_than),
        dry_run=dry_run,
        environment=found,
        aws=aws,
        cluster=cluster,
    )
    console = console_of(stderr=as_json)
    with console.status("sweeping"):
        swept = sweep_(request)
    if as_json:
        typer.echo(json.dumps(swept.as_dict(), indent=1))
    else:
        _print(swept, console)
    raise typer.Exit(0 if swept.clean else EXIT_LEFT)


def _age(text: str) -> timedelta:
    told = _AGE.fullmatch(text)
    if told is None:
        raise UsageError(f"--older-than {text}: no age", try_="90m, 6h or 2d")
    return timedelta(**{_UNITS[told[2]]: int(told[1])})


def _real_account(target: str, region: str | None) -> Aws:
    import botocore.session  # noqa: PLC0415 - only for a real account
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - likewise

    if target != "eks":
        raise UsageError(
            f"--target {target}: only a real account is searched without an environment",
            try_="--target eks --region REGION, or --environment FILE",
        )
    session = botocore.session.get_session()
    region = region or session.get_config_variable("region")
    if not region:
        raise UsageError("--target eks wants --region REGION")
    # botocore makes its methods when it runs, so no type knows them.
    sts: Any = session.create_client("sts", region_name=region)
    try:
        account = sts.get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise HarnessError(
            "the ambient AWS credentials cannot be used",
            saw=str(error),
            try_="aws sts get-caller-identity",
        ) from error
    return Aws(region=region, account_id=account)


Say = Callable[..., None]


def _print(swept: "Swept", console: Console) -> None:
    def say(text: str, style: str = "") -> None:
        console.print(Text(text, style=style), soft_wrap=True)

    for trouble in swept.trouble:
        say(f"! {trouble}", "bold magenta")
    for remark in swept.remarks:
        say(f"· {remark}", "dim")
    for spared in swept.spared:
        count = f"{len(spared.things)} things found, " if spared.things else ""
        say(f"- run {spared.run}: {count}spared, {spared.why}", "yellow")
    for run in swept.runs:
        _say_run(run, say, dry_run=swept.dry_run)
    _say_machine(swept.machine, say, dry_run=swept.dry_run)
    if swept.runs:
        table = Table("run", "intended", "created", "destroyed", "left", "", box=None)
        for run in swept.runs:
            numbers = (run.intended, run.created, run.destroyed, len(run.left))
            table.add_row(run.run, *map(str, numbers), run.how)
        console.print(table)
    if swept.clean:
        say("clean: nothing is left behind", "bold green")
    elif swept.dry_run:
        say("a dry run: nothing was taken away", "bold yellow")
    else:
        say("something is left; see above", "bold red")


def _say_run(run: "RunBalance", say: Say, *, dry_run: bool) -> None:
    for name in run.removed[:MOST_SHOWN]:
        say(f"✓ {name}  (run {run.run})", "green")
    for name in run.left[:MOST_SHOWN]:
        sign, style = ("·", "yellow") if dry_run else ("✗", "bold red")
        say(f"{sign} {name}  (run {run.run})", style)
    more = len(run.removed[MOST_SHOWN:]) + len(run.left[MOST_SHOWN:])
    if more:
        say(f"  and {more} more of run {run.run}; --json has them all", "dim")


def _say_machine(cleaned: "Cleaned", say: Say, *, dry_run: bool) -> None:
    would = "would be " if dry_run else ""
    for process in cleaned.processes:
        say(f"✓ process {process}: {would}ended", "green")
    for folder in cleaned.folders:
        say(f"✓ {folder}: {would}removed", "green")
    for left in cleaned.left:
        say(f"✗ {left}", "bold red")
