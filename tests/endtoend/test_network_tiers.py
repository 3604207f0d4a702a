"""
The suite on each kind of network that a machine may allow, and for users without rights.

Where namespaces are not allowed the result is partial, and says so; everywhere else it
is the same. A run as an unprivileged user is a run as somebody to whom nothing here
belongs.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from conformance.environment import Capability
from tests.endtoend.command import ALL_PASSED, SLICE, Command, surroundings

NEED_ISOLATION = {"injection.unassociated.agent-not-asked", "separation.node"}
NOBODY = 65534


def test_without_namespaces_the_result_is_partial(command: Command) -> None:
    ran = command.run("--profile", "core", "-n", "2", "--network", "loopback")
    report = ran.report
    skipped = {one.id: one for one in report.requirements if one.verdict == "skipped"}

    assert set(skipped) >= NEED_ISOLATION
    for one in skipped.values():
        if ALL_PASSED[one.id][0] == "skipped":
            continue  # Everywhere else, too.
        assert "node-isolation, which target embedded does not have here" in one.reason, one.id
    wanted = {id_: ALL_PASSED[id_] for id_ in ran.selected}
    assert ran.selected == wanted | dict.fromkeys(skipped, ("skipped", "")), ran.said
    assert (ran.code, report.result) == (4, "partial")
    assert Capability.NODE_ISOLATION not in report.capabilities
    assert "PARTIAL" in ran.said


def why_no_user_namespaces(**user: Any) -> str:
    tried = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--net", "true"],
        capture_output=True,
        text=True,
        check=False,
        **user,
    )
    return str(tried.stderr).strip()


def test_root_may_choose_user_namespaces(command: Command) -> None:
    if reason := why_no_user_namespaces():
        pytest.skip(f"this machine allows no user namespaces: {reason}")
    ran = command.run("-n", "0", "-k", "separation and not cluster", "--network", "userns")

    assert ran.all_passed, ran.said
    assert "separation.node" in ran.selected
    assert ran.code == 0
    assert Capability.NODE_ISOLATION in ran.report.capabilities


@pytest.fixture
def nobody() -> Iterator[Command]:
    """The command for a user whose home is a folder of their own, and who has nothing else."""
    if os.geteuid() != 0:
        pytest.skip("only root can run something as another user; this run itself is one")
    who: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    with TemporaryDirectory(prefix="nobody-") as home:
        os.chown(home, NOBODY, NOBODY)
        try:
            subprocess.run(
                [sys.executable, "-c", "import conformance.cli.app"],
                cwd=home,
                env=surroundings(HOME=home),
                check=True,
                capture_output=True,
                **who,
            )
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"the interpreter or the project is closed to other users: {error}")
        if reason := why_no_user_namespaces(cwd=home, **who):
            pytest.skip(f"this machine allows other users no user namespaces: {reason}")
        yield Command(Path(home), **who)


def test_unprivileged_user_gets_the_same(nobody: Command) -> None:
    ran = nobody.run(*SLICE, "-n", "2", HOME=str(nobody.folder), TMPDIR=str(nobody.folder))

    assert ran.all_passed, ran.said
    assert ran.code == 0
    assert ran.folder.stat().st_uid == NOBODY
