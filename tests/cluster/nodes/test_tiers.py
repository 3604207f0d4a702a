import asyncio
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from conformance.cluster.nodes.loopback import LoopbackNetwork
from conformance.cluster.nodes.namespaces import NamespaceThread
from conformance.cluster.nodes.preflight import detect
from conformance.errors import HarnessError

ROOT = Path(__file__).parents[3]
PRINT = "from conformance.cluster.nodes.preflight import detect; print(detect({}))"


def run_as(user: int, code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        user=user,
        group=user,
        extra_groups=[],
        cwd="/",
        env={"PATH": os.defpath, "PYTHONPATH": str(ROOT)},
    ).stdout


def test_the_machine_says_what_it_can_and_why_not_more(machine: Any) -> None:
    order = ["root", "userns", "loopback"]
    assert list(machine["reasons"]) == order[: order.index(machine["tier"])]
    assert bool(machine["bubblewrap"]) != bool(machine["bubblewrap_reason"])


def test_loopback_is_always_possible() -> None:
    assert detect("loopback")["tier"] == "loopback"


def test_a_tier_that_is_named_and_impossible_is_an_error(nobody: int) -> None:
    code = (
        "from conformance.cluster.nodes.preflight import detect\n"
        "from conformance.errors import HarnessError\n"
        "try:\n    detect('root')\nexcept HarnessError as error:\n    print(error)\n"
    )
    assert "--network root does not work on this machine" in run_as(nobody, code)


def test_an_unprivileged_user_does_not_get_the_root_tier(nobody: int) -> None:
    assert "'root': '[Errno 1]" in run_as(nobody, PRINT.format("'auto'"))


def test_a_trial_that_dies_is_trouble_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(HarnessError, match="the trial died"):
        detect()


def test_agents_share_one_port_on_loopback() -> None:
    async def check() -> None:
        thread = NamespaceThread()
        network = LoopbackNetwork(thread)
        first, second = await network.add_node(), await network.add_node()
        with (
            first.listen("127.0.0.1", network.agent_port) as one,
            second.listen("127.0.0.1", network.agent_port) as other,
        ):
            assert one.getsockname() == other.getsockname()
        network.close()
        thread.close()

    asyncio.run(check())


def test_jobs_of_the_thread_run_in_order_and_raise_to_the_caller() -> None:
    thread = NamespaceThread()
    seen: list[int] = []
    for number in range(3):
        thread.call(partial(seen.append, number))
    with pytest.raises(ZeroDivisionError):
        thread.call(lambda: 1 // 0)
    thread.close()
    assert seen == [0, 1, 2]
