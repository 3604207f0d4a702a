"""
Every fault turns red what depends on the broken part, there and nowhere else.

The table is `scenarios/fault_expectations.toml`. Here each row is compared on the files of
`SLICE`, which break at every stage and take seconds; `conformance mutants --faults`
(`tox -e mutants`) compares it on the whole suite. EKS Auth being away makes everybody try
again, as the SDKs do, so that run mostly waits: it has an environment of its own and goes
on beside the others.
"""

from collections.abc import Iterator

import pytest

from conformance.emulator.admin import AdminClient
from conformance.environment import Environment
from conformance.faults import EKS_AUTH_DOWN, FAULTS
from conformance.mutants.faults import expectations
from tests.endtoend.command import SLICE, Begun, Command, Ran

SLOW = EKS_AUTH_DOWN.name
OTHERS = [name for name in FAULTS if name != SLOW]


@pytest.fixture(scope="module", autouse=True)
def outage(command: Command) -> Iterator[Begun]:
    with command.begin(*SLICE, "-n", "0", "--fault", SLOW) as begun:
        yield begun


def assert_as_in_the_table(fault: str, ran: Ran) -> None:
    assert ran.report.faults == [fault], ran.said
    assert expectations()[fault].wrong(ran.report) == []
    broken = [one for one in ran.report.requirements if one.verdict == "failed"]
    assert ran.code == (1 if broken else 3), ran.said


@pytest.mark.parametrize("fault", OTHERS)
def test_fault_turns_red_what_it_breaks_and_nothing_else(
    fault: str, running: Environment, command: Command
) -> None:
    assert running.admin_socket is not None
    admin = AdminClient(running.admin_socket)
    admin.set_faults([fault])
    try:
        ran = command.run(*SLICE, "-n", "0", "--environment", running.file)
    finally:
        admin.set_faults([])

    assert_as_in_the_table(fault, ran)


def test_dead_part_is_trouble_and_no_broken_promise(outage: Begun) -> None:
    ran = outage.end()

    assert_as_in_the_table(SLOW, ran)
    reasons = {one.id: one.reason for one in ran.report.requirements if one.verdict == "error"}
    assert [id_ for id_, reason in reasons.items() if "nobody decided it" not in reason] == []
