import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from python_terraform import IsFlagged

from conformance.terraform.engine import Engine
from conformance.terraform.messages import Progress, TerraformError

Make = Callable[..., Engine]

NOTHING = 'output "greeting" { value = "hello" }\n'
ONE_THING = 'resource "terraform_data" "one" { input = "x" }\n' + NOTHING
BROKEN = 'resource "terraform_data" "one" {\n  input = nowhere.to.be.found\n}\n'
REFUSED = """
resource "terraform_data" "one" {
  provisioner "local-exec" {
    command = "echo one is not two >&2; exit 3"
  }
}
"""
SLOW = """
resource "terraform_data" "slow" {
  provisioner "local-exec" {
    command = "echo $PPID $$ > started; sleep 60"
  }
}
resource "terraform_data" "fast" { input = "made" }
"""


def started(folder: Path) -> None:
    """Return when the provisioner of SLOW runs."""
    deadline = time.monotonic() + 20
    while not (folder / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.02)


# What python-terraform 0.10.1 does wrong, one by one


def test_destroy_needs_no_flag_that_terraform_dropped(local_engine: Make) -> None:
    engine = local_engine(ONE_THING)
    engine.apply()

    assert "-force" not in engine._argv("destroy")
    engine.destroy()

    assert json.loads((engine.folder / "terraform.tfstate").read_text())["resources"] == []


def test_no_file_of_variables_stays(
    local_engine: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    engine = local_engine('variable "word" {}\n' + NOTHING)
    before = set(tmp_path.iterdir())

    engine.plan(var={"word": "said"})

    assert set(tmp_path.iterdir()) == before


def test_apply_asks_nobody_for_approval(local_engine: Make) -> None:
    assert local_engine(ONE_THING).apply().outputs == {"greeting": "hello"}


def test_one_output_is_its_value(local_engine: Make) -> None:
    engine = local_engine(NOTHING)
    engine.apply()

    assert engine.output("greeting") == "hello"
    assert engine.output() == {"greeting": "hello"}


def test_an_output_that_is_not_there_is_an_error(local_engine: Make) -> None:
    engine = local_engine(NOTHING)
    engine.apply()

    with pytest.raises(TerraformError, match="no output 'farewell'"):
        engine.output("farewell")


@pytest.mark.parametrize("option", ["synchronous", "capture_output", "raise_on_error"])
def test_options_of_the_library_never_reach_terraform(local_engine: Make, option: str) -> None:
    with pytest.raises(TypeError, match=option):
        local_engine(NOTHING).cmd("version", **{option: False})


def test_a_plan_with_changes_is_no_error(local_engine: Make) -> None:
    engine = local_engine(ONE_THING)

    assert [change.action for change in engine.plan()] == ["create"]
    engine.apply()
    assert engine.plan() == []


def test_a_failure_warns_nobody_and_is_text(
    local_engine: Make, recwarn: pytest.WarningsRecorder
) -> None:
    code, _, errors = local_engine(BROKEN).cmd("validate", no_color=IsFlagged)

    assert code == 1
    assert "nowhere" in errors
    assert not recwarn.list


def test_the_environment_is_the_one_given(
    local_engine: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_VAR_word", "ambient")
    monkeypatch.setenv("TF_CLI_ARGS", "-no-such-flag")
    hcl = 'variable "word" { default = "own" }\noutput "word" { value = var.word }\n'

    assert local_engine(hcl).apply().outputs == {"word": "own"}


def test_a_typo_is_no_command(local_engine: Make) -> None:
    with pytest.raises(AttributeError, match="aply"):
        local_engine(NOTHING).aply()


def test_an_empty_state_file_stops_nothing(local_engine: Make) -> None:
    engine = local_engine(NOTHING)
    (engine.folder / "terraform.tfstate").touch()

    assert local_engine(NOTHING).apply().outputs == {"greeting": "hello"}


# Failures, in Terraform's own words


def test_a_failure_names_file_line_and_folder(local_engine: Make) -> None:
    engine = local_engine(BROKEN)

    with pytest.raises(TerraformError) as caught:
        engine.apply()

    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.where == "main.tf:2"
    assert "undeclared resource" in diagnostic.summary
    assert "main.tf:2" in str(caught.value)
    assert str(engine.folder) in str(caught.value)
    assert caught.value.folder == engine.folder


def test_a_failure_names_the_resource_and_what_its_author_wrote(local_engine: Make) -> None:
    with pytest.raises(TerraformError) as caught:
        local_engine(REFUSED).apply()

    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.address == "terraform_data.one"
    assert "one is not two" in diagnostic.detail


def test_a_failure_without_messages_still_says_something(local_engine: Make) -> None:
    with pytest.raises(TerraformError, match="flag provided but not defined: -no-such-flag"):
        local_engine(NOTHING).apply(no_such_flag=IsFlagged)


# Progress, time and Ctrl-C


def test_progress_comes_resource_by_resource(local_engine: Make) -> None:
    seen: list[Progress] = []
    local_engine(ONE_THING, progress=seen.append).apply()

    assert [(step.address, step.action, step.state) for step in seen] == [
        ("terraform_data.one", "create", "planned"),
        ("terraform_data.one", "create", "started"),
        ("terraform_data.one", "create", "finished"),
    ]


def test_progress_comes_in_the_calling_thread_whichever_it_is(local_engine: Make) -> None:
    threads: list[str] = []
    engine = local_engine(
        ONE_THING, progress=lambda _step: threads.append(threading.current_thread().name)
    )
    worker = threading.Thread(target=engine.apply, name="worker")
    worker.start()
    worker.join()

    assert set(threads) == {"worker"}


def test_a_run_that_takes_too_long_is_stopped_and_says_what_it_was_doing(
    local_engine: Make,
) -> None:
    began = time.monotonic()

    with pytest.raises(TerraformError, match=r"not done after 2 s") as caught:
        local_engine(SLOW, seconds={"apply": 2}, grace=10).apply()

    assert "create terraform_data.slow" in str(caught.value)
    assert time.monotonic() - began < 20


def test_whatever_ignores_the_interrupt_is_killed_with_its_children(local_engine: Make) -> None:
    stubborn = SLOW.replace("sleep 60", "trap '' INT TERM; sleep 61 & wait; sleep 61")
    engine = local_engine(stubborn, seconds={"apply": 2}, grace=0.5)

    with pytest.raises(TerraformError):
        engine.apply()

    pids = (engine.folder / "started").read_text().split()
    assert len(pids) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_second_interrupt_before_the_first_was_passed_on_loses_neither(
    local_engine: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = local_engine(SLOW, seconds={"apply": 2}, grace=10)
    met = iter([KeyboardInterrupt])
    interrupt = engine.interrupt

    def interrupted_itself() -> None:
        for second in met:
            raise second
        interrupt()

    monkeypatch.setattr(engine, "interrupt", interrupted_itself)
    began = time.monotonic()

    with pytest.raises(TerraformError, match=r"not done after 2 s"):
        engine.apply()

    assert time.monotonic() - began < 20


@pytest.mark.parametrize("way_out", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_what_ends_the_wait_stops_terraform_once_and_is_raised_again(
    local_engine: Make, way_out: type[BaseException]
) -> None:
    def leave(step: Progress) -> None:
        if step.address.endswith("fast") and step.state == "finished":
            raise way_out

    engine = local_engine(SLOW, progress=leave)
    with pytest.raises(way_out):
        engine.apply()

    state = json.loads((engine.folder / "terraform.tfstate").read_text())
    assert "fast" in {resource["name"] for resource in state["resources"]}


def test_another_thread_can_interrupt(local_engine: Make) -> None:
    engine = local_engine(SLOW)

    def interrupt() -> None:
        started(engine.folder)
        engine.interrupt()
        engine.interrupt()

    worker = threading.Thread(target=interrupt)
    worker.start()
    with pytest.raises(TerraformError):
        engine.apply()
    worker.join()

    assert "fast" in (engine.folder / "terraform.tfstate").read_text()


def test_ctrl_c_at_a_terminal_reaches_us_and_not_terraform(local_engine: Make) -> None:
    sessions: list[int] = []

    def look(step: Progress) -> None:
        if step.state == "started" and engine._process is not None:
            sessions.append(os.getsid(engine._process.pid))

    engine = local_engine(ONE_THING, progress=look)
    engine.apply()

    assert os.getsid(0) not in sessions
    assert sessions


def test_interrupting_nothing_does_nothing(local_engine: Make) -> None:
    local_engine(NOTHING).interrupt()


def test_a_real_ctrl_c_in_a_process_of_its_own(local_engine: Make, tmp_path: Path) -> None:
    engine = local_engine(SLOW)
    program = tmp_path / "run.py"
    program.write_text(
        "import signal, sys\n"
        # Whatever was started in the background of a script ignores it, with its children.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from pathlib import Path\n"
        "from conformance.terraform.engine import Engine\n"
        "from conformance.terraform.finding import find_engine\n"
        "from conformance.terraform.surroundings import child_environment\n"
        "folder = Path(sys.argv[1])\n"
        "environment = child_environment(folder, folder.parent / 'terraform.rc')\n"
        "try:\n"
        "    Engine(folder, find_engine(), environment).apply()\n"
        "except KeyboardInterrupt:\n"
        "    sys.exit(130)\n"
    )
    process = subprocess.Popen([sys.executable, str(program), str(engine.folder)])
    started(engine.folder)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)

    assert process.wait(20) == 130
    state: dict[str, Any] = json.loads((engine.folder / "terraform.tfstate").read_text())
    assert "fast" in {resource["name"] for resource in state["resources"]}


def test_each_command_has_a_bound_of_its_own(local_engine: Make) -> None:
    engine = local_engine("", seconds={"output": 0.0})
    with pytest.raises(TerraformError, match="terraform output -json: not done after 0 s"):
        engine.cmd("output -json")
    assert engine.plan() == []
