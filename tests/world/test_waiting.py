import ast
from datetime import timedelta
from pathlib import Path

import pytest

from conformance.events import Event, EventLog, Waited
from conformance.world.waiting import eventually

SOON = timedelta(seconds=2)
AT_ONCE = timedelta(0)


def waited(log: EventLog) -> list[Event]:
    seen: list[Event] = []
    log.listeners.append(seen.append)
    return seen


def test_answers_are_asked_for_until_three_in_a_row_are_true() -> None:
    log = EventLog(None)
    seen = waited(log)
    answers = iter([0, 0, 5, 6, 7, 8])

    assert eventually("five", lambda: next(answers), within=SOON, log=log) == 7

    assert isinstance(seen[0], Waited)
    assert (seen[0].attempts, seen[0].ok, seen[0].bound_seconds) == (5, True, 2)
    assert seen[0].consecutive == 3


def test_one_is_enough_where_that_is_said() -> None:
    answers = iter([0, 7])

    assert eventually("7", lambda: next(answers), within=SOON, log=EventLog(None), consecutive=1)


def test_one_false_answer_begins_the_row_anew() -> None:
    answers = iter([1, 1, 0, 1, 1, 1])

    eventually("ones", lambda: next(answers), within=SOON, log=EventLog(None))

    assert list(answers) == []


def test_assertion_means_not_yet() -> None:
    answers = iter([0, 7, 7, 7])

    def ask() -> int:
        answer = next(answers)
        assert answer
        return answer

    assert eventually("seven", ask, within=SOON, log=EventLog(None)) == 7


def test_last_assertion_is_what_is_raised_in_the_end() -> None:
    def ask() -> int:
        raise AssertionError("still wrong")

    with pytest.raises(AssertionError, match="still wrong"):
        eventually("right", ask, within=AT_ONCE, log=EventLog(None))


def test_last_answer_is_told_in_the_end() -> None:
    with pytest.raises(AssertionError, match=r"seven: not within 0 s, asked 1 times; last: \[\]"):
        eventually("seven", list, within=AT_ONCE, log=EventLog(None))


def test_row_that_has_begun_in_time_is_seen_to_its_end() -> None:
    answers = iter([1, 1, 1])
    log = EventLog(None)
    seen = waited(log)

    eventually("ones", lambda: next(answers), within=AT_ONCE, log=log)

    assert isinstance(seen[0], Waited)
    assert (seen[0].attempts, seen[0].ok) == (3, True)


def test_row_that_breaks_when_time_is_up_is_raised() -> None:
    answers = iter([1, 1, 0])

    with pytest.raises(AssertionError, match="not within 0 s, asked 3 times; last: 0"):
        eventually("ones", lambda: next(answers), within=AT_ONCE, log=EventLog(None))


def test_time_that_was_used_ends_with_the_first_good_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter([0.0, 1.0, 1.5, 9.0])
    monkeypatch.setattr("conformance.world.waiting.time.monotonic", lambda: next(clock))
    log = EventLog(None)
    seen = waited(log)

    eventually("ones", lambda: 1, within=SOON, log=log)

    assert isinstance(seen[0], Waited)
    assert seen[0].used_seconds == 1


def test_fewer_than_three_in_a_row_have_a_reason_by_name() -> None:
    root = Path(__file__).parents[2]
    files = [*root.glob("scenarios/*.py"), *root.glob("conformance/world/*.py")]
    given = [
        ast.unparse(keyword.value)
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "consecutive"
    ]

    assert "ONCE" in given
    assert [value for value in given if value.isdecimal()] == []
