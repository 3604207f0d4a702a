import threading
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from conformance.events import Event, EventLog, Waited
from conformance.world.measuring import percentile, times_until


class Measured:
    """A measurement, and what of it the report is told."""

    def __init__(
        self,
        so: Callable[[str], bool],
        names: Sequence[str] = ("one", "two"),
        *,
        within: float = 1,
        at_once: int = 1,
        consecutive: int = 1,
    ) -> None:
        self.told: list[Waited] = []
        self.changed: list[str] = []
        self._so, self._names, self._within = so, names, timedelta(seconds=within)
        self._at_once, self._consecutive = at_once, consecutive
        self._log = EventLog(None)
        self._log.listeners.append(self._hear)

    def took(self) -> dict[str, float]:
        return times_until(
            "so",
            self._names,
            self.changed.append,
            self._so,
            within=self._within,
            at_once=self._at_once,
            consecutive=self._consecutive,
            log=self._log,
        )

    def _hear(self, event: Event) -> None:
        if isinstance(event, Waited):
            self.told.append(event)


def test_percentile_is_one_of_the_values() -> None:
    values = [float(value) for value in range(1, 11)]

    assert (percentile(values, 50), percentile(values, 99), percentile(values, 100)) == (5, 10, 10)
    assert percentile([7.0], 50) == 7


def test_nobody_is_changed_before_it_can_be_asked_about() -> None:
    measured = Measured(lambda name: measured.changed[-1] == name, within=0)

    assert list(measured.took()) == measured.changed == ["one", "two"]


def test_time_until_the_first_good_answer_counts() -> None:
    answers = iter([False, True, True, True])
    measured = Measured(lambda _: next(answers), ["one"], consecutive=3)

    assert measured.took()["one"] >= 0.02
    assert next(answers, None) is None


def test_several_are_measured_at_once() -> None:
    both = threading.Barrier(2, timeout=5)
    measured = Measured(lambda _: both.wait() >= 0, at_once=2)

    assert set(measured.took()) == {"one", "two"}


def test_median_and_99th_percentile_go_into_the_report() -> None:
    measured = Measured(lambda _: True)
    took = sorted(measured.took().values())

    assert [wait.what for wait in measured.told] == ["so: p50 of 2", "so: p99 of 2"]
    assert [wait.used_seconds for wait in measured.told] == took
    assert all(wait.bound_seconds == 1 and wait.ok for wait in measured.told)


def test_what_is_never_so_breaks_the_promise_and_the_others_are_told() -> None:
    measured = Measured(lambda name: name == "one", ("one", "two", "three"), within=0)

    with pytest.raises(AssertionError, match="not within"):
        measured.took()

    assert "three" not in measured.changed
    assert [wait.what for wait in measured.told] == ["so: p50 of 1", "so: p99 of 1"]
    assert not any(wait.ok for wait in measured.told)
