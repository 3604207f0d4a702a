import json

import pytest

from conformance.errors import HarnessError
from conformance.probes import Call, answer_of, ask_agent, ask_node, by_url, call, presented
from conformance.probes.plan import WHO_AM_I, plan_json


def test_plan_is_what_the_runner_reads() -> None:
    plan: dict[str, Call] = {
        "read": call("s3", "get_object", Bucket="b"),
        "ask": ask_agent("dev", then=WHO_AM_I),
    }
    read, ask = json.loads(plan_json(plan))["calls"]

    assert read == {
        "name": "read",
        "service": "s3",
        "operation": "get_object",
        "parameters": {"Bucket": "b"},
    }
    assert ask["agent"]["token_file"] == "/var/run/secrets/conformance/dev"
    assert ask["then"]["operation"] == "get_caller_identity"


def test_own_token_no_token_and_a_presented_one_differ() -> None:
    files = [ask.token_file for ask in (ask_agent(), ask_agent(None), ask_agent("x"))]

    assert files == [
        "$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        None,
        "/var/run/secrets/conformance/x",
    ]


def test_hold_is_part_of_the_plan() -> None:
    assert json.loads(plan_json({}, hold=True)) == {"calls": [], "hold": True}


def test_parameter_that_json_cannot_carry_is_refused() -> None:
    with pytest.raises(HarnessError, match="JSON"):
        plan_json({"write": call("s3", "put_object", Body=b"bytes")})


def test_presented_secret_is_named_by_its_place_only() -> None:
    assert presented("dev") == {"$file": "/var/run/secrets/conformance/dev"}


def test_request_that_is_changed_says_how() -> None:
    changed = ask_agent(None, method="POST", path="/x?y", authorization="Bearer {token}", times=3)
    asked = changed.as_json()["agent"]

    assert (asked["method"], asked["path"], asked["times"]) == ("POST", "/x?y", 3)
    assert asked["authorization"] == "Bearer {token}"


def test_node_is_asked_plainly_and_without_token() -> None:
    asked = ask_node("/healthz", port=2705).as_json()["agent"]

    assert asked["address"] == "http://169.254.170.23:2705"
    assert asked["plain"]
    assert asked["token_file"] is None


def test_answer_of_an_earlier_call_is_named_by_its_place() -> None:
    assert answer_of("receive", "Messages", 0) == {"$answer": ["receive", "Messages", 0]}


def test_call_by_url_says_so_and_others_do_not() -> None:
    read = call("s3", "get_object", Bucket="b")

    assert by_url(read).as_json() == {**read.as_json(), "in_url": True}
    assert "in_url" not in read.as_json()
