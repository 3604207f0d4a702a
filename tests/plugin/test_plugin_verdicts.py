from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.plugin.conftest import Suite


def only(suite: Suite, text: str) -> Any:
    suite.scenarios(only=text)
    return suite.run("-n0")


def test_every_promise_kept_exits_0(good: Suite) -> None:
    result = good.run()
    assert result.ret == 0
    assert good.report.result == "passed"
    assert good.requirements == dict.fromkeys(["a.one", "a.two", "b.three", "b.four"], "passed")
    assert good.count("starts") == good.count("stops") == 1


def test_reports_and_latest_are_written(good: Suite) -> None:
    good.run("--run-id", "nightly-7")
    names = {path.name for path in good.latest.iterdir()}
    assert names >= {"events-main.ndjson", "report.json", "junit.xml", "report.html"}
    assert good.latest.readlink() == Path("nightly-7")


BROKEN = """
@pytest.mark.proves("a.one")
def test_one(world):
    {body}
"""
VERDICTS = {
    "assert 1 == 2": ("failed", "", 1),
    "raise PromiseBroken('read', Stage.IAM)": ("failed", "iam", 1),
    "pytest.fail('said so')": ("failed", "", 1),
    "raise HarnessError('pod gone')": ("error", "", 3),
    "raise KeyError('x')": ("error", "", 3),
    "import json; json.loads('{')": ("error", "", 3),
    "from concurrent.futures import Future as F; F().set_result(1) or F.assert_": ("error", "", 3),
    "pytest.skip('not today')": ("skipped", "", 4),
}


@pytest.mark.parametrize(("body", "expected"), VERDICTS.items())
def test_verdict_follows_from_what_ended_the_scenario(
    suite: Suite, body: str, expected: tuple[str, str, int]
) -> None:
    result = only(suite, BROKEN.format(body=body) + 'two = pytest.mark.proves("a.two")(lambda: 0)')
    (scenario,) = suite.report.scenarios
    assert (scenario.verdict, scenario.stage, result.ret) == expected


def test_assertion_inside_a_library_breaks_no_promise(suite: Suite) -> None:
    (suite.path / "elsewhere.py").write_text("def check():\n    assert False, 'inside'\n")
    suite.pytester.syspathinsert()
    only(suite, BROKEN.format(body="import elsewhere; elsewhere.check()"))
    assert suite.verdicts == {"test_one": "error"}


def test_trouble_is_shown_apart_from_broken_promises(suite: Suite) -> None:
    result = only(
        suite,
        BROKEN.format(body="raise HarnessError('pod gone')")
        + '@pytest.mark.proves("a.two")\ndef test_two(world): assert False\n',
    )
    result.assert_outcomes(failed=1, errors=1)


def test_broken_promise_in_a_shared_fixture_fails_with_its_stage(suite: Suite) -> None:
    result = only(
        suite,
        """
@pytest.fixture(scope="module")
def seen(world): raise PromiseBroken("not injected", Stage.INJECTION)

@pytest.mark.proves("a.one")
def test_one(seen): pass

@pytest.mark.proves("a.two")
def test_two(seen): pass
""",
    )
    assert result.ret == 1
    assert [(s.verdict, s.stage) for s in suite.report.scenarios] == [("failed", "injection")] * 2
    result.assert_outcomes(failed=2)


def test_trouble_in_teardown_makes_a_passed_scenario_an_error(suite: Suite) -> None:
    only(
        suite,
        """
@pytest.fixture
def held():
    yield
    raise OSError("left over")

@pytest.mark.proves("a.one")
def test_one(held, world): world.look("granted", "service")
""",
    )
    assert suite.verdicts == {"test_one": "error"}
    assert "left over" in suite.report.scenarios[0].message


def test_broken_promise_outweighs_trouble(suite: Suite) -> None:
    result = only(
        suite,
        BROKEN.format(body="assert False")
        + '@pytest.mark.proves("a.two")\ndef test_two(world): raise OSError("x")\n',
    )
    assert (result.ret, suite.report.result) == (1, "failed")


def test_missing_capability_is_a_skip_with_a_sentence(suite: Suite) -> None:
    suite.scenarios(
        first=PASSING_BUT_TWO,
        second='@pytest.mark.proves("a.two", needs={"node-isolation"})\ndef test_two(world): pass',
    )
    result = suite.run()
    assert (result.ret, suite.report.result) == (4, "partial")
    (skipped,) = [s for s in suite.report.scenarios if s.verdict == "skipped"]
    assert "needs node-isolation" in skipped.message
    assert "share one network" in skipped.message
    assert "a.two" in suite.report.remarks[0]


DEPENDS_ON_A_GAP = """
@pytest.mark.proves("a.two", gaps={"sts.regions"})
def test_two(world): world.look("granted", "service")
"""


def test_what_is_not_emulated_is_a_skip_with_the_words_of_the_fidelity_page(suite: Suite) -> None:
    suite.scenarios(first=PASSING_BUT_TWO, second=DEPENDS_ON_A_GAP)
    (suite.path / "aws-is-emulated").touch()
    result = suite.run()
    assert (result.ret, suite.report.result) == (4, "partial")
    (skipped,) = [s for s in suite.report.scenarios if s.verdict == "skipped"]
    assert "does not emulate it (sts.regions): Every endpoint is one address" in skipped.message
    (suite.path / "aws-is-emulated").unlink()
    assert suite.run().ret == 0


IN_A_WORLD_WITH_A_TARGET_ROLE = """
from conformance.spec import Association, Role
SPEC = Spec(
    roles=(Role(name="one"), Role(name="two")),
    associations=(
        Association(namespace="n", service_account="s", role="one", target_role="two"),
    ),
)
@pytest.mark.proves("a.two")
def test_two(world): world.look("granted", "service")
"""


def test_a_stack_that_lacks_a_capability_is_a_skip_with_a_sentence(suite: Suite) -> None:
    suite.scenarios(first=PASSING_BUT_TWO, second=IN_A_WORLD_WITH_A_TARGET_ROLE)
    result = suite.run("--stack", "aws5")
    assert (result.ret, suite.report.result) == (4, "partial")
    (skipped,) = [s for s in suite.report.scenarios if s.verdict == "skipped"]
    assert "stack aws5 has no capability target_role" in skipped.message
    assert suite.run("--stack", "aws").ret == 0


PASSING_BUT_TWO = """
@pytest.mark.proves("a.one", needs={"records"})
def test_one(world): world.look("granted", "service")
"""


def test_core_requirement_that_nothing_proves_is_partial(suite: Suite) -> None:
    result = only(suite, PASSING_BUT_TWO)
    assert (result.ret, suite.requirements["a.two"]) == (4, "not run")


def test_provisional_failure_breaks_no_run(good: Suite) -> None:
    good.scenarios(third='@pytest.mark.proves("b.four")\ndef test_four(world): assert False')
    assert good.run().ret == 0
    assert good.requirements["b.four"] == "failed"


def test_selection_answers_for_what_was_selected(good: Suite) -> None:
    result = good.run("-k", "one")
    assert result.ret == 0
    assert good.requirements == {
        "a.one": "passed",
        "a.two": "not selected",
        "b.three": "not selected",
        "b.four": "not selected",
    }
    assert "-k 'one'" in good.report.remarks[0]


def test_path_is_a_selection(good: Suite) -> None:
    good.pytester.runpytest_inprocess("scenarios/test_second.py", "--import-mode=importlib")
    assert (good.report.result, good.report.selection) == ("passed", "test_second.py")


def test_profile_leaves_out_the_others(good: Suite) -> None:
    good.run("--profile", "a")
    assert set(good.verdicts) == {"test_one", "test_two"}
    assert good.report.result == "passed"


def test_evidence_is_filed_under_its_scenario(good: Suite) -> None:
    good.run()
    seen = {s.id.partition("::")[2]: s.evidence for s in good.report.scenarios}
    assert seen["test_two"][0].evidence == {"outcome": "denied", "stage": "iam"}
    assert [piece.evidence["outcome"] for piece in seen["test_three"]] == ["denied"]


def test_reproduce_runs_one_scenario_with_the_same_settings(good: Suite) -> None:
    good.run("--fault", "s3-ignores-policies", "--seed", "7")
    assert good.report.scenarios[0].reproduce == (
        "conformance run scenarios/test_first.py::test_one --fault s3-ignores-policies --seed 7"
    )


def test_secret_key_is_in_no_report(suite: Suite) -> None:
    only(suite, BROKEN.format(body="raise OSError('key pretended-secret-key-0123456789')"))
    for path in suite.latest.iterdir():
        assert "pretended-secret-key" not in path.read_text(), path.name
    assert "<secret>" in suite.report.scenarios[0].message


def test_warnings_of_libraries_do_not_disturb_scenarios(suite: Suite) -> None:
    warns = "import warnings; warnings.warn('old', DeprecationWarning)"
    suite.scenarios(only=BROKEN.format(body=f"{warns}; world.look('granted', 'service')"))
    suite.run("-W", "error")
    assert suite.verdicts == {"test_one": "passed"}
