"""An account to sweep, and ledgers of runs that are over."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.emulator.launch import Launched, launch
from conformance.environment import Aws
from conformance.processes import Stamp
from conformance.sweep.calls import Clients, clients_of
from conformance.terraform.ledger import Entry, Ledger

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "pods.eks.amazonaws.com"},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
            }
        ],
    }
)


@pytest.fixture(scope="module")
def launched() -> Iterator[Launched]:
    # Not under pytest's folder: the path of a Unix socket is short.
    with tempfile.TemporaryDirectory(prefix="sweep-", dir="/tmp") as folder:
        running = launch(Path(folder) / "aws")
        yield running
        running.stop()


@pytest.fixture(scope="module")
def aws(launched: Launched) -> Aws:
    return launched.aws


@pytest.fixture(scope="module")
def clients(aws: Aws) -> Clients:
    return clients_of(aws)


@pytest.fixture
def tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files with nothing of anybody else, its path short for sockets."""
    del tmp_path  # pytest's own is made before, and in the usual place.
    with tempfile.TemporaryDirectory(prefix="sweep-", dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


@pytest.fixture(scope="session")
def dead() -> Stamp:
    """A process that has ended."""
    told = subprocess.run(
        [sys.executable, "-c", "from conformance.processes import Stamp; print(Stamp.own())"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    return Stamp.parse(told.stdout.strip())


MakeRun = Callable[..., Ledger]


@pytest.fixture
def make_run(tmp_path: Path, aws: Aws, dead: Stamp, monkeypatch: pytest.MonkeyPatch) -> MakeRun:
    """A ledger under `reports` with one world, written by a process that has ended."""

    def make(run: str, *, writer: Stamp = dead, **entry: Any) -> Ledger:
        ledger = Ledger.of_run(tmp_path / "reports" / run)
        with monkeypatch.context() as patch:
            patch.setattr(Stamp, "own", staticmethod(lambda: writer))
            ledger.begin(run)
            ledger.intend(
                Entry(
                    **{
                        "workspace": str(ledger.path.parent / "worlds" / "one"),
                        "root": "aws",
                        "run": run,
                        "name": f"pi-{run}-0000",
                        "account_id": aws.account_id,
                        "region": aws.region,
                        "endpoint": aws.endpoint,
                        "cluster": "stage",
                        **entry,
                    }
                )
            )
        return ledger

    return make


def pairs(**tags: str) -> list[dict[str, str]]:
    return [{"Key": key.replace("__", ":"), "Value": value} for key, value in tags.items()]


def stamp_elsewhere() -> Stamp:
    return Stamp("another-boot", "pid:[1]", os.getpid(), 1)
