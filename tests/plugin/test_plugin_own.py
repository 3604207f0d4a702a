from typing import Any

# The fixtures' types lie in conftest.py, which no test can import.
Suite = Any

OWN = """
from conformance.targets.own import OwnEnvironment
OWN = OwnEnvironment()

@pytest.mark.proves("a.one")
def test_breaks_things(world): world.look("granted", "service")
"""
SHARES = """
@pytest.mark.proves("a.two")
def test_disturbs_nobody(world): world.look("granted", "service")
"""


def test_file_with_its_own_environment_is_skipped_where_none_can_be_started(suite: Suite) -> None:
    suite.scenarios(own=OWN, shares=SHARES)

    suite.run()

    assert suite.verdicts == {"test_breaks_things": "skipped", "test_disturbs_nobody": "passed"}
    reason = next(one.reason for one in suite.report.requirements if one.id == "a.one")
    assert "own-environment" in reason
    assert "left as it is" in reason
    assert suite.count("starts") == 1


def test_own_environment_is_started_beside_the_runs_and_ends_with_the_file(suite: Suite) -> None:
    conftest = suite.path / "conftest.py"
    can = "capabilities=frozenset({Capability.RECORDS, Capability.OWN_ENVIRONMENT})"
    text = conftest.read_text("utf-8")
    text = text.replace("capabilities=frozenset({Capability.RECORDS})", can)
    (suite.path / "aws-is-emulated").touch()
    text = text.replace(
        "log, keep):", "log, keep, own=False):\n    mark('own-worlds' if own else 'shared')"
    )
    text += """
from conformance.emulator.admin import AdminClient
from conformance.emulator.behaviour import Behaviour
AdminClient.faults, AdminClient.settings = lambda self: [], lambda self: Behaviour()
"""
    conftest.write_text(text, "utf-8")
    suite.scenarios(own=OWN, shares=SHARES)

    suite.run(child=True)

    assert suite.verdicts == {"test_breaks_things": "passed", "test_disturbs_nobody": "passed"}
    assert (suite.count("starts"), suite.count("stops")) == (2, 2)
    assert (suite.count("own-worlds"), suite.count("shared")) == (1, 1)
