"""The kill table, as a person and as a machine reads it."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.table import Table
from rich.text import Text

from conformance.mutants.trial import Fate, Trial

SHOWN_OTHERS = 3
_LOOKS = {
    Fate.KILLED: ("✓", "green"),
    Fate.MISPLACED: ("~", "bold yellow"),
    Fate.ELSEWHERE: ("~", "bold yellow"),
    Fate.SURVIVED: ("✗", "bold red"),
    Fate.TROUBLE: ("!", "bold magenta"),
}


def line(trial: Trial) -> Text:
    """One trial while others go on."""
    sign, style = _LOOKS[trial.fate]
    at = f" at {_stage(trial)}" if trial.stage else ""
    words = f"{trial.name}  {trial.broken}{at}  "
    return Text.assemble((f"{sign} ", style), words, (f"{trial.seconds:.1f} s", "dim"))


def table(trials: Sequence[Trial]) -> Table:
    """All trials, those that are not killed first."""
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("", "mutant", "caught by", "stage", "s", "also red"):
        shown.add_column(column, overflow="fold", justify="right" if column == "s" else "left")
    for trial in sorted(trials, key=lambda one: one.good):
        sign, style = _LOOKS[trial.fate]
        caught = Text(trial.broken) if trial.good else Text(str(trial.fate), style=style)
        seconds = f"{trial.seconds:.1f}"
        shown.add_row(
            Text(sign, style=style), trial.name, caught, _stage(trial), seconds, _others(trial)
        )
    return shown


def _stage(trial: Trial) -> str:
    return f"{trial.stage}, not {trial.named}" if trial.blames_another else trial.stage


def _others(trial: Trial) -> str:
    more = len(trial.others) - SHOWN_OTHERS
    names = ", ".join(trial.others[:SHOWN_OTHERS])
    return f"{names} and {more} more" if more > 0 else names


def headline(trials: Sequence[Trial]) -> str:
    """The result in one sentence."""
    bad = [trial for trial in trials if not trial.good]
    said = f"all {len(trials)} broken clusters are killed by the promise that they break"
    if bad:
        many = f"{len(bad)} of {len(trials)}"
        said = f"{many} broken clusters are not killed by the promise they break"
    another = sum(trial.good and trial.blames_another for trial in trials)
    return f"{said}; {another} blame another stage than it names" if another else said


def as_json(trials: Sequence[Trial], *, seconds: float) -> str:
    """Everything, for machines; `killed` says whether all of them are."""
    rows = [asdict(trial) for trial in trials]
    killed = all(trial.good for trial in trials)
    return json.dumps({"killed": killed, "seconds": round(seconds, 1), "mutants": rows}, indent=1)
