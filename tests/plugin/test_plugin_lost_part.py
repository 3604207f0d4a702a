"""A part of the environment that dies: trouble of ours, whatever a scenario then saw."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.plugin.conftest import Suite

DIES = """
def die():
    from pathlib import Path
    Path("aws-has-ended").touch()
"""
BROKEN_BY_IT = (
    DIES
    + """
@pytest.mark.proves("a.one")
def test_one(world):
    die()
    raise PromiseBroken("read", Stage.IAM)

@pytest.mark.proves("a.two")
def test_two(world): world.look("granted", "service")
"""
)


def test_scenario_that_saw_a_part_die_is_an_error(suite: Suite) -> None:
    suite.scenarios(dies=BROKEN_BY_IT)
    assert suite.run().ret == 3
    assert suite.verdicts == {"test_one": "error", "test_two": "error"}
    assert {one.message for one in suite.report.scenarios} == {"emulated AWS has ended"}


UNNOTICED = (
    DIES
    + """
@pytest.mark.proves("a.one")
def test_one(world):
    world.look("granted", "service")
    die()
"""
)


def test_part_that_died_unnoticed_is_trouble(suite: Suite) -> None:
    suite.scenarios(dies=UNNOTICED)
    assert suite.run().ret == 3
    assert suite.verdicts == {"test_one": "passed"}
    assert [one.message for one in suite.report.trouble] == ["emulated AWS has ended"]
