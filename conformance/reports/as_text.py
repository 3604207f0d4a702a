"""
The report for a terminal, and for the log of a CI job.

The result comes first, then what is wrong with its stage and the command that
shows it again, then every requirement in one line. The text goes to a console
that decides about colours and width; in a file it is plain.
"""

import io
from pathlib import Path

from rich.console import Console
from rich.text import Text

from conformance.events import Verdict
from conformance.reports.model import (
    Kept,
    Report,
    RequirementResult,
    RequirementVerdict,
    Result,
    ScenarioResult,
)
from conformance.requirements import Level

LOOKS = {
    RequirementVerdict.PASSED: ("✓", "green"),
    RequirementVerdict.FAILED: ("✗", "bold red"),
    RequirementVerdict.ERROR: ("!", "bold magenta"),
    RequirementVerdict.SKIPPED: ("-", "yellow"),
    RequirementVerdict.NOT_RUN: ("?", "yellow"),
    RequirementVerdict.DIVERGENT: ("~", "cyan"),
    RequirementVerdict.NOT_SELECTED: (" ", "dim"),
}
RESULT_STYLES = {
    Result.PASSED: "bold green",
    Result.FAILED: "bold red",
    Result.ERROR: "bold magenta",
    Result.PARTIAL: "bold yellow",
}
LONGEST_DETAIL = 24
"""Lines of one failure's message; the whole of it is in the other reports."""


def as_text(report: Report, *, width: int = 100) -> str:
    """Plain text without colours."""
    out = io.StringIO()
    print_report(report, Console(file=out, width=width, color_system=None), folder=None)
    return out.getvalue()


def print_report(report: Report, console: Console, *, folder: Path | None) -> None:
    """Print to a console; `folder` is where the reports lie, if that is to be said."""
    console.print()
    console.print(
        Text.assemble((report.result.upper(), RESULT_STYLES[report.result]), f"  {report.headline}")
    )
    for remark in report.remarks:
        console.print(Text(f"  {remark}", style="yellow"))
    _print_trouble(report, console)
    shown = [r for r in report.requirements if r.verdict is not RequirementVerdict.NOT_SELECTED]
    if shown:
        console.print()
        width = max(len(requirement.id) for requirement in shown)
        for requirement in shown:
            console.print(_line(requirement, width, console.width), soft_wrap=True)
    console.print()
    console.print(Text(_closing(report), style="dim"), soft_wrap=True)
    if report.ledger:
        console.print(Text(_balance(report), style="dim"), soft_wrap=True)
    if report.kept:
        console.print(Text(_kept(report.kept), style="bold"), soft_wrap=True)
    if folder is not None:
        console.print(Text(f"{folder / 'report.html'}", style="bold"), soft_wrap=True)


def _line(requirement: RequirementResult, id_width: int, width: int) -> Text:
    """Sign, id, title as far as there is room, verdict."""
    sign, style = LOOKS[requirement.verdict]
    at = f" at {requirement.stage}" if requirement.stage else ""
    level = "" if requirement.level is Level.CORE else f" ({requirement.level})"
    verdict = f"{requirement.verdict}{at}{level}"
    room = max(0, width - id_width - len(verdict) - 6)
    title = requirement.title
    title = title if len(title) <= room else title[: max(0, room - 1)] + "…"
    return Text.assemble(
        (f"{sign} ", style),
        f"{requirement.id:<{id_width}}  ",
        (f"{title:<{room}}  ", "dim"),
        (verdict, style),
    )


def _print_trouble(report: Report, console: Console) -> None:
    for trouble in report.trouble:
        console.print()
        console.print(Text(f"! {trouble.where}", style="bold magenta"))
        console.print(_indented(trouble.message), soft_wrap=True)
    alike: dict[tuple[str, str, str], list[ScenarioResult]] = {}
    for scenario in report.scenarios:
        if scenario.verdict in (Verdict.FAILED, Verdict.ERROR):
            # The same trouble in every variant of a scenario is told once.
            function = scenario.id.partition("[")[0]
            alike.setdefault((function, scenario.stage, scenario.message), []).append(scenario)
    for first, *others in alike.values():
        sign, style = LOOKS[RequirementVerdict(first.verdict or Verdict.ERROR)]
        console.print()
        console.print(
            Text.assemble(
                (f"{sign} {first.id}", style),
                (f"  at stage {first.stage}" if first.stage else "", "bold"),
                (f"  and {len(others)} more of it" if others else "", "dim"),
            ),
            soft_wrap=True,
        )
        console.print(_indented(first.message), soft_wrap=True)
        console.print(Text(f"  again: {first.reproduce}", style="dim"), soft_wrap=True)


def _indented(message: str) -> Text:
    lines = message.splitlines()
    if len(lines) > LONGEST_DETAIL:
        half = LONGEST_DETAIL // 2
        lines = [*lines[:half], f"[... {len(lines) - 2 * half} lines ...]", *lines[-half:]]
    return Text("\n".join(f"  {line}" for line in lines))


def _closing(report: Report) -> str:
    counts = [
        f"{report.count(verdict)} {verdict}"
        for verdict in RequirementVerdict
        if report.count(verdict)
    ]
    return (
        f"{', '.join(counts) or 'no requirements'}  ·  {len(report.scenarios)} scenarios  ·  "
        f"{report.seconds:.1f} s  ·  target {report.target}, stack {report.stack}, "
        f"seed {report.seed}"
    )


def _balance(report: Report) -> str:
    """All worlds together; the page has them one by one."""
    worlds = report.ledger
    left = sum(len(world.left) for world in worlds)
    return (
        f"resources: {sum(world.intended for world in worlds)} intended, "
        f"{sum(world.created for world in worlds)} created, "
        f"{sum(world.destroyed for world in worlds)} destroyed, {left or 'none'} left"
    )


def _kept(kept: Kept) -> str:
    """How it is reached and ended, for it runs until somebody does."""
    lines = [f"kept: {kept.file}", f"  end it: conformance down --environment {kept.file}"]
    if kept.env:
        lines.insert(1, f"  reach it: . {kept.env}")
    return "\n".join(lines)
