"""However the command ends: 1 is for broken promises, and for nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conformance import cli

REQUIREMENTS = (sys.executable, "-m", "conformance", "requirements", "--json")


def ended(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["conformance", *arguments])
    with pytest.raises(SystemExit) as ending:
        cli.main()
    assert isinstance(ending.value.code, int)
    return ending.value.code


def test_reader_that_has_seen_enough_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(REQUIREMENTS, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_disk_that_is_full_exits_3_in_a_sentence() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(REQUIREMENTS, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 3
    assert done.stderr.startswith(b"error: this machine refuses: No space left on device\n")
    assert b"Traceback" not in done.stderr


def test_folder_that_is_gone_is_named_as_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert ended(monkeypatch, "run", "-k", "s3_read") == 3
    assert "the folder that this was started in is gone" in capsys.readouterr().err


def test_fault_of_our_own_exits_3_with_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing: dict[str, str] = {}
    monkeypatch.setattr(cli, "split_arguments", lambda _: nothing["nothing"])
    assert ended(monkeypatch, "doctor") == 3
    said = capsys.readouterr().err
    assert said.startswith("Traceback")
    assert said.endswith("error: a fault in the suite itself: KeyError('nothing')\n")
