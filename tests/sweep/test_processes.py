import os
import subprocess
import sys
from dataclasses import replace

import pytest

from conformance.processes import Stamp


def test_this_process_lives() -> None:
    assert Stamp.own().alive


def test_a_stamp_survives_being_written() -> None:
    assert Stamp.parse(str(Stamp.own())) == Stamp.own()


def test_a_process_that_ended_is_dead(dead: Stamp) -> None:
    assert dead.alive is False


def test_a_pid_that_was_given_to_somebody_else_is_not_the_same_process() -> None:
    own = Stamp.own()
    assert replace(own, started=own.started + 1).alive is False


def test_of_another_machine_or_container_nobody_knows() -> None:
    assert replace(Stamp.own(), boot="another").alive is None
    assert replace(Stamp.own(), namespace="another").alive is None


def test_a_zombie_is_dead() -> None:
    program = "from conformance.processes import Stamp; print(Stamp.own(), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        stamp = Stamp.parse(process.stdout.readline().strip())
        assert stamp.alive
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert stamp.alive is False


@pytest.mark.parametrize("text", ["", "a/b/c", "a/b/c/d"])
def test_what_is_no_stamp_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"invalid literal|not enough values"):
        Stamp.parse(text)
