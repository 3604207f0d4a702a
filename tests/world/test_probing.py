from typing import Any

import pytest

from conformance.errors import HarnessError
from conformance.events import EventLog
from conformance.probes.plan import WHO_AM_I
from conformance.world.agents import agent_lines
from conformance.world.probing import as_pod, collect, wait_for_pods
from conformance.world.requests import ProbeRequest
from conformance.world.settling import await_injection
from tests.world.stand_in import StandIn, pod


def waiting(reason: str) -> dict[str, Any]:
    return {"containerStatuses": [{"state": {"waiting": {"reason": reason, "message": "no"}}}]}


def test_pod_is_watched_until_it_has_ended() -> None:
    kube = StandIn(
        pods=[pod("Pending")],
        changes=[("MODIFIED", pod("Running")), ("MODIFIED", pod("Succeeded"))],
    )

    ended = wait_for_pods(kube, {"reader": "shop"}, until=("Succeeded",))

    assert ended["reader"]["status"]["phase"] == "Succeeded"


def test_image_that_cannot_be_pulled_is_trouble_with_its_reason() -> None:
    kube = StandIn(pods=[pod("Pending", **waiting("ErrImagePull"))])

    with pytest.raises(HarnessError, match="cannot start") as trouble:
        wait_for_pods(kube, {"reader": "shop"}, until=("Succeeded",))

    assert "ErrImagePull" in trouble.value.saw


def test_failed_pod_is_trouble_and_no_evidence() -> None:
    with pytest.raises(HarnessError, match="shop/reader failed"):
        wait_for_pods(StandIn(pods=[pod("Failed")]), {"reader": "shop"}, until=("Succeeded",))


def test_pod_that_is_deleted_meanwhile_is_trouble() -> None:
    kube = StandIn(pods=[pod("Running")], changes=[("DELETED", pod("Running"))])

    with pytest.raises(HarnessError, match="was deleted while it ran"):
        wait_for_pods(kube, {"reader": "shop"}, until=("Succeeded",))


def test_time_that_is_up_tells_the_last_state() -> None:
    with pytest.raises(HarnessError, match="not Succeeded after 0 s") as trouble:
        wait_for_pods(
            StandIn(pods=[pod("Running")]), {"reader": "shop"}, until=("Succeeded",), seconds=0
        )

    assert "phase Running" in trouble.value.saw


def test_call_without_evidence_is_trouble_with_the_end_of_the_log() -> None:
    request = ProbeRequest("shop", "reader", {"who": WHO_AM_I})

    with pytest.raises(HarnessError, match="without evidence for 'who'") as trouble:
        collect(StandIn(logs="Traceback: boom"), pod("Succeeded"), request)

    assert trouble.value.saw == "Traceback: boom"


def test_agents_lines_are_of_this_pod_and_its_time() -> None:
    def line(address: str, time: str) -> str:
        return f'{{"client-addr": "{address}:4711", "level": "info", "msg": "m", "time": "{time}"}}'

    logs = [
        line("100.64.1.1", "2026-11-24T00:00:09Z"),
        line("100.64.1.1", "2026-11-24T00:00:11Z"),
        line("100.64.1.2", "2026-11-24T00:00:12Z"),
        "not json",
    ]
    looked_at = as_pod(pod("Succeeded"))

    found = agent_lines(
        StandIn(pods=[pod("Running", "agent")], logs="\n".join(logs)),
        client=looked_at.ip,
        since=looked_at.created,
    )

    assert [(each.node, each.message) for each in found] == [("n1", "m")]


def settle(kube: StandIn) -> None:
    await_injection(
        kube,
        namespace="shop",
        service_account="reader",
        image="i",
        labels={},
        log=EventLog(None),
    )


def test_webhook_is_asked_by_pods_that_are_never_made() -> None:
    bare = {"metadata": {}, "spec": {"containers": [{"name": "probe"}]}}
    injected = {
        "metadata": {"labels": {"eks.amazonaws.com/pod-identity": "enabled"}},
        "spec": {"containers": [{"name": "probe"}]},
    }
    kube = StandIn(tried=[bare, bare, injected, injected, injected])

    settle(kube)

    assert [query for _, _, query in kube.created] == [{"dryRun": "All"}] * 5
