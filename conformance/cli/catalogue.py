"""`conformance requirements`: the promises, with their sources."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from conformance.cli.consoles import console_of
from conformance.errors import UsageError
from conformance.requirements import Requirement, catalogue
from conformance.requirements.page import page
from conformance.requirements.profiles import ALL, profile_of


def requirements(  # noqa: PLR0917 - typer reads the command line from the signature
    words: Annotated[
        list[str] | None, typer.Argument(help="Only those that contain all these words.")
    ] = None,
    profile: Annotated[str, typer.Option(help="all, core, agent, or a theme such as s3.")] = ALL,
    as_json: Annotated[bool, typer.Option("--json", help="Everything known of each.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="A reference page.")] = False,
    iam_policy: Annotated[
        str | None,
        typer.Option(help="Instead: what a run needs on a real account, as json or terraform."),
    ] = None,
    calls: Annotated[
        Path | None,
        typer.Option(help="With --iam-policy: the file that `stack check --calls` wrote."),
    ] = None,
) -> None:
    """
    List what Pod Identity promises.

    \b
    conformance requirements                  all, one line each
    conformance requirements token            those that speak of a token
    conformance requirements --profile core   those a cluster must keep
    conformance requirements --iam-policy terraform > conformance.tf
    """
    if iam_policy is not None:
        _iam_policy(iam_policy, calls)
        return
    known = catalogue()
    wanted = [word.lower() for word in words or ()]
    chosen = [
        known[id_]
        for id_ in profile_of(profile, known)
        if all(word in " ".join(asdict(known[id_]).values()).lower() for word in wanted)
    ]
    if not chosen:
        raise UsageError(f"no requirement contains {' and '.join(map(repr, wanted))}")
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in chosen], indent=1))
    elif markdown:
        typer.echo(page(chosen), nl=False)
    else:
        _table(chosen)


def _iam_policy(form: str, file: Path | None) -> None:
    from conformance.terraform.checking import permissions  # noqa: PLC0415 - only this option

    if form not in ("json", "terraform"):
        raise UsageError(f"--iam-policy {form}: no such form", try_="json, or terraform")
    if file is not None and not file.is_file():
        raise UsageError(f"--calls {file}: there is no such file", try_="stack check --calls FILE")
    calls = permissions.merged(permissions.read_calls(file), permissions.BESIDE)
    document = permissions.policy(calls)
    if form == "json":
        typer.echo(json.dumps(document, indent=2))
    else:
        typer.echo(permissions.as_terraform(document), nl=False)


def _table(chosen: list[Requirement]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("id", "level", "stage", "promise"):
        table.add_column(column, overflow="fold", no_wrap=column != "promise")
    for one in chosen:
        table.add_row(one.id, one.level, one.stage, one.promise)
    console_of().print(table)
