"""The scale proof of benchmarks/scale.py, small enough for every day."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.long
def test_no_pod_of_a_crowd_gets_what_is_anothers() -> None:
    sizes = ["--associations", "50", "--pods", "30", "--nodes", "3", "--at-once", "10"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale", *sizes],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr or done.stdout
    seen = json.loads(done.stdout)
    assert (seen["served"], seen["strangers"], seen["wrong"]) == (27, 3, [])
    assert seen["memory_megabytes"] < 600
