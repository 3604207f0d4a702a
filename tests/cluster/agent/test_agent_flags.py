"""The agent's command line, as `server --help` of 0.1.37 has it."""

import pytest

from conformance.cluster.agent.interface import Settings
from conformance.cluster.nodes.agents import _parser


def test_defaults_are_the_agents_own() -> None:
    assert vars(_parser().parse_args(["--cluster-name", "lab"])) == {
        "cluster_name": "lab",
        "port": 80,
        "bind_hosts": None,
        "probe_port": 2703,
        "metrics_address": "0.0.0.0",  # noqa: S104 - the agent's
        "metrics_port": 2705,
        "max_cache_size": 2000,
        "max_service_qps": 3,
        "max_credential_retention_before_renewal": 10_800.0,
        "endpoint": "",
        "rotate_credentials": "false",
        "verbosity": "info",
    }


def test_settings_without_flags_are_those_of_the_flags() -> None:
    assert Settings() == Settings(10_800.0, 2000, 3, ())


@pytest.mark.parametrize(("text", "seconds"), [("3h", 10_800), ("1m30s", 90), ("500ms", 0.5)])
def test_durations_are_gos(text: str, seconds: float) -> None:
    flag = "--max-credential-retention-before-renewal"
    flags = _parser().parse_args(["-c", "lab", flag, text])
    assert flags.max_credential_retention_before_renewal == seconds
