"""A run says which release of the agent it was; what a later one promises is proved on that."""

from conformance.environment import Capability
from tests.endtoend.command import LATER, Command


def test_later_release_checks_rotated_tokens_on_the_node(command: Command) -> None:
    """By the requirement: the agent's metric, its credentials, and that EKS Auth was not asked."""
    selection = ("scenarios/test_agent.py", "-k", "rotated", "-n", "0")
    ran = command.run(*selection, "--agent-version", "0.2.1")

    assert ran.code == 0, ran.said
    assert {verdict for verdict, _ in ran.selected.values()} == {"passed"}
    assert set(ran.selected) > LATER
    assert ran.report.parts["agent"] == "0.2.1"
    assert Capability.LOCAL_VALIDATION in ran.report.capabilities
