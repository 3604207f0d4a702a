"""
What a run is doing, while it does it.

On a terminal a few lines that change: what is done, what each worker is at, how the
scenarios stand. Anywhere else, and in CI, one line for each thing that ended. Both
are drawn from events alone, so what is shown is what is reported.
"""

import os
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from conformance.reports.as_text import LOOKS
from conformance.reports.model import RequirementVerdict

Told = dict[str, Any]
LONG_SECONDS = 5.0
"""A resource that took so long is told for itself, also where no terminal shows it at work."""


class Progress:
    """Takes events as they come; a context manager that owns the lines it draws."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._busy: dict[str, dict[str, str]] = {}
        """Worker to the steps it is at: kind to words."""
        self._resources: dict[str, dict[str, str]] = {}
        """Worker to what its Terraform has under way: address to action."""
        self._counts: dict[str, int] = {}
        self._total = 0
        self._began = time.monotonic()
        self._spinner = Spinner("dots")

    def __enter__(self) -> "Progress":
        if self._console.is_terminal and not os.environ.get("CI"):
            self._live = Live(
                get_renderable=self._draw,
                console=self._console,
                transient=True,
                refresh_per_second=12,
            )
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def take(self, events: Iterable[Told]) -> None:
        """Show what happened."""
        for event in events:
            take = getattr(self, "_on_" + event["kind"].replace("-", "_"), None)
            if take is not None:
                take(event)

    def _on_suite_collected(self, event: Told) -> None:
        self._total = len(event["scenarios"])

    def _on_environment_ready(self, event: Told) -> None:
        parts = ", ".join(f"{name} {version}" for name, version in event["parts"].items())
        self._say("✓", "green", f"environment {event['target']}: {parts}")

    def _on_step_started(self, event: Told) -> None:
        if event["what"] == "resource":
            self._resources.setdefault(event["worker"], {})[event["step"]] = event["detail"]
            return
        self._busy.setdefault(event["worker"], {})[event["what"]] = event["step"]

    def _on_step_finished(self, event: Told) -> None:
        worker, what = event["worker"], event["what"]
        if what == "resource":
            self._resources.get(worker, {}).pop(event["step"], None)
            if event["seconds"] >= LONG_SECONDS:
                self._say("·", "dim", f"{event['detail']} {event['step']}", event["seconds"])
            return
        self._busy.get(worker, {}).pop(what, None)
        self._resources.pop(worker, None)
        if what == "fixture":
            return  # The scenario says how it went.
        if event["ok"]:
            if what != "pod":
                self._say("✓", "green", f"{what}: {event['step']}", event["seconds"])
        else:
            self._say("!", "magenta", f"{what}: {event['step']} did not work", event["seconds"])

    def _on_trouble(self, event: Told) -> None:
        self._say("!", "bold magenta", f"{event['where']}: {event['message'].splitlines()[0]}")

    def _on_scenario_finished(self, event: Told) -> None:
        verdict = RequirementVerdict(event["verdict"])
        self._counts[verdict] = self._counts.get(verdict, 0) + 1
        self._busy.get(event["worker"], {}).pop("scenario", None)
        if verdict is RequirementVerdict.PASSED and self._live is not None:
            return
        sign, style = LOOKS[verdict]
        at = f" at {event['stage']}" if event["stage"] else ""
        self._say(sign, style, f"{verdict}{at}: {event['scenario']}", event["seconds"])

    def _say(self, sign: str, style: str, words: str, seconds: float | None = None) -> None:
        took = f"  {seconds:.1f} s" if seconds is not None else ""
        line = Text.assemble((f"{sign} ", style), words, (took, "dim"))
        self._console.print(line, soft_wrap=True)

    # --- on a terminal

    def _draw(self) -> RenderableType:
        lines = Table.grid(padding=(0, 2))
        for worker, steps in sorted(self._busy.items()):
            if not steps:
                continue
            lines.add_row(
                self._spinner,
                Text("" if worker == "main" else worker, style="dim"),
                Text(_short(steps)),
                Text(
                    _under_way(self._resources.get(worker, {})),
                    style="dim",
                    overflow="ellipsis",
                    no_wrap=True,
                ),
            )
        return Group(lines, self._draw_counts())

    def _draw_counts(self) -> RenderableType:
        done = sum(self._counts.values())
        row = Table.grid(padding=(0, 2))
        words = Text()
        for verdict, number in self._counts.items():
            sign, style = LOOKS[RequirementVerdict(verdict)]
            words.append(f"{sign} {number} ", style=style)
        elapsed = Text(f"{time.monotonic() - self._began:.0f} s", style="dim")
        if not self._total:
            row.add_row(self._spinner, Text("collecting scenarios"), elapsed)
        else:
            bar = ProgressBar(total=self._total, completed=done, width=24)
            row.add_row(bar, Text(f"{done}/{self._total} scenarios"), words, elapsed)
        return row


def _under_way(resources: dict[str, str]) -> str:
    """What has been at it for longest, and how many others are."""
    if not resources:
        return ""
    address, action = next(iter(resources.items()))
    others = f", {len(resources) - 1} more" if len(resources) > 1 else ""
    return f"{action} {address}{others}"


def _short(steps: dict[str, str]) -> str:
    """The innermost step of a worker; a scenario goes by its name alone."""
    what, step = list(steps.items())[-1]
    if what == "scenario":
        return step.rpartition("::")[2]
    return f"{what}: {step}"
