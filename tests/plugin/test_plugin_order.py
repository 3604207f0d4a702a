from typing import Any

import pytest

# The fixtures' types lie in conftest.py, which no test can import.
Suite = Any

FILE = """
@pytest.mark.proves("a.one")
@pytest.mark.parametrize("number", range(4))
def test_{}(number, world): world.look("granted", "service")
"""
OWN = "from conformance.targets.own import OwnEnvironment\nOWN = OwnEnvironment()\n"
FIRST = ["test_waits[0]", "test_waits[1]", "test_waits[2]", "test_waits[3]"]
SECOND = ["test_short[0]", "test_short[1]", "test_short[2]", "test_short[3]"]


@pytest.fixture
def ordered(suite: Suite) -> Suite:
    suite.scenarios(short=FILE.format("short"), waits=OWN + FILE.format("waits"))
    return suite


def order_of(suite: Suite, *options: str) -> list[str]:
    suite.run(*options)
    return list(suite.verdicts)


def test_files_that_wait_most_begin_first(ordered: Suite) -> None:
    assert order_of(ordered) == FIRST + SECOND


def test_files_that_say_that_they_take_long_come_next(suite: Suite) -> None:
    suite.scenarios(
        quick=FILE.format("quick"),
        slow="TAKES_LONG = True\n" + FILE.format("slow"),
        waits=OWN + FILE.format("waits"),
    )
    files = [name.partition("[")[0] for name in order_of(suite)]
    assert list(dict.fromkeys(files)) == ["test_waits", "test_slow", "test_quick"]


def test_reversed_is_reversed_inside_files_too(ordered: Suite) -> None:
    assert order_of(ordered, "--order", "reversed") == SECOND[::-1] + FIRST[::-1]


def test_shuffled_files_stay_whole_and_the_seed_gives_the_same_again(ordered: Suite) -> None:
    seen = order_of(ordered, "--order", "7")

    assert seen == order_of(ordered, "--order", "7")
    assert {frozenset(seen[:4]), frozenset(seen[4:])} == {frozenset(FIRST), frozenset(SECOND)}
    assert seen[:4] not in (FIRST, SECOND)


def test_workers_shuffle_alike(ordered: Suite) -> None:
    ordered.run("-n2", "--dist", "loadscope", "--order", "7")

    assert set(ordered.verdicts) == {*FIRST, *SECOND}
