from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from conformance.cli import main
from conformance.cli import run as command

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugin.conftest import Suite


@pytest.fixture
def conformance(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """`conformance run` on the pretended suite, as if installed there."""
    monkeypatch.setattr(command, "suite_root", lambda: suite.path)
    monkeypatch.chdir(suite.path)

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["conformance", "run", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        assert isinstance(code, int)
        return code

    return run


def test_run_prints_verdicts_and_where_the_report_lies(
    good: Suite, conformance: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert conformance("-n", "0") == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("✓ environment: pretended AWS") for line in lines)
    assert any(line.startswith("✓ passed: scenarios/test_first.py::test_one") for line in lines)
    assert "PASSED  all 3 required promises hold" in lines
    assert lines[-1] == "reports/latest/report.html"
    assert good.report.command == "conformance run -n 0"


def test_json_is_all_there_is_on_stdout(
    good: Suite, conformance: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert conformance("--json", "-n", "0") == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["result"] == "passed"
    assert "pretended AWS" in said.err


def test_broken_promise_exits_1_with_stage_and_command(
    suite: Suite, conformance: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    suite.scenarios(
        bad='@pytest.mark.proves("a.one")\n'
        'def test_one(world): raise PromiseBroken("read", Stage.IAM)\n'
    )
    assert conformance("-n", "0", "--seed", "3") == 1
    said = capsys.readouterr().out
    assert "✗ scenarios/test_bad.py::test_one  at stage iam" in said
    assert "again: conformance run scenarios/test_bad.py::test_one --seed 3" in said


def test_one_scenario_by_its_id(good: Suite, conformance: Callable[..., int]) -> None:
    assert conformance("scenarios/test_second.py::test_two", "-n", "0") == 0
    assert good.verdicts == {"test_two": "passed"}


def test_user_settings_of_pytest_do_not_reach_the_suite(
    good: Suite, conformance: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    (good.path / "pytest.ini").write_text("[pytest]\naddopts = --maxfail=0 -k nothing\n")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-k nothing")
    assert conformance("-n", "0") == 0


def test_real_credentials_never_reach_an_emulated_run(
    suite: Suite, conformance: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", "/nowhere")
    suite.scenarios(
        env='@pytest.mark.proves("a.one")\n'
        "def test_one(world):\n"
        '    world.look("granted", "service")\n'
        '    assert not [n for n in os.environ if n.startswith(("AWS_", "TF_"))]\n'
    )
    conformance("-n", "0")
    assert suite.verdicts == {"test_one": "passed"}


REFUSED = {
    ("-k", "nothing_matches"): "no scenario matches",
    ("--fault", "nope"): "--fault nope: no such fault",
    ("--", "--no-such-option"): "pytest does not understand",
}
REFUSED_ALIKE = {
    ("scenarios/test_none.py",): "no such scenario",
    ("--profile", "nope"): "--profile nope: no such profile",
    ("--region", "xx"): "--region xx: no region has such a name",
    ("--", "--deselect", "NOTHING"): "--deselect NOTHING: there is nothing of that name",
}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        *REFUSED.items(),
        *(pytest.param(*each, marks=pytest.mark.long) for each in REFUSED_ALIKE.items()),
    ],
)
def test_usage_exits_2_with_words(
    good: Suite,
    conformance: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    words: str,
) -> None:
    assert conformance("-n", "0", *arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("usage: ")
    assert words in said
    assert not (good.path / "reports").exists()


@pytest.mark.parametrize("workers", ["0", pytest.param("2", marks=pytest.mark.long)])
def test_reports_that_cannot_be_written_are_told_before_anything_starts(
    good: Suite, conformance: Callable[..., int], capsys: pytest.CaptureFixture[str], workers: str
) -> None:
    assert conformance("-n", workers, "--reports", "/proc/nowhere") == 3
    said = capsys.readouterr().err
    assert said.startswith("error: --reports /proc/nowhere: no report can be written there")
    assert "INTERNALERROR" not in said
    assert good.count("starts") == 0


def test_disk_that_fills_up_during_the_run_exits_3_with_words(
    suite: Suite, conformance: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    suite.scenarios(
        full='@pytest.mark.proves("a.one")\n'
        "def test_one(world):\n"
        "    import resource\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 14, 1 << 14))\n"
    )
    assert conformance("-n", "0") == 3
    said = capsys.readouterr().err
    assert "the report cannot be written" in said
    assert "File too large" in said


def test_engine_that_does_not_work_is_said_and_nothing_else(
    good: Suite, conformance: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert conformance("-n", "0", "--engine", "/bin/false") == 3
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "error: engine: /bin/false version does not name Terraform or OpenTofu"
    assert {line[:7] for line in said[1:]} == {"  saw: ", "  try: "}


def test_what_is_kept_is_named(
    good: Suite, conformance: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    (good.path / "aws-is-emulated").touch()
    assert conformance("-n", "0", "--keep") == 0
    (file,) = good.path.glob("environment-*/environment.json")
    lines = capsys.readouterr().out.splitlines()
    assert f"  end it: conformance down --environment {file}" in lines
    assert f"  reach it: . {file.with_name('env')}" in lines
    assert "AWS_ENDPOINT_URL=http://127.0.0.1:1" in file.with_name("env").read_text()


def test_what_follows_two_dashes_is_for_pytest(
    good: Suite, conformance: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert conformance("-n", "0", "--", "--collect-only", "-q") == 0
    assert "scenarios/test_first.py::test_one" in capsys.readouterr().out
    assert good.count("starts") == 0


def test_pytest_that_is_killed_is_an_error_with_a_report(
    suite: Suite, conformance: Callable[..., int]
) -> None:
    suite.scenarios(
        killed='@pytest.mark.proves("a.one")\ndef test_one(world): os.kill(os.getpid(), 9)\n'
    )
    assert conformance("-n", "0") == 3
    assert suite.report.trouble[0].message == "it was killed before it could end"


SLOW = """
@pytest.mark.proves("a.one")
def test_one(world):
    open("begun", "w").close()
    threading.Event().wait(60)
"""


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.long),
        pytest.param(signal.SIGHUP, 129, marks=pytest.mark.long),
    ],
)
def test_signals_are_passed_on_and_waited_for(
    suite: Suite, conformance: Callable[..., int], number: signal.Signals, code: int
) -> None:
    suite.scenarios(slow=SLOW)

    def interrupt() -> None:
        until = time.monotonic() + 120
        while not (suite.path / "begun").exists() and time.monotonic() < until:
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=interrupt)
    thread.start()
    assert conformance("-n", "0") == code
    thread.join()
    assert (suite.report.exit_code, suite.count("stops")) == (code, 1)


def test_nothing_secret_is_in_arguments_of_processes(
    suite: Suite, conformance: Callable[..., int]
) -> None:
    suite.scenarios(
        ps='@pytest.mark.proves("a.one")\n'
        "def test_one(world):\n"
        "    import pathlib\n"
        '    world.look("granted", "service")\n'
        '    lines = [p.read_bytes() for p in pathlib.Path("/proc").glob("[0-9]*/cmdline")]\n'
        '    assert not any(b"pretended-secret-key" in line for line in lines)\n'
    )
    conformance("-n", "2")
    assert suite.verdicts == {"test_one": "passed"}


def test_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "conformance", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip()
