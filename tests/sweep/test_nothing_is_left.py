"""Four of the places where `benchmarks.leftovers` kills a run, one for each victim."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.errors import HarnessError
from conformance.terraform.finding import find_engine


@pytest.mark.long
def test_kill_9_anywhere_and_a_sweep_leave_nothing_of_ours_and_all_of_others() -> None:
    try:
        find_engine()
    except HarnessError as error:
        pytest.skip(f"no Terraform on this machine: {error.try_}")
    proof = subprocess.run(
        [sys.executable, "-m", "benchmarks.leftovers", "--points", "4"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert proof.stdout, proof.stderr[-2000:]
    told = json.loads(proof.stdout)
    assert (told["left"], told["missing"]) == ([], [])
    assert told["fired"] == told["points"] == 4
    # Who survives takes things away itself; what a killed run leaves is the sweep's to take.
    assert told["found_before"]["conformance run"] > 0
