from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from conformance.errors import HarnessError
from conformance.events import EvidenceSeen, StepFinished, StepStarted, TroubleSeen
from conformance.reports import Report, judge

if TYPE_CHECKING:
    from tests.reports.conftest import Story


def verdicts(report: Report) -> Any:
    return {requirement.id: requirement.verdict.value for requirement in report.requirements}


def test_all_kept(good: Story) -> None:
    report = judge(good.tell())
    assert (report.result, report.exit_code) == ("passed", 0)
    assert report.headline == "all 3 required promises hold"
    assert report.remarks == []


WORST = [
    (["passed", "skipped"], "skipped"),
    (["divergent", "skipped"], "skipped"),
    (["skipped", "error"], "error"),
    (["error", "failed"], "failed"),
    (["passed", "divergent"], "divergent"),
    (["skipped", None], "not run"),
    ([None, "error"], "error"),
]


@pytest.mark.parametrize(("ends", "worst"), WORST)
def test_requirement_is_as_good_as_its_worst_scenario(
    story: Story, ends: list[str | None], worst: str
) -> None:
    for number, end in enumerate(ends):
        story.scenario(f"test_{number}", "a.one", verdict=end)
    assert verdicts(judge(story.tell()))["a.one"] == worst


RESULTS = [
    ("a.two", "failed", "failed", 1),
    ("a.two", "error", "error", 3),
    ("a.two", "skipped", "partial", 4),
    ("a.two", "divergent", "passed", 0),
    ("b.three", "failed", "failed", 1),
    ("b.three", "skipped", "passed", 0),
]


@pytest.mark.parametrize(("id_", "end", "result", "code"), RESULTS)
def test_result_follows_from_the_worst_requirement(
    good: Story, id_: str, end: str, result: str, code: int
) -> None:
    good.scenario("test_more", id_, verdict=end)
    report = judge(good.tell())
    assert (report.result, report.exit_code) == (result, code)


def test_provisional_failure_is_said_and_breaks_nothing(good: Story) -> None:
    good.levels["c.four"] = "provisional"
    report = judge(good.scenario("test_four", "c.four", verdict="failed").tell())
    assert report.result == "passed"
    assert report.remarks == ["Provisional promises broken, which fails no run: c.four."]


def test_core_requirement_without_scenario_is_partial(good: Story) -> None:
    good.levels["c.four"] = "core"
    report = judge(good.tell())
    assert report.result == "partial"
    assert report.headline == "nothing is broken, but 1 core promise is unproved"
    assert report.remarks == ["Core promises that nothing proved: c.four."]


def test_selection_is_said_and_leaves_the_rest_unjudged(story: Story) -> None:
    story.scenario("test_one", "a.one")
    story.collected |= {"selection": "-k one", "expected": ["a.one"], "left_out": {"x": ["a.two"]}}
    report = judge(story.tell())
    assert report.result == "passed"
    assert verdicts(report)["a.two"] == "not selected"
    assert report.remarks == ["A selection: -k one; 1 scenario left out."]


def test_trouble_outside_of_scenarios_is_an_error(good: Story) -> None:
    good.extra.append(TroubleSeen(where="environment", message="no answer"))
    report = judge(good.tell())
    assert (report.result, report.exit_code) == ("error", 3)
    assert "environment" in report.headline


def test_run_that_was_killed_is_an_error(good: Story) -> None:
    good.ended = None
    report = judge(good.tell())
    assert report.result == "error"
    assert report.trouble[0].message == "it was killed before it could end"
    assert judge(good.tell(), running=True).result == "passed"


def test_interrupted_run_keeps_its_exit_code(good: Story) -> None:
    good.scenario("test_late", "a.one", verdict=None)
    good.ended = {"exit_code": 130, "interrupted": True}
    report = judge(good.tell())
    assert (report.result, report.exit_code) == ("partial", 130)
    assert report.remarks[0] == "Interrupted after 3 of 4 scenarios."


def test_same_evidence_is_shown_once(good: Story) -> None:
    seen = EvidenceSeen(
        scenario="scenarios/test_x.py::test_one", subject="s", evidence={"outcome": "granted"}
    )
    good.extra += [seen, seen.model_copy(update={"at": seen.at + timedelta(seconds=1)})]
    assert len(judge(good.tell()).scenarios[0].evidence) == 2


def test_failure_names_stage_and_reason_of_the_guilty(failed: Story) -> None:
    guilty = judge(failed.tell()).requirements[1]
    assert (guilty.stage, guilty.verdict) == ("iam", "failed")
    assert guilty.reason.startswith("call 'x'")


def test_events_of_no_run_are_refused() -> None:
    with pytest.raises(HarnessError, match="of no run"):
        judge([])


@pytest.mark.parametrize("where", ["started", "ready"])
def test_faults_are_told_whoever_switched_them_on(good: Story, where: str) -> None:
    getattr(good, where)["faults"] = ["webhook-misses"]
    report = judge(good.tell())
    assert report.faults == ["webhook-misses"]
    assert report.remarks == ["Faults were switched on: webhook-misses."]


def test_scenario_carries_what_was_waited_for_while_it_ran(story: Story) -> None:
    pod = StepFinished(what="pod", step="reader", seconds=0.7, ok=True, bound_seconds=90)
    story.while_running("test_one", "a.one", story.waited("propagated", used=0.5, bound=2), pod)
    story.while_running("test_two", "a.two")
    one, two = judge(story.tell()).scenarios

    assert [(w.what, w.used_seconds, w.bound_seconds) for w in one.waits] == [
        ("propagated", 0.5, 2.0)
    ]
    assert [(t.step, t.seconds, t.bound_seconds) for t in one.timings] == [("reader", 0.7, 90.0)]
    assert (two.waits, two.timings) == ([], [])


def test_what_another_worker_waited_for_is_not_the_scenarios(story: Story) -> None:
    elsewhere = story.waited("propagated", used=0.5, bound=2).model_copy(update={"worker": "gw1"})
    story.while_running("test_one", "a.one", elsewhere)

    assert judge(story.tell()).scenarios[0].waits == []


def test_every_verdict_carries_its_command(good: Story) -> None:
    for scenario in judge(good.tell()).scenarios:
        assert scenario.reproduce == f"conformance run {scenario.id} --seed 7"


def test_evidence_of_a_scenario_that_was_killed_is_kept(story: Story) -> None:
    fixture, id_ = "scenarios/test_x.py::seen", "scenarios/test_x.py::test_one"
    story.scenario("test_one", "a.one", verdict=None)
    story.events += [
        StepStarted(what="scenario", step=id_),
        StepStarted(what="fixture", step=fixture),
        EvidenceSeen(scenario=fixture, subject="shop/reader", evidence={"stage": "iam"}),
    ]

    assert [seen.subject for seen in judge(story.tell()).scenarios[0].evidence] == ["shop/reader"]


def test_same_question_of_a_wait_is_shown_once(story: Story) -> None:
    id_ = "scenarios/test_x.py::test_one"
    story.events += [
        EvidenceSeen(scenario=id_, subject="shop/reader", evidence={"latency_ms": number})
        for number in (1.5, 2.5)
    ]
    story.scenario("test_one", "a.one")

    (seen,) = judge(story.tell()).scenarios[0].evidence
    assert seen.evidence == {"latency_ms": 1.5}


def test_what_was_skipped_is_told_by_reason(story: Story) -> None:
    needs = "needs node-isolation, which target embedded does not have here"
    for name, id_, message in (
        ("test_one", "a.one", needs),
        ("test_two", "a.two", needs),
        ("test_three", "b.three", "needs kubectl."),
    ):
        story.scenario(name, id_, verdict="skipped", message=message)
    assert judge(story.tell()).remarks == [
        f"Core promises skipped: a.one, a.two; {needs}.",
        "Extended promises skipped: b.three; needs kubectl.",
    ]
