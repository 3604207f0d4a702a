"""
The wheel alone is enough: it is installed where nothing else of ours is, and run there.

Its dependencies come from a package index, as they do for `pipx install`, in whatever
versions pyproject.toml allows today: so it is known when one of them moves away.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.reports import Report
from tests.endtoend.command import LONGEST_SECONDS, ROOT, surroundings

OFFLINE = ("dns error", "error sending request", "client error (Connect)", "Network is unreachable")


def uv(*words: str | Path) -> None:
    """What pip does, in seconds; skips where no index answers."""
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    binary = shutil.which("uv", path=beside) or pytest.skip("there is no uv here, which installs")
    done = subprocess.run(
        [binary, *map(str, words)],
        cwd=ROOT,
        env={**os.environ, "UV_PYTHON_DOWNLOADS": "never", "UV_SYSTEM_CERTS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST_SECONDS,
    )
    if any(words in done.stderr for words in OFFLINE):
        pytest.skip("no package index answers here")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a new venv that the wheel was installed into."""
    folder = tmp_path_factory.mktemp("wheel")
    uv("build", "--wheel", "--out-dir", folder)
    (wheel,) = folder.glob("*.whl")
    has_engine = shutil.which("terraform") or shutil.which("tofu")
    uv("venv", "--quiet", folder / "venv")
    python = folder / "venv" / "bin" / "python"
    uv(
        "pip",
        "install",
        "--compile-bytecode",
        "--python",
        python,
        f"{wheel}{'' if has_engine else '[terraform]'}",
    )
    return python.parent


def test_wheel_certifies_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [installed / "conformance", "run", "-k", "s3_read", "-n", "2"],
        cwd=tmp_path,
        env=surroundings(),
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST_SECONDS,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    file = tmp_path / "reports" / "latest" / "report.json"
    report = Report.model_validate_json(file.read_text(encoding="utf-8"))
    assert {one.id.partition("::")[0].rpartition("/")[2] for one in report.scenarios} == {
        "test_s3_read.py"
    }
    assert [path.name for path in tmp_path.iterdir()] == ["reports"]


def test_wheel_has_what_is_no_code(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [installed / "conformance", "requirements", "--iam-policy", "json"],
        cwd=tmp_path,
        env=surroundings(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert '"Statement"' in done.stdout
