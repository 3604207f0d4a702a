"""`conformance requirements`: the promises, with their sources."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from conformance.cli.consoles import console_of
from conformance.errors import UsageError
from conformance.requirements import Level, Requirement, Targets, catalogue
from conformance.requirements.page import page
from conformance.requirements.profiles import ALL, profile_of
from conformance.stages import Stage


def requirements(  # noqa: PLR0917 - typer reads the command line from the signature
    words: Annotated[
        list[str] | None, typer.Argument(help="Only those that contain all these words.")
    ] = None,
    profile: Annotated[str, typer.Option(help="all, core, agent, or a theme such as s3.")] = ALL,
    level: Annotated[Level | None, typer.Option(help="Only those of this weight.")] = None,
    stage: Annotated[
        Stage | None, typer.Option(help="Only those that are kept or broken there.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(help=f"Only those that can be seen there: {Targets.ALL}.")
    ] = None,
    sources: Annotated[
        bool, typer.Option("--sources", help="Below each promise, who makes it.")
    ] = False,
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
    conformance requirements --target eks --stage agent --sources
    conformance requirements --iam-policy terraform > conformance.tf
    """
    if iam_policy is not None:
        _iam_policy(iam_policy, calls)
        return
    if target is not None and target not in Targets.ALL.names:
        raise UsageError(f"--target {target}: no such target", try_=f"one of: {Targets.ALL}")
    known = catalogue()
    wanted = [word.lower() for word in words or ()]
    chosen = [
        one
        for one in map(known.__getitem__, profile_of(profile, known))
        if level in (None, one.level)
        and stage in (None, one.stage)
        and (target is None or target in one.targets.names)
        and all(word in " ".join(asdict(one).values()).lower() for word in wanted)
    ]
    if not chosen:
        given = {"--level": level, "--stage": stage, "--target": target}
        asked = [f"{option} {value}" for option, value in given.items() if value is not None]
        raise UsageError(f"no requirement has {' and '.join([*map(repr, wanted), *asked])}")
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in chosen], indent=1))
    elif markdown:
        typer.echo(page(chosen), nl=False)
    else:
        _table(chosen, sources=sources)


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


def _table(chosen: list[Requirement], *, sources: bool) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("id", "level", "stage", "promise"):
        table.add_column(column, overflow="fold", no_wrap=column != "promise")
    for one in chosen:
        promise = Text(one.promise)
        if sources:
            promise.append(f"\n{one.source}", style="dim")
        table.add_row(one.id, one.level, one.stage, promise)
    console_of().print(table)
