from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.plugin.conftest import Suite

BROKEN_TWO = """
@pytest.mark.proves("a.one")
def test_one(world): world.look("granted", "service")

@pytest.mark.proves("a.two")
def test_two(world): assert False, "as known"
"""
LISTED = '["{id}"]\ntarget = "{target}"\nbecause = "the agent lags"\n'


def listed(suite: Suite, id_: str = "a.two", target: str = "embedded") -> Any:
    suite.write("known_divergences.toml", LISTED.format(id=id_, target=target))


@pytest.fixture
def broken(suite: Suite) -> Any:
    suite.scenarios(broken=BROKEN_TWO)
    return suite


def test_listed_divergence_breaks_no_run(broken: Suite) -> None:
    listed(broken)
    result = broken.run("--profile", "a")
    assert (result.ret, broken.requirements["a.two"]) == (0, "divergent")
    assert "the agent lags" in broken.report.scenarios[1].message
    result.assert_outcomes(passed=1, xfailed=1)


def test_divergence_of_another_target_does_not_count(broken: Suite) -> None:
    listed(broken, target="kind")
    assert broken.run("--profile", "a").ret == 1


def test_unexpected_pass_fails_the_run(good: Suite) -> None:
    listed(good)
    assert good.run().ret == 1
    (kept,) = [r for r in good.report.requirements if r.verdict == "failed"]
    assert "take the entry out" in kept.reason


def test_unexpected_pass_is_not_judged_when_half_was_left_out(good: Suite) -> None:
    listed(good)
    good.scenarios(third='@pytest.mark.proves("a.two")\ndef test_too(world): assert False')
    assert good.run("-k", "test_two").ret == 0


WRONG = {
    '["a.nine"]\ntarget = "embedded"\nbecause = "x"': "'a.nine' is not in the catalogue",
    '["a.two"]\ntarget = "embedded"': "exactly the fields",
    '["a.two"]\ntarget = "moon"\nbecause = "x"': "names a target that is none",
    '["a.two"': "cannot be read",
}


@pytest.mark.parametrize(("text", "words"), WRONG.items())
def test_wrong_entry_fails_the_run(good: Suite, text: str, words: str) -> None:
    good.write("known_divergences.toml", text)
    assert good.run().ret == 3
    assert words in good.report.trouble[0].message


def test_trouble_is_no_divergence(suite: Suite) -> None:
    listed(suite)
    suite.scenarios(bad='@pytest.mark.proves("a.two")\ndef test_two(world): raise OSError("x")')
    assert suite.run("--profile", "a").ret == 3
