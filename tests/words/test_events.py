from pathlib import Path

import pytest

from conformance.events import Event, EventLog, StepFinished, StepStarted, read_events


def test_events_of_all_workers_come_back_in_order_of_time(tmp_path: Path) -> None:
    first, second = (EventLog(tmp_path / f"events-{w}.ndjson", w) for w in ("gw0", "gw1"))
    first.append(StepStarted(what="pod", step="a"))
    second.append(StepStarted(what="pod", step="b"))
    first.append(StepStarted(what="pod", step="c"))

    events = read_events(tmp_path)

    assert [(e.worker, e.step) for e in events if isinstance(e, StepStarted)] == [
        ("gw0", "a"),
        ("gw1", "b"),
        ("gw0", "c"),
    ]


def test_line_cut_off_by_a_kill_is_passed_over(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events-gw0.ndjson")
    log.append(StepStarted(what="pod", step="a"))
    with (tmp_path / "events-gw0.ndjson").open("a") as file:
        file.write('{"kind": "step-sta')

    assert len(read_events(tmp_path)) == 1


def test_step_that_fails_is_finished_and_not_ok() -> None:
    log = EventLog(None)
    seen: list[Event] = []
    log.listeners.append(seen.append)

    with pytest.raises(ZeroDivisionError), log.step("pod", "a"):
        _ = 1 / 0

    assert isinstance(seen[1], StepFinished)
    assert not seen[1].ok
