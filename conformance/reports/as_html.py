"""
The report for people: one HTML file that works from disk and stays small.

The rows of requirements are in the page; what belongs to a scenario is data that a
small script shows when a row is opened, so ten thousand results open at once
(pytest-html's 119 MB report crashed the browser: pytest-html#552). Nothing is loaded
from anywhere. Evidence comes from pods, so it reaches the page only escaped and as
text. What does not fit is left out from the quietest end, passed scenarios first,
and the page says how much.
"""

import json
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from conformance.events import Verdict
from conformance.reports.model import (
    Report,
    RequirementVerdict,
    ScenarioResult,
    Timing,
    Wait,
)
from conformance.stages import Stage

LARGEST_DATA = 1_600_000
"""Characters, evidence included; with 10,000 results the page stays under 2 MB."""
LARGEST_TIMELINE = 3000
"""Bars; more are narrower than a pixel."""
LONGEST_WAITS = 200
NAME = "\0"
"""Stands for the scenario in a command."""

_SHOWN, _LEFT = 8, 9
"""Where in a scenario's row the numbers of its evidence are, and how much of it is left out."""

_FOLDER = Path(__file__).parent / "html"
_NOT_RUN = RequirementVerdict.NOT_RUN
_KINDS = ("environment", "terraform", "pod", "scenario")
_LOUDEST = (Verdict.FAILED, Verdict.ERROR, Verdict.DIVERGENT, None, Verdict.SKIPPED, Verdict.PASSED)


def as_html(report: Report) -> str:
    """One self-contained page."""
    order = list(RequirementVerdict)
    requirements = sorted(report.requirements, key=lambda r: order.index(r.verdict))
    data, omitted = _data(report, [r.scenarios for r in requirements])
    template = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER), autoescape=True, undefined=jinja2.StrictUndefined
    ).get_template("report.html.j2")
    return template.render(
        report=report,
        requirements=requirements,
        counts=[(v.value, report.count(v)) for v in order if report.count(v)],
        waits=sorted(report.waits, key=lambda w: -w.used_seconds)[:LONGEST_WAITS],
        omitted=f"{omitted} pieces of evidence are in report.json only." if omitted else "",
        data=_island(data),
        style=Markup((_FOLDER / "report.css").read_text(encoding="utf-8")),  # noqa: S704 - our own file
        script=Markup((_FOLDER / "report.js").read_text(encoding="utf-8")),  # noqa: S704 - our own file
    )


def _island(data: dict[str, Any]) -> Markup:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - nothing is left in it that HTML would understand


class _Names:
    """Texts that occur again and again, each written once and then numbered."""

    def __init__(self) -> None:
        self.list: list[str] = []
        self._numbers: dict[str, int] = {}

    def __contains__(self, text: str) -> bool:
        return text in self._numbers

    def __call__(self, text: str) -> int:
        if text not in self._numbers:
            self._numbers[text] = len(self.list)
            self.list.append(text)
        return self._numbers[text]


def _data(report: Report, proving: Iterable[list[str]]) -> tuple[dict[str, Any], int]:
    verdicts, files, workers, commands = _Names(), _Names(), _Names(), _Names()
    waits, steps = _Names(), _Names()
    numbers = {scenario.id: number for number, scenario in enumerate(report.scenarios)}
    scenarios = []
    for scenario in report.scenarios:
        file, _, name = scenario.id.partition("::")
        row: list[Any] = [
            files(file),
            name,
            verdicts(scenario.verdict or _NOT_RUN),
            round(scenario.seconds, 3),
            workers(scenario.worker),
            # The same for all but for the name.
            commands(scenario.reproduce.replace(shlex.quote(scenario.id), NAME)),
        ]
        rest: list[Any] = [
            scenario.stage,
            scenario.message,
            [],
            len(scenario.evidence),
            [waits(_waited(wait)) for wait in scenario.waits],
            [steps(_took(timing)) for timing in scenario.timings],
        ]
        if any(rest):
            row += rest
        scenarios.append(row)
    data = {
        "stages": list(Stage),
        "seconds": report.seconds,
        "verdicts": verdicts.list,
        "files": files.list,
        "workers": workers.list,
        "commands": commands.list,
        # What scenarios share is here once.
        "waits": [json.loads(wait) for wait in waits.list],
        "steps": [json.loads(step) for step in steps.list],
        "scenarios": scenarios,
        "proving": [[numbers[id_] for id_ in ids] for ids in proving],
        "kinds": _KINDS,
        "lanes": _lanes(report),
    }
    pieces, chosen = _chosen_evidence(report.scenarios, LARGEST_DATA - len(json.dumps(data)))
    for number, shown in chosen.items():
        scenarios[number][_SHOWN] = shown
        scenarios[number][_LEFT] -= len(shown)
    omitted = sum(row[_LEFT] for row in scenarios if len(row) > _LEFT)
    return {**data, "evidence": pieces}, omitted


def _waited(wait: Wait) -> str:
    used = round(wait.used_seconds, 3)
    return json.dumps([wait.what, used, wait.bound_seconds, wait.attempts, wait.ok])


def _took(timing: Timing) -> str:
    took = round(timing.seconds, 3)
    return json.dumps([timing.what, timing.step, took, timing.bound_seconds, timing.ok])


def _chosen_evidence(
    scenarios: list[ScenarioResult], room: int
) -> tuple[list[Any], dict[int, list[int]]]:
    """
    Pieces, and by scenario number the numbers of its pieces.

    The loudest come first, until there is no room; what is there already costs nothing.
    """
    loud = sorted(enumerate(scenarios), key=lambda pair: _LOUDEST.index(pair[1].verdict))
    pieces = _Names()
    chosen: dict[int, list[int]] = {}
    for number, scenario in loud:
        for seen in scenario.evidence:
            piece = json.dumps([seen.subject, _told(seen.evidence)])
            size = 0 if piece in pieces else len(piece)
            if size <= room:
                room -= size
                chosen.setdefault(number, []).append(pieces(piece))
    return [json.loads(piece) for piece in pieces.list], chosen


def _told(evidence: Any) -> Any:
    """Without the members that say nothing, which the page does not show."""
    if not isinstance(evidence, dict):
        return evidence
    told = {name: _told(value) for name, value in evidence.items()}
    return {name: value for name, value in told.items() if value not in (None, "", [], {})}


def _lanes(report: Report) -> list[list[Any]]:
    bars: dict[str, list[list[Any]]] = {}
    for timing in report.timings:
        if timing.what not in _KINDS:
            continue  # Single resources; the bar of their apply is there.
        bars.setdefault(timing.worker, []).append(
            [
                _KINDS.index(timing.what),
                round(timing.began, 2),
                round(timing.seconds, 3),
                timing.step,
            ]
        )
    for scenario in report.scenarios:
        if scenario.verdict is not None:
            name = scenario.id.partition("::")[2]
            bars.setdefault(scenario.worker, []).append(
                [
                    _KINDS.index("scenario"),
                    round(scenario.began, 2),
                    round(scenario.seconds, 3),
                    name,
                ]
            )
    widest = sorted((bar for lane in bars.values() for bar in lane), key=lambda bar: -bar[2])
    least = widest[LARGEST_TIMELINE][2] if len(widest) > LARGEST_TIMELINE else -1.0
    return [[w, [bar for bar in lane if bar[2] > least]] for w, lane in sorted(bars.items())]
