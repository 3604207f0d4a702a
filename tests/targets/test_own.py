import json
from pathlib import Path
from typing import Any

import pytest

from conformance import targets
from conformance.emulator.admin import AdminClient
from conformance.emulator.behaviour import Behaviour
from conformance.environment import Aws, Capability, Cluster, Environment
from conformance.errors import HarnessError
from conformance.events import Event, EventLog
from conformance.targets.own import OwnEnvironment, own_environment


def described(folder: Path, *capabilities: Capability) -> Environment:
    return Environment(
        target="embedded",
        folder=folder,
        aws=Aws(region="eu-north-1", account_id="000000000001"),
        cluster=Cluster(name="one", arn="arn", kubeconfig=folder / "kubeconfig", context="one"),
        capabilities=frozenset(capabilities),
        network="userns",
        probe_image="registry.example.com/probe",
        provider="registry",
        parts={},
        admin_socket=folder / "aws.sock",
        pid=1,
    )


class StandIn:
    """A target that only notes what it is asked."""

    DESCRIPTION = "noted"

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []

    def start(self, options: Any, log: EventLog, *, lifeline: bool) -> Environment:
        self.asked.append(("start", (options, lifeline)))
        return described(Path("/own"))

    def lost(self, environment: Environment) -> str:
        return ""

    def stop(self, environment: Environment, log: EventLog) -> None:
        self.asked.append(("stop", environment.folder))


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    noted = StandIn()
    monkeypatch.setitem(targets.TARGETS, "embedded", noted)
    monkeypatch.setattr(AdminClient, "faults", lambda _: ["webhook-misses"])
    monkeypatch.setattr(AdminClient, "settings", lambda _: Behaviour(agent_version="0.2.1"))
    return noted


BESIDE = described(Path("/shared"), Capability.OWN_ENVIRONMENT)
WANTED = OwnEnvironment(Behaviour(credential_seconds=18), nodes=2)


def test_own_environment_is_like_the_runs_faults_included(target: StandIn) -> None:
    with own_environment(WANTED, beside=BESIDE, run="r1", log=EventLog(None)) as environment:
        assert environment.folder == Path("/own")

    options, lifeline = target.asked[0][1]
    assert lifeline
    assert (options.run, options.nodes, options.network) == ("r1", 2, "userns")
    assert (options.provider, options.region) == ("registry", "eu-north-1")
    assert options.probe_image == "registry.example.com/probe"
    assert options.faults == ("webhook-misses",)
    assert options.behaviour.credential_seconds == 18
    assert options.behaviour.agent_version == "0.2.1"


def test_own_environment_may_want_a_release_of_the_agent(target: StandIn) -> None:
    wanted = OwnEnvironment(Behaviour(agent_version="0.1.37"))
    with own_environment(wanted, beside=BESIDE, run="r1", log=EventLog(None)):
        pass

    assert target.asked[0][1][0].behaviour.agent_version == "0.1.37"


def test_own_environment_ends_with_the_block_however_that_ends(target: StandIn) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        own_environment(WANTED, beside=BESIDE, run="r1", log=EventLog(None)),
    ):
        raise KeyboardInterrupt

    assert target.asked[-1] == ("stop", Path("/own"))


def test_report_is_about_the_runs_environment(target: StandIn) -> None:
    log = EventLog(None)
    events: list[Event] = []
    log.listeners.append(events.append)
    with own_environment(WANTED, beside=BESIDE, run="r1", log=log):
        pass

    assert "environment-ready" not in json.dumps([event.model_dump() for event in events])


def test_where_none_can_be_started_it_says_so() -> None:
    with (
        pytest.raises(HarnessError, match="beside this one"),
        own_environment(WANTED, beside=described(Path("/shared")), run="r1", log=EventLog(None)),
    ):
        pass
