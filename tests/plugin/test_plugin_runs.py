from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from conformance.events import ScenarioFinished

if TYPE_CHECKING:
    from tests.plugin.conftest import Suite


BOUND = 60.0


def outcome(suite: Suite) -> Any:
    return suite.verdicts, suite.requirements, suite.report.result


MIXED = """
@pytest.mark.proves("a.one")
def test_one(world): world.look("granted", "service")

@pytest.mark.proves("a.two", needs={"node-isolation"})
def test_skipped(world): pass

@pytest.mark.proves("b.three")
def test_broken(world): raise PromiseBroken("read", Stage.IAM)
"""
PASSING_TOO = """
@pytest.mark.proves("a.two")
def test_two(world): world.look("denied", "iam")
"""
TROUBLE = """
@pytest.mark.proves("b.four")
def test_trouble(world): raise HarnessError("gone")
"""


def test_two_workers_and_none_give_the_same_verdicts(suite: Suite) -> None:
    suite.scenarios(mixed=MIXED, trouble=TROUBLE)
    alone = suite.run()
    first = outcome(suite)
    shared = suite.run("-n2", "--dist", "loadscope")
    assert (shared.ret, outcome(suite)) == (alone.ret, first)
    assert suite.count("starts") == suite.count("stops") == 2


def test_killed_worker_is_an_error_and_the_rest_goes_on(suite: Suite) -> None:
    suite.scenarios(
        killed='@pytest.mark.proves("a.one")\ndef test_one(world): os.kill(os.getpid(), 9)\n',
        other=PASSING_TOO,
    )
    result = suite.run("-n2", "--dist", "loadscope")
    assert result.ret == 3
    assert suite.verdicts == {"test_one": "error", "test_two": "passed"}
    assert suite.count("stops") == 1


def test_broken_file_is_an_error_and_the_others_still_run(good: Suite) -> None:
    good.write("test_bad.py", "from conformance.spec import Spec\nSPEC = Spec(buckets=3)\n")
    for workers in ("-n0", "-n2"):
        result = good.run(workers)
        assert result.ret == 3
        assert good.report.trouble[0].where == "scenarios/test_bad.py"
        assert "Spec.buckets" in good.report.trouble[0].message
        assert good.verdicts["test_one"] == "passed"


@pytest.mark.parametrize("workers", [pytest.param("-n0", marks=pytest.mark.long), "-n2"])
def test_spec_that_cannot_be_is_told_once_in_its_own_words(good: Suite, workers: str) -> None:
    good.write(
        "test_bad.py",
        "from conformance.spec import Association, Spec\n"
        'A = Association(namespace="Shop_1", service_account="reader", role="reader")\n'
        "SPEC = Spec(associations=(A,))\n",
    )
    result = good.run(workers)
    (trouble,) = good.report.trouble
    first, *others = trouble.message.splitlines()
    assert first.startswith("Association.namespace: ")
    assert others == ["  saw: 'Shop_1'", "  at scenarios/test_bad.py:2"]
    assert "pydantic" not in result.stdout.str()


def test_only_a_broken_file_is_still_reported(suite: Suite) -> None:
    suite.write("test_bad.py", "import nowhere_to_be_found")
    assert suite.run().ret == 3
    assert suite.report.result == "error"


@pytest.mark.parametrize("workers", ["-n0", pytest.param("-n2", marks=pytest.mark.long)])
def test_environment_that_does_not_start_is_an_error(good: Suite, workers: str) -> None:
    (good.path / "target-is-broken").touch()
    result = good.run(workers)
    assert result.ret == 3
    assert "AWS process: no answer" in good.report.trouble[0].message
    assert good.requirements["a.one"] == "not run"


REFUSED = {
    ("--target", "moon"): "--target moon: no such target",
    ("--stack", "pulumi"): "pulumi",
    ("--fault", "nope"): "--fault nope: no such fault",
    ("--profile", "nope"): "--profile nope: no such profile",
    ("--provider", "nope"): "--provider",
    ("--run-id", "Has Spaces"): "--run-id",
    ("--environment", "nowhere.json"): "--environment nowhere.json: no such file",
    ("--nodes", "0"): "--nodes 0",
    ("--deselect", "scenarios/test_gone.py"): "--deselect scenarios/test_gone.py: there is nothing",
    (
        "--ignore",
        "scenarios/test_gone.py",
    ): "--ignore scenarios/test_gone.py: there is no such path",
    ("--ignore", "scenarios"): "--ignore scenarios: it leaves no scenario out",
    ("--ignore", "empty"): "--ignore empty: it leaves no scenario out",
    ("--ignore-glob", "*/test_gone*"): "--ignore-glob */test_gone*: it leaves no scenario out",
    ("--order", "alphabetical"): "--order alphabetical: no such order",
}


@pytest.mark.parametrize(("options", "words"), REFUSED.items())
def test_what_cannot_be_exits_2_and_leaves_nothing(
    good: Suite, options: tuple[str, ...], words: str
) -> None:
    (good.path / "empty").mkdir()
    result = good.run(*options)
    assert result.ret == 2
    assert words in result.stdout.str()
    assert not (good.path / "reports").exists()
    assert good.count("starts") == 0


def test_file_that_a_glob_leaves_out_makes_it_a_selection(suite: Suite) -> None:
    suite.scenarios(mixed=MIXED, other=PASSING_TOO)
    suite.run("--ignore-glob", "*/test_mix*")
    assert suite.verdicts == {"test_two": "passed"}
    assert suite.report.selection == "--ignore-glob */test_mix*"


def test_refusal_reaches_the_controller(good: Suite) -> None:
    result = good.run("-n2", "--profile", "nope")
    assert result.ret == 2
    assert "--profile nope: no such profile" in result.stdout.str()
    assert not (good.path / "reports").exists()


def test_run_id_is_used_once(good: Suite) -> None:
    good.run("--run-id", "mine")
    assert good.run("--run-id", "mine").ret == 2


BAD_SCENARIOS = {
    "def test_one(world): pass": "proves nothing",
    '@pytest.mark.proves("a.nine")\ndef test_one(world): pass': "not in the catalogue",
    '@pytest.mark.xfail\n@pytest.mark.proves("a.one")\ndef test_one(world): pass': "xfail",
    '@pytest.mark.proves("a.one", gaps={"sts.no"})\ndef test_one(world): pass': "'sts.no'",
}


@pytest.mark.parametrize(("text", "words"), BAD_SCENARIOS.items())
def test_scenario_that_counts_for_nothing_is_refused(suite: Suite, text: str, words: str) -> None:
    suite.scenarios(bad=text)
    result = suite.run()
    assert result.ret == 2
    assert words in result.stdout.str()


def test_other_peoples_tests_are_left_alone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_mine(tmp_path): pass\n")
    result = pytester.runpytest_inprocess("--fault", "nope", "--reports", "somewhere")
    assert result.ret == 0
    assert not (pytester.path / "somewhere").exists()


def test_failing_test_of_other_people_keeps_pytests_exit_code(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_mine(): assert False\n")
    assert pytester.runpytest_inprocess("-n2").ret == 1


def test_plugin_imports_next_to_nothing() -> None:
    heavy = "{'pydantic', 'kubernetes', 'botocore', 'aiohttp', 'rich', 'jinja2'}"
    code = f"import sys, conformance.plugin; sys.exit(repr({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "set()"


SLOW = """
@pytest.mark.proves("a.one")
def test_one(world): world.look("granted", "service")

@pytest.mark.proves("a.two")
def test_two(world):
    open("begun", "w").close()
    threading.Event().wait(60)
"""


@contextmanager
def running(suite: Suite, workers: str, lifeline: Any = None) -> Any:
    """A run in a child process, once its slow scenario has begun."""
    child = subprocess.Popen(
        [sys.executable, "-m", "pytest", "scenarios", "--import-mode=importlib", workers]
        + ["--dist", "loadscope"] * (workers != "-n0"),
        cwd=suite.path,
        env=os.environ | ({"CONFORMANCE_LIFELINE_FD": str(lifeline)} if lifeline else {}),
        pass_fds=[lifeline] if lifeline else [],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + BOUND
    while not (suite.path / "begun").exists():
        assert time.monotonic() < until
        assert child.poll() is None
        time.sleep(0.02)
    with child:
        yield child


@pytest.mark.parametrize(
    ("workers", "number", "code"),
    [
        pytest.param("-n0", signal.SIGTERM, 143, marks=pytest.mark.long),
        ("-n2", signal.SIGINT, 130),
        pytest.param("-n0", signal.SIGINT, 130, marks=pytest.mark.long),
        pytest.param("-n2", signal.SIGTERM, 143, marks=pytest.mark.long),
    ],
)
def test_interrupted_run_tidies_up_and_reports(
    suite: Suite, workers: str, number: int, code: int
) -> None:
    suite.scenarios(slow=SLOW)
    with running(suite, workers) as run:
        run.send_signal(number)
        assert run.wait(timeout=BOUND) == code
    assert suite.requirements["a.one"] == "passed"
    assert suite.requirements["a.two"] == "not run"
    assert (suite.report.result, suite.report.exit_code) == ("partial", code)
    assert "Interrupted after 1 of 2 scenarios." in suite.report.remarks
    assert suite.count("stops") == 1
    assert (suite.path / "closed-worlds").read_text().count("slow") == 1


def test_end_of_the_lifeline_ends_the_run(suite: Suite) -> None:
    suite.scenarios(slow=SLOW)
    reading, writing = os.pipe()
    with running(suite, "-n2", lifeline=reading) as run:
        os.close(reading)
        os.close(writing)
        assert run.wait(timeout=BOUND) == 137


def test_attached_environment_is_left_alone(good: Suite) -> None:
    good.run("--keep", "--run-id", "first")
    (file,) = good.path.glob("environment-*/environment.json")
    good.run("--environment", str(file))
    assert (good.count("starts"), good.count("stops")) == (1, 0)
    assert good.report.attached


def test_each_scenario_has_one_verdict(good: Suite) -> None:
    good.run("-n2")
    finished = [event for event in good.events if isinstance(event, ScenarioFinished)]
    assert len(finished) == len({event.scenario for event in finished}) == 3
