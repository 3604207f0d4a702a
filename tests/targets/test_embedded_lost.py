import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance import targets
from conformance.environment import Aws, Cluster, Environment
from conformance.events import EventLog


@pytest.fixture
def environment() -> Iterator[Environment]:
    """Of no process at all; its folder is short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="lost-"))
    (folder / "clusters" / "one").mkdir(parents=True)
    yield Environment(
        target="embedded",
        folder=folder,
        aws=Aws(region="eu-west-1", account_id="000000000001"),
        cluster=Cluster(name="one", arn="arn", kubeconfig=folder / "kubeconfig", context="one"),
        capabilities=frozenset(),
        network="root",
        probe_image="probe",
        provider="embedded",
        parts={},
        admin_socket=folder / "aws.sock",
        pid=2**22 + 1,  # above any pid_max (proc(5))
    )
    shutil.rmtree(folder, ignore_errors=True)


def listening(path: Path) -> socket.socket:
    door = socket.socket(socket.AF_UNIX)
    door.bind(str(path))
    door.listen(1)
    return door


def test_part_that_does_not_listen_any_more_is_named(environment: Environment) -> None:
    aws = listening(environment.folder / "aws.sock")
    cluster = listening(environment.folder / "clusters" / "one" / "control.sock")
    assert targets.lost(environment) == ""

    cluster.close()
    assert targets.lost(environment) == "cluster process of one has ended before its time"

    aws.close()
    (environment.folder / "aws.log").write_text("early\nMemoryError: no more\n")
    assert "emulated AWS" in targets.lost(environment)
    assert "its log ends: MemoryError: no more" in targets.lost(environment)


def test_part_that_is_too_busy_to_accept_is_not_lost(environment: Environment) -> None:
    with (
        listening(environment.folder / "aws.sock"),
        listening(environment.folder / "clusters" / "one" / "control.sock"),
    ):
        answers = [targets.lost(environment) for _ in range(5)]
    assert answers == [""] * 5


def test_environment_that_was_killed_is_taken_away(environment: Environment) -> None:
    environment.write()
    targets.stop(environment, EventLog(None))
    targets.stop(environment, EventLog(None))
    assert not environment.folder.exists()


def test_pid_of_somebody_else_is_left_alone(environment: Environment) -> None:
    mine = environment.model_copy(update={"pid": os.getpid()})
    targets.stop(mine, EventLog(None))
    assert not environment.folder.exists()
