"""`conformance doctor`: what this machine can do, for people and for machines."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from conformance.cli.consoles import console_of

if TYPE_CHECKING:
    from conformance.fidelity import Part

_LOOKS = {"ok": ("✓", "green"), "lacks": ("✗", "bold red"), "note": ("·", "yellow")}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    fidelity: Annotated[
        bool, typer.Option("--fidelity", help="How faithful the emulation is, and where it is not.")
    ] = False,
) -> None:
    """
    Say what this machine can do, what each lack costs, and how to mend it.

    Changes nothing, asks nobody, and always exits 0.

    \b
    conformance doctor
    conformance doctor --fidelity
    conformance doctor --json | jq '.[] | select(.state == "lacks")'
    """
    if fidelity:
        _fidelity(as_json)
        return
    from conformance.doctor import examine  # noqa: PLC0415 - other commands need not wait for it

    findings = examine()
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
        return
    console = console_of()
    for finding in findings:
        sign, style = _LOOKS[finding.state]
        words = Text.assemble((f"{sign} ", style), (f"{finding.name:16}", "bold"), finding.found)
        console.print(words, soft_wrap=True)
        if finding.costs:
            console.print(Text(f"{'':18}costs: {finding.costs}", style="yellow"), soft_wrap=True)
        if finding.mend:
            console.print(Text(f"{'':18}mend:  {finding.mend}", style="dim"), soft_wrap=True)


def _fidelity(as_json: bool) -> None:
    from conformance.fidelity import parts  # noqa: PLC0415 - only this option needs it

    if as_json:
        typer.echo(json.dumps([asdict(part) for part in parts()], indent=1))
    else:
        _print_parts(parts())


def _print_parts(parts: Sequence["Part"]) -> None:
    console = console_of()
    for part in parts:
        console.print(Text(part.name, style="bold"))
        lines = [
            *(("✓", "green", does) for does in part.does),
            *(("=", "cyan", f"{check.against}  (tests/{check.test})") for check in part.checks),
            *(("✗", "yellow", gap.says) for gap in part.gaps),
        ]
        for sign, style, says in lines:
            console.print(Text.assemble((f"  {sign} ", style), says), soft_wrap=True)
    legend = "✓ emulated   = compared with   ✗ not emulated; sources: docs/fidelity.md"
    console.print(Text(legend, style="dim"))
