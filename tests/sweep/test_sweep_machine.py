import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from conformance.processes import Stamp
from conformance.sweep import machine

PRETENDS = "import sys, time; print('up', flush=True); time.sleep(600)"


@contextmanager
def part(folder: Path, *, lifeline: bool, tmp_path: Path) -> Iterator[tuple[int, int | None]]:
    """A process that looks like an AWS process and never ends by itself; (pid, its lifeline)."""
    package = tmp_path / "conformance" / "emulator"
    package.mkdir(parents=True, exist_ok=True)
    for file in (package.parent / "__init__.py", package / "__init__.py"):
        file.touch()  # Or the real one is found.
    (package / "__main__.py").write_text(PRETENDS)
    reading, writing = os.pipe()
    line = ("--lifeline-fd", str(reading)) if lifeline else ()
    process = subprocess.Popen(
        [sys.executable, "-m", "conformance.emulator", "--dir", str(folder), *line],
        cwd=tmp_path,
        pass_fds=(reading,),
        stdout=subprocess.PIPE,
    )
    os.close(reading)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield process.pid, writing
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        with suppress(OSError):  # The test cut it.
            os.close(writing)


def dead_environment(tmp: Path, name: str = "conformance-abcd1234") -> Path:
    folder = tmp / name
    folder.mkdir()
    for file in ("aws.json", "aws.log", "kubeconfig"):
        (folder / file).touch()
    return folder


def aged(path: Path) -> Path:
    os.utime(path, (time.time() - 120,) * 2)
    return path


def test_the_folder_of_a_dead_environment_goes(tmp: Path) -> None:
    folder = dead_environment(tmp)
    assert machine.clean(dry_run=False).folders == [str(folder)]
    assert not folder.exists()


def test_a_dry_run_removes_nothing(tmp: Path) -> None:
    folder = dead_environment(tmp)
    assert machine.clean(dry_run=True).folders == [str(folder)]
    assert folder.exists()


@pytest.mark.parametrize("name", ["conformance-notes", "conformance-abcd1234x", "other-abcd1234"])
def test_somebodys_own_folder_stays(tmp: Path, name: str) -> None:
    (tmp / name).mkdir()
    (tmp / name / "letter").touch()
    aged(tmp / name)
    assert machine.clean(dry_run=False).folders == []


def test_unknown_content_stays_in_a_folder_named_like_ours(tmp: Path) -> None:
    folder = tmp / "conformance-abcd1234"
    folder.mkdir()
    (folder / "letter").touch()
    aged(folder)
    assert machine.clean(dry_run=False).folders == []


def test_an_environment_that_is_starting_stays(tmp: Path) -> None:
    young = tmp / "conformance-young123"
    young.mkdir()
    (young / "aws.log").touch()
    old = tmp / "conformance-old12345"
    old.mkdir()
    aged(old)
    assert machine.clean(dry_run=False).folders == [str(old)]


def test_an_environment_without_lifeline_is_somebodys(tmp: Path, tmp_path: Path) -> None:
    folder = dead_environment(tmp)
    with part(folder, lifeline=False, tmp_path=tmp_path) as (pid, _):
        cleaned = machine.clean(dry_run=False)
        assert (cleaned.processes, cleaned.folders) == ([], [])
        assert machine.served(folder)
        assert psutil.pid_exists(pid)


def test_an_environment_whose_lifeline_is_held_lives(tmp: Path, tmp_path: Path) -> None:
    folder = dead_environment(tmp)
    with part(folder, lifeline=True, tmp_path=tmp_path):
        assert machine.clean(dry_run=False).folders == []
        assert machine.served(folder)


def test_an_orphan_is_ended_and_its_folder_goes(tmp: Path, tmp_path: Path) -> None:
    folder = dead_environment(tmp)
    with part(folder, lifeline=True, tmp_path=tmp_path) as (pid, lifeline):
        assert lifeline is not None
        os.close(lifeline)
        assert not machine.served(folder)
        cleaned = machine.clean(dry_run=False)
        assert cleaned.processes == [f"{pid} in {folder}"]
        assert cleaned.folders == [str(folder)]
        assert not cleaned.left
        assert not psutil.pid_exists(pid)


def test_one_that_is_deaf_to_sigterm_is_killed(
    tmp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "END_SECONDS", 0.2)
    folder = dead_environment(tmp)
    with part(folder, lifeline=True, tmp_path=tmp_path) as (pid, lifeline):
        assert lifeline is not None
        os.close(lifeline)
        os.kill(pid, signal.SIGSTOP)
        assert not machine.clean(dry_run=False).left


def test_orphans_in_other_places_are_left_alone(tmp: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    with part(folder, lifeline=True, tmp_path=tmp_path) as (_, lifeline):
        assert lifeline is not None
        os.close(lifeline)
        assert machine.clean(dry_run=False).processes == []


def test_the_meeting_place_of_a_dead_run_goes(tmp: Path, dead: Stamp) -> None:
    over, living = tmp / "conformance-run-over", tmp / "conformance-run-living"
    for folder, stamps in ((over, [dead]), (living, [dead, Stamp.own()])):
        folder.mkdir()
        for stamp in stamps:
            (folder / f"process-{stamp.pid}").write_text(str(stamp))
    assert machine.clean(dry_run=False).folders == [str(over)]


def test_a_socket_that_nobody_listens_to_goes(tmp: Path) -> None:
    over, living = tmp / "conformance-dead1234", tmp / "conformance-live1234"
    with socket.socket(socket.AF_UNIX) as left, socket.socket(socket.AF_UNIX) as listening:
        for folder, each in ((over, left), (living, listening)):
            folder.mkdir()
            each.bind(str(folder / "provider"))
        listening.listen()
        left.close()
        assert machine.clean(dry_run=True).folders == [str(over)]


def test_notes_about_a_real_cluster_go_with_their_run_only(tmp: Path) -> None:
    folder = tmp / "conformance-real1234"
    folder.mkdir()
    (folder / "environment.json").touch()
    aged(folder)
    assert machine.clean(dry_run=False).folders == []
    assert machine.clean(dry_run=False, notes=frozenset({folder})).folders == [str(folder)]


def test_processes_are_found_by_the_folder_they_work_in(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"], cwd=tmp_path) as process:
        assert [each.pid for each in machine.workers_in(tmp_path)] == [process.pid]
        process.kill()
