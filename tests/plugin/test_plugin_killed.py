"""A worker that is killed costs the scenario that it ran, and nothing else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from xdist.workermanage import WorkerController

from conformance.errors import HarnessError
from conformance.run import scheduling

if TYPE_CHECKING:
    from tests.plugin.conftest import Suite

PASSES = '@pytest.mark.proves("a.one")\ndef test_{name}(world): world.look("granted", "service")\n'
DIES = '@pytest.mark.proves("a.one")\ndef test_{name}(world): os.kill(os.getpid(), 9)\n'
DIES_TOGETHER = """
@pytest.mark.proves("a.one")
def test_{name}(world):
    # A pipe opens when both of its ends do.
    open("meeting", "r" if "{name}" == "a1" else "w")
    os.kill(os.getpid(), 9)
"""


def file(*scenarios: str, name: str) -> str:
    return "".join(
        text.format(name=f"{name}{number}") for number, text in enumerate(scenarios, start=1)
    )


def shared(suite: Suite, workers: int) -> pytest.RunResult:
    return suite.run(f"-n{workers}", "--dist", "loadscope", "--no-loadscope-reorder", child=True)


@pytest.mark.long
def test_worker_killed_in_its_second_file_costs_one_scenario(suite: Suite) -> None:
    suite.scenarios(
        a=file(PASSES, PASSES, name="a"),
        b=file(PASSES, DIES, PASSES, name="b"),
        c=file(PASSES, PASSES, name="c"),
    )
    assert shared(suite, 1).ret == 3
    others = ("a1", "a2", "b1", "b3", "c1", "c2")
    assert suite.verdicts == {f"test_{name}": "passed" for name in others} | {"test_b2": "error"}
    assert suite.count("stops") == 1


@pytest.mark.long
def test_both_workers_killed_at_once_cost_two_scenarios(suite: Suite) -> None:
    os.mkfifo(suite.path / "meeting")
    suite.scenarios(
        a=file(DIES_TOGETHER, PASSES, name="a"),
        b=file(DIES_TOGETHER, PASSES, name="b"),
        c=file(PASSES, name="c"),
    )
    assert shared(suite, 2).ret == 3
    died = {"test_a1": "error", "test_b1": "error"}
    assert suite.verdicts == died | dict.fromkeys(("test_a2", "test_b2", "test_c1"), "passed")
    assert not any("INTERNAL" in one.message for one in suite.report.trouble)


@pytest.mark.long
def test_scenarios_that_kill_their_workers_are_not_tried_again(suite: Suite) -> None:
    suite.scenarios(a=file(PASSES, name="a"), b=file(DIES, DIES, name="b"))
    assert shared(suite, 1).ret == 3
    assert suite.verdicts == {"test_a1": "passed", "test_b1": "error", "test_b2": "error"}


def test_xdist_that_lacks_a_name_is_named() -> None:
    with pytest.raises(HarnessError, match=r"WorkerController\.gone is gone"):
        scheduling.check({WorkerController: ("gone",)})
