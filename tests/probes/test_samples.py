import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conformance.errors import HarnessError
from conformance.probes.evidence import FORMAT, Evidence, PromiseBroken
from conformance.probes.samples import Samples, read_samples
from conformance.stages import Stage

START = datetime(2026, 11, 24, tzinfo=UTC)
DOWN = {"source": "agent", "status": 500, "code": "", "text": "[]"}
EXPIRED = {"source": "agent", "status": 400, "code": "", "text": "token is expired"}


def line(second: float, **told: Any) -> str:
    """One call that took 100 ms."""
    return json.dumps(
        {
            "sample": (START + timedelta(seconds=second)).timestamp(),
            "evidence": FORMAT,
            "call": "load",
            "operation": "agent",
            "latency_ms": 100.0,
            "injection": {},
            **told,
        }
    )


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


class Load(Samples):
    """Samples of a log, and the evidence that was looked at."""

    def __init__(self, *lines: str) -> None:
        self.looked: list[Evidence] = []
        samples = read_samples("".join(f"{each}\n" for each in lines)).get("load", [])
        super().__init__("load", samples, self.looked.append)


GOOD = [line(second, access_key="k1" if second < 3 else "k2") for second in range(6)]


def test_stretches_hold_what_lies_in_them_as_a_whole() -> None:
    load = Load(*GOOD)

    assert len(load.before(at(2.05))) == 2
    assert len(load.after(at(2.05))) == 3
    assert len(load.after(at(1)).before(at(3.1))) == 3


def test_every_assertion_wants_at_least_one_call() -> None:
    nothing = Load(*GOOD).after(at(60))

    for holds in (nothing.granted, nothing.unbroken):
        with pytest.raises(HarnessError, match="none was made"):
            holds()
    with pytest.raises(HarnessError, match="none was made"):
        nothing.denied(Stage.AGENT, "TokenExpired")
    with pytest.raises(HarnessError, match="none was made"):
        nothing.away(Stage.EKS_AUTH, "Unreachable")


def test_what_was_used_is_told_in_turn_and_once() -> None:
    assert Load(*GOOD).access_keys == ["k1", "k2"]
    assert Load(*GOOD, line(7, access_key="k1")).access_keys == ["k1", "k2", "k1"]


def test_one_refusal_breaks_the_promise_of_all() -> None:
    load = Load(*GOOD, line(7, refusal=EXPIRED))

    with pytest.raises(PromiseBroken) as broken:
        load.granted()
    assert broken.value.stage is Stage.AGENT
    assert len(load.refused) == 1


def test_part_that_is_away_is_trouble_unless_the_scenario_took_it_away() -> None:
    load = Load(*GOOD, line(7, refusal=DOWN))

    with pytest.raises(HarnessError, match="nobody decided"):
        load.granted()
    with pytest.raises(PromiseBroken, match=r"7\.00 s after the first of 7") as broken:
        load.unbroken()
    assert broken.value.stage is Stage.EKS_AUTH


def test_away_means_that_nothing_was_answered_from_memory() -> None:
    away = Load(line(0, refusal=DOWN), line(1, refusal=DOWN))
    assert away.away(Stage.EKS_AUTH, "Unreachable") is away

    with pytest.raises(PromiseBroken):
        Load(line(0, refusal=DOWN), line(1)).away(Stage.EKS_AUTH, "Unreachable")
    with pytest.raises(PromiseBroken):
        Load(line(0, refusal=EXPIRED)).away(Stage.EKS_AUTH, "Unreachable")


def test_report_gets_what_differs_from_the_call_before() -> None:
    load = Load(*GOOD)
    load.granted()

    assert [evidence.access_key for evidence in load.looked] == ["k1", "k2"]


def test_line_that_is_being_written_is_left_out() -> None:
    whole = f"{GOOD[0]}\n"

    assert len(read_samples(whole + GOOD[1][:50])["load"]) == 1
    assert len(read_samples(f"something else\n{whole}")["load"]) == 1


def test_line_of_another_version_is_refused() -> None:
    with pytest.raises(HarnessError, match="cannot be read"):
        read_samples(line(0, evidence=1) + "\n")
