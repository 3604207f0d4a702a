"""The proof of benchmarks/bad_tokens.py, small enough for every day."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_no_bad_token_gets_credentials_where_a_good_one_does() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.bad_tokens", "--tokens", "200"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr or done.stdout
    statuses = json.loads(done.stdout)
    assert sum(statuses.values()) >= 200
    assert set(statuses) <= {"400", "431"}
