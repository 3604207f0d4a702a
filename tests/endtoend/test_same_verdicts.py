"""
However scenarios are run, the verdicts are the same.

Two runs of a part of the suite go on at once, each with an environment of its own: one
by the command with four workers, one by plain pytest in a single process. The shared
environment serves for runs in another order and for files that are run alone. The
whole suite is run in other orders by `tox -e order`.
"""

from contextlib import ExitStack

import pytest

from conformance.environment import Environment
from tests.endtoend.command import FILES, SLICE, Command, Ran

SELECTION = SLICE[len(FILES) :]


@pytest.fixture(scope="module")
def both(command: Command) -> dict[str, Ran]:
    with (
        command.begin(*SLICE, "-n", "4") as one,
        command.begin(*SLICE, "-n", "0", module="pytest") as other,
    ):
        return {"conformance run -n 4": one.end(), "pytest scenarios -n 0": other.end()}


@pytest.mark.parametrize("which", ["conformance run -n 4", "pytest scenarios -n 0"])
def test_two_runs_at_once_both_pass(which: str, both: dict[str, Ran]) -> None:
    ran = both[which]

    assert ran.all_passed, ran.said
    assert ran.code == 0


def test_four_workers_and_none_run_the_same_scenarios(both: dict[str, Ran]) -> None:
    by_command, by_pytest = both.values()

    assert {one.worker for one in by_command.report.scenarios} > {"gw0", "gw1"}
    assert {one.worker for one in by_pytest.report.scenarios} == {"main"}
    assert by_command.scenarios == by_pytest.scenarios
    assert by_command.verdicts == by_pytest.verdicts


def test_pytest_tells_what_the_command_tells(both: dict[str, Ran]) -> None:
    for ran in both.values():
        assert ran.report.headline in ran.said
        assert "separation.foreign-signature" in ran.said
        assert "report.html" in ran.said


def test_files_in_another_order_give_the_same(running: Environment, command: Command) -> None:
    ran = command.run(*reversed(FILES), *SELECTION, "-n", "0", "--environment", running.file)

    assert next(iter(ran.scenarios)).partition("::")[0] in FILES[-1]
    assert ran.all_passed, ran.said
    assert ran.code == 0


def test_each_file_alone_gives_the_same(
    running: Environment, command: Command, both: dict[str, Ran]
) -> None:
    """All at the same time, too: runs on one environment do not meet."""
    with ExitStack() as ending:
        begun = [
            ending.enter_context(
                command.begin(file, *SELECTION, "-n", "0", "--environment", running.file)
            )
            for file in FILES
        ]
        alone = [one.end() for one in begun]

    scenarios: dict[str, str] = {}
    for ran in alone:
        assert ran.code == 0, ran.said
        scenarios |= ran.scenarios
    assert scenarios == both["pytest scenarios -n 0"].scenarios
