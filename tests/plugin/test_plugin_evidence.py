from typing import Any

# The fixtures' types lie in conftest.py, which no test can import.
Suite = Any

BLIND = """
@pytest.mark.proves("a.one")
def test_one(world): assert True
"""
SHARED = """
@pytest.fixture(scope="module")
def seen(world):
    world.look("denied", "iam")
    with world.log.step("pod", "reader", bound=90):
        pass

@pytest.mark.proves("a.one")
def test_one(seen): pass

@pytest.mark.proves("a.two")
def test_two(seen, world): world.look("granted", "service")
"""
BY_PARAMETER = """
@pytest.fixture(scope="module", params=["iam", "sts"])
def seen(request, world): world.look("denied", request.param)

@pytest.mark.proves("a.one")
def test_one(seen): pass
"""


def stages(suite: Suite) -> list[list[str]]:
    return [[seen.evidence["stage"] for seen in one.evidence] for one in suite.report.scenarios]


def test_scenario_that_looked_at_nothing_is_an_error(suite: Suite) -> None:
    suite.scenarios(blind=BLIND)

    result = suite.run()

    assert suite.verdicts == {"test_one": "error"}
    assert result.ret == 3
    assert "nothing that it looked at" in suite.report.scenarios[0].message


def test_what_a_shared_fixture_saw_is_evidence_of_all_who_use_it(suite: Suite) -> None:
    suite.scenarios(shared=SHARED)
    suite.run()

    assert suite.verdicts == {"test_one": "passed", "test_two": "passed"}
    assert stages(suite) == [["iam"], ["iam", "service"]]


def test_what_a_shared_fixture_took_is_told_of_all_who_use_it(suite: Suite) -> None:
    suite.scenarios(shared=SHARED)
    suite.run()

    for one in suite.report.scenarios:
        assert [(step.what, step.bound_seconds) for step in one.timings] == [
            ("terraform", None), ("fixture", None), ("pod", 90), ("fixture", None)
        ]  # fmt: skip


def test_fixture_with_parameters_is_made_for_each(suite: Suite) -> None:
    suite.scenarios(each=BY_PARAMETER)
    suite.run()

    assert stages(suite) == [["iam"], ["sts"]]
