"""Two broken clusters, really run: webhook and agent, and a run that is interrupted."""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from conformance.run.settings import child_environment

SAMPLE = ("webhook-mount-writable", "agent-host-not-checked")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> "subprocess.CompletedProcess[str]":
    words = [word for name in SAMPLE for word in ("-k", name)]
    return subprocess.run(
        [sys.executable, "-m", "conformance", "mutants", "--json", *words],
        cwd=tmp_path_factory.mktemp("mutants"),
        env=child_environment("embedded"),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", SAMPLE)
def test_mutant_is_killed_by_the_promise_that_it_breaks(
    name: str, ran: "subprocess.CompletedProcess[str]"
) -> None:
    rows = {row["name"]: row for row in json.loads(ran.stdout)["mutants"]}

    assert set(rows) == set(SAMPLE)
    assert rows[name]["fate"] == "killed", rows[name]["message"]
    assert rows[name]["stage"]


def test_command_says_how_it_went(ran: "subprocess.CompletedProcess[str]") -> None:
    assert ran.returncode == 0
    assert json.loads(ran.stdout)["killed"] is True
    assert [line for line in ran.stderr.splitlines() if line.startswith("✓")] != []


@pytest.fixture
def short() -> Iterator[Path]:
    """For sockets, whose paths may not be long."""
    folder = Path(tempfile.mkdtemp(prefix="m-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.long
def test_interrupted_in_the_middle_it_leaves_nothing(short: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "conformance", "mutants", "-k", SAMPLE[1]],
        cwd=tmp_path,
        env=child_environment("embedded") | {"TMPDIR": str(short)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and not list(short.glob("*/reports/*/events-main.ndjson")):
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
    assert process.poll() is None

    process.send_signal(signal.SIGINT)

    assert process.wait(60) == 130
    assert list(short.iterdir()) == []
