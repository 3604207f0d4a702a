import json
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from conformance.probes import Call, Outcome, ask_agent, call, repeated
from conformance.probes.plan import WHO_AM_I
from conformance.probes.samples import Samples, read_samples

# The fixtures' types lie in conftest.py, which no test can import.
Pod = Any


def seen(pod: Pod, plan: dict[str, Call], *, lines: int) -> dict[str, Samples]:
    """The first so many lines of a pod that would go on for ever."""
    process = pod.start(plan)
    try:
        log = "".join(process.stdout.readline() for _ in range(lines))
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    found = read_samples(log)
    return {name: Samples(name, samples, lambda _: None) for name, samples in found.items()}


@pytest.fixture
def renewing(pod: Pod) -> Pod:
    """Its agent gives other credentials each time, with a minute to live."""
    given: list[int] = []

    def answer(request: BaseHTTPRequestHandler) -> tuple[int, str, str]:
        given.append(1)
        keys = {
            "AccessKeyId": f"ASIAPODPODPODPOD{len(given):04}",
            "SecretAccessKey": "s" * 40,
            "Token": "t" * 40,
            "Expiration": "2099-01-01T00:00:00Z",
        }
        return 200, "application/json", json.dumps(keys)

    pod.agent.answer = answer
    return pod


def test_calls_go_on_beside_each_other_until_the_pod_is_told_to_end(pod: Pod) -> None:
    plan: dict[str, Call] = {
        "sdk": repeated(WHO_AM_I, every=0.01),
        "hand": repeated(ask_agent(), every=0.01),
    }

    loads = seen(pod, plan, lines=40)

    assert set(loads) == {"sdk", "hand"}
    assert all(len(load.granted()) > 1 for load in loads.values())


def test_calls_that_are_not_repeated_are_made_once_and_first(pod: Pod) -> None:
    process = pod.start({"load": repeated(ask_agent(), every=0.01), "once": ask_agent()})
    first, second = (json.loads(process.stdout.readline()) for _ in range(2))
    process.terminate()
    process.communicate(timeout=60)

    assert (first["call"], second["call"]) == ("once", "load")
    assert "sample" not in first


def test_one_sdk_keeps_its_credentials_and_a_new_one_asks(renewing: Pod) -> None:
    plan: dict[str, Call] = {
        "one": repeated(WHO_AM_I, every=0.01),
        "anew": repeated(WHO_AM_I, every=0.01, fresh=True),
    }

    loads = seen(renewing, plan, lines=30)

    assert len(loads["one"].access_keys) == 1
    assert len(loads["anew"].access_keys) == len(loads["anew"])


def test_credentials_that_are_kept_are_asked_for_once(renewing: Pod) -> None:
    loads = seen(renewing, {"kept": repeated(ask_agent(), keeping=WHO_AM_I)}, lines=3)

    assert len(renewing.agent.asked) == 1
    assert len(loads["kept"].access_keys) == 1
    assert len(loads["kept"].sessions) == 1


def test_credentials_that_are_kept_are_asked_for_until_there_are_some(pod: Pod) -> None:
    good = pod.agent.answer
    answers = iter([(500, "text/plain", "[]\n")] * 2)
    pod.agent.answer = lambda request: next(answers, None) or good(request)

    loads = seen(pod, {"kept": repeated(ask_agent(), keeping=WHO_AM_I, every=0.01)}, lines=4)

    outcomes = [sample.evidence.outcome for sample in loads["kept"]]
    assert outcomes == [Outcome.FAILED, Outcome.FAILED, Outcome.GRANTED, Outcome.GRANTED]


def test_refusal_is_no_reason_not_to_ask_again(pod: Pod) -> None:
    good = pod.agent.answer
    answers = iter([(400, "text/plain", "Service account token cannot be parsed: x\n")] * 3)
    pod.agent.answer = lambda request: next(answers, None) or good(request)

    # Three attempts of the SDK, a second apart, are one call.
    loads = seen(pod, {"sdk": repeated(WHO_AM_I, every=0.01)}, lines=2)

    outcomes = [sample.evidence.outcome for sample in loads["sdk"]]
    assert outcomes == [Outcome.DENIED, Outcome.GRANTED]
    assert loads["sdk"][0].evidence.latency_ms >= 2000


def test_load_prints_no_secret(pod: Pod) -> None:
    process = pod.start({"read": repeated(ask_agent(), keeping=call("sts", "get_session_token"))})
    line = process.stdout.readline()
    process.terminate()
    process.communicate(timeout=60)

    assert "ASIAPOD" not in line
    assert "pod-secret-key" not in line
