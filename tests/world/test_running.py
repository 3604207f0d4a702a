import json

import pytest

from conformance.errors import HarnessError
from conformance.events import EventLog
from conformance.probes import Call, ask_agent, repeated
from conformance.probes.evidence import FORMAT
from conformance.world.probing import as_pod
from conformance.world.running import Running
from tests.world.stand_in import StandIn, pod

PLAN: dict[str, Call] = {"load": repeated(ask_agent()), "once": ask_agent()}


def line(call: str, **told: object) -> str:
    head = {"evidence": FORMAT, "call": call, "operation": "agent", "latency_ms": 1.0}
    return json.dumps({**told, **head, "injection": {}}) + "\n"


def running(logs: str) -> Running:
    return Running(StandIn(logs=logs), as_pod(pod("Running")), PLAN, lambda _: None)


def test_what_was_seen_so_far_is_read_while_the_pod_runs() -> None:
    seen = running(line("once") + line("load", sample=1.0) + line("load", sample=2.0))

    assert list(seen) == ["load"]
    assert len(seen["load"]) == 2


def test_call_that_does_not_go_on_is_not_among_them() -> None:
    seen = running("")

    assert "once" not in seen
    with pytest.raises(HarnessError, match="no call 'once' goes on"):
        seen["once"]


def test_every_call_has_to_be_made_once() -> None:
    running(line("load", sample=1.0)).wait_for_first(EventLog(None))


def test_called_since_means_every_call() -> None:
    seen = running(line("load", sample=5.0))
    first = seen["load"][0].began

    assert seen.called_since(first)
    assert not seen.called_since(seen["load"][0].ended)


def test_plan_in_which_nothing_goes_on_is_refused() -> None:
    with pytest.raises(HarnessError, match="nothing in its plan goes on"):
        Running(StandIn(), as_pod(pod("Running")), {"once": ask_agent()}, lambda _: None)
