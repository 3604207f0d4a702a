"""What a run said of a mutant, judged; the runs themselves are told, not made."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.events import RunFinished, RunStarted, ScenarioFinished, SuiteCollected, Verdict
from conformance.mutants import mutants_with
from conformance.mutants.faults import Expectation, attempt_fault
from conformance.mutants.table import as_json, headline, line
from conformance.mutants.trial import Fate, Trial, attempt
from conformance.reports import Report, judge
from conformance.requirements import catalogue

[MUTANT] = mutants_with(["agent-host-not-checked"])
PROVING = {MUTANT.broken: ["scenarios/test_agent.py::test_host"]}
OTHER = "s3.read.write"


def told(verdicts: dict[str, tuple[str, str]]) -> Report:
    """The report of a run in which requirements came to these verdicts and blamed stages."""
    scenarios = {f"scenarios/test_x.py::test_{id_}": [id_] for id_ in verdicts}
    requirements = [
        {name: str(getattr(catalogue()[id_], name)) for name in vars(catalogue()[id_])}
        for id_ in verdicts
    ]
    started = RunStarted(
        run="abc234",
        suite_version="0.1.0",
        target="embedded",
        stack="aws",
        provider="",
        seed=1,
        faults=[],
        command="",
        profile="all",
    )
    collected = SuiteCollected(
        scenarios=scenarios,
        left_out={},
        selection="",
        expected=list(verdicts),
        requirements=requirements,
        divergences={},
    )
    ends = [
        ScenarioFinished(
            scenario=scenario,
            requirements=[id_],
            verdict=Verdict(verdicts[id_][0]),
            stage=verdicts[id_][1],
            message="",
            seconds=0.1,
            reproduce="",
        )
        for scenario, [id_] in scenarios.items()
    ]
    ended = RunFinished(exit_code=0, interrupted=False, seconds=1)
    return judge([started, collected, *ends, ended])


class Told:
    """Answers runs one after the other, and notes what was asked of them."""

    def __init__(self, *verdicts: dict[str, tuple[str, str]]) -> None:
        self.asked: list[list[str]] = []
        self._reports = [told(one) for one in verdicts]

    def __call__(self, root: Path, arguments: Sequence[str]) -> Report:
        self.asked.append(list(arguments))
        return self._reports[len(self.asked) - 1]


def test_mutant_is_killed_by_the_scenarios_of_its_promise() -> None:
    run = Told({MUTANT.broken: ("failed", "agent")})
    trial = attempt(MUTANT, PROVING, run, keep=None)

    assert (trial.fate, trial.stage, trial.others) == (Fate.KILLED, "agent", ())
    assert run.asked == [PROVING[MUTANT.broken]]


def test_kill_at_another_stage_is_told() -> None:
    run = Told({MUTANT.broken: ("failed", "iam")})
    trial = attempt(MUTANT, PROVING, run, keep=None)

    assert (trial.good, trial.stage, trial.named) == (True, "iam", "agent")
    assert line(trial).plain.startswith("✓ agent-host-not-checked  agent.host at iam, not agent")


@pytest.mark.parametrize(("blamed", "fate"), [("eks-auth", Fate.KILLED), ("agent", Fate.MISPLACED)])
def test_mutant_that_names_a_stage_is_killed_there_alone(blamed: str, fate: Fate) -> None:
    run = Told({MUTANT.broken: ("failed", blamed)})
    trial = attempt(replace(MUTANT, stage="eks-auth"), PROVING, run, keep=None)

    assert (trial.fate, trial.named) == (fate, "eks-auth")
    assert bool(trial.message) is (fate is Fate.MISPLACED)


def test_whole_suite_tells_who_else_noticed() -> None:
    run = Told({MUTANT.broken: ("failed", "agent"), OTHER: ("failed", "iam")})
    trial = attempt(MUTANT, PROVING, run, whole=True, keep=None)

    assert (trial.good, trial.others) == (True, (OTHER,))
    assert run.asked == [[]]


def test_mutant_that_only_another_promise_notices_is_not_killed() -> None:
    green = {MUTANT.broken: ("passed", "")}
    run = Told(green, green | {OTHER: ("failed", "iam")})
    trial = attempt(MUTANT, PROVING, run, keep=None)

    assert (trial.fate, trial.others, trial.good) == (Fate.ELSEWHERE, (OTHER,), False)
    assert run.asked == [PROVING[MUTANT.broken], []]


def test_mutant_that_nobody_notices_survives() -> None:
    green = {MUTANT.broken: ("passed", "")}
    trial = attempt(MUTANT, PROVING, Told(green, green), keep=None)

    assert (trial.fate, trial.others) == (Fate.SURVIVED, ())
    assert MUTANT.because in trial.message


@pytest.mark.parametrize("verdict", ["error", "skipped"])
def test_promise_that_nobody_decided_is_no_kill(verdict: str) -> None:
    trial = attempt(MUTANT, PROVING, Told({MUTANT.broken: (verdict, "")}), keep=None)

    assert trial.fate is Fate.TROUBLE


def test_mutant_that_does_not_fit_any_more_is_trouble() -> None:
    trial = attempt(replace(MUTANT, old="nowhere to be found"), PROVING, Told(), keep=None)

    assert trial.fate is Fate.TROUBLE
    assert "does not fit" in trial.message


ROW = Expectation(
    "s3-ignores-policies", "for this test", {"iam": ("s3.read.write",)}, errors=(), may=()
)


@pytest.mark.parametrize(
    ("seen", "wrong"),
    [
        ({"s3.read.write": ("failed", "iam"), "agent.path": ("passed", "")}, ""),
        ({"agent.path": ("skipped", "")}, ""),
        ({"s3.read.write": ("failed", "sts")}, "s3.read.write: failed at sts, not failed at iam"),
        ({"s3.read.write": ("passed", "")}, "s3.read.write: passed, not failed at iam"),
        ({"agent.path": ("failed", "agent")}, "agent.path: failed at agent, not passed"),
        ({"agent.path": ("error", "")}, "agent.path: error, not passed"),
    ],
)
def test_fault_must_turn_red_what_its_row_says(
    seen: dict[str, tuple[str, str]], wrong: str
) -> None:
    run = Told(seen)
    trial = attempt_fault(ROW, run)

    assert (trial.good, trial.message) == (not wrong, wrong)
    assert run.asked == [["--fault", "s3-ignores-policies"]]


def row(fate: Fate, stage: str = "agent") -> Trial:
    return Trial("name", "agent", "agent.host", fate, stage, "agent", (), 1.5, "")


def test_table_says_whether_all_are_killed() -> None:
    good, bad = [row(Fate.KILLED)], [row(Fate.KILLED), row(Fate.SURVIVED)]

    assert headline(good).startswith("all 1 broken clusters are killed")
    assert headline(bad).startswith("1 of 2 broken clusters are not killed")
    assert headline([row(Fate.KILLED, "iam")]).endswith("; 1 blame another stage than it names")
    assert '"killed": true' in as_json(good, seconds=1.5)
    assert '"fate": "survived"' in as_json(bad, seconds=1.5)
