import pytest

from conformance.errors import HarnessError
from conformance.faults import FAULTS
from conformance.mutants.faults import Expectation, chosen, expectations
from conformance.requirements import catalogue
from conformance.stages import Stage

IDS = ["s3.own", "s3.other", "agent.host", "agent.host.first"]


def test_every_fault_has_an_expectation() -> None:
    assert list(expectations()) == list(FAULTS)


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_turns_something_red_and_leaves_something_green(fault: str) -> None:
    row = expectations()[fault]

    assert row.because
    assert set(row.fails) <= set(Stage)
    assert row.fails or row.errors
    assert len(row.named) == len(set(row.named)) < len(catalogue())


def test_every_stage_can_be_blamed() -> None:
    assert {stage for row in expectations().values() for stage in row.fails} == set(Stage)


def test_patterns_add_and_take_away_in_their_order() -> None:
    assert chosen(["s3.*", "agent.host"], IDS) == ("s3.own", "s3.other", "agent.host")
    assert chosen(["*", "!agent.*", "agent.host"], IDS) == ("s3.own", "s3.other", "agent.host")
    assert chosen([], IDS) == ()


@pytest.mark.parametrize("patterns", [["sqs.*"], ["s3.*", "s3.own"], ["s3.*", "!agent.*"]])
def test_pattern_that_does_nothing_is_refused(patterns: list[str]) -> None:
    with pytest.raises(HarnessError, match="does nothing"):
        chosen(patterns, IDS)


def test_row_without_anything_red_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Expectation("x", "y", {"iam": ("s3.own",)}, errors=("s3.other",), may=())

    assert row.named == ["s3.own", "s3.other"]
