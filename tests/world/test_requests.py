import json
from typing import Any

from conformance.probes.evidence import FORMAT
from conformance.probes.injected import variables
from conformance.probes.plan import WHO_AM_I
from conformance.world.requests import CliRequest, ProbeRequest
from conformance.world.trail import Event
from tests.world.stand_in import pod

NAMED: Any = {
    "name": "p-1",
    "labels": {"a": "b"},
    "secret": None,
    "image": "i",
    "region": "eu-west-1",
}
LINE = json.dumps(
    {
        "evidence": FORMAT,
        "call": "who",
        "operation": "s3:list_buckets",
        "latency_ms": 1.0,
        "injection": {},
        "provider": "container-role",
        "status": 200,
        "answer": {},
    }
)
LIST = CliRequest("shop", "reader", {"list": ("s3", "ls")})


def test_pod_of_the_cli_says_image_command_and_account_only() -> None:
    spec = LIST.manifest(**NAMED)["spec"]

    assert spec["containers"] == [
        {"name": "aws", "image": "amazon/aws-cli", "command": ["aws", "s3", "ls"]}
    ]
    assert spec["serviceAccountName"] == "reader"
    assert "eu-west-1" not in json.dumps(spec)


def test_exit_code_of_the_pod_is_the_clis() -> None:
    ended = pod("Failed", containerStatuses=[{"state": {"terminated": {"exitCode": 253}}}])
    ended["spec"]["containers"] = [{"env": [{"name": "AWS_REGION", "value": "eu-west-1"}]}]
    evidence = LIST.evidence({"aws": "Unable to locate credentials."}, ended)["list"]

    assert evidence.code == "NoCredentials"
    assert evidence.injection.variables == {"AWS_REGION": "eu-west-1"}


def test_containers_beside_the_probe_are_told_apart() -> None:
    request = ProbeRequest("shop", "app", {"who": WHO_AM_I}, beside={"first": "init"})
    logs = dict.fromkeys(request.containers, LINE)

    assert request.calls == ("who", "first: who")
    assert tuple(request.evidence(logs, {})) == request.calls


def test_variable_by_hand_replaces_the_probes_own() -> None:
    by_hand = {"AWS_EC2_METADATA_DISABLED": "false", "AWS_ROLE_ARN": "r"}
    request = ProbeRequest("shop", "app", {"who": WHO_AM_I}, environment=by_hand)
    found = variables(request.manifest(**NAMED))

    assert {name: found[name] for name in by_hand} == by_hand


def test_what_an_event_lacks_is_empty_and_no_error() -> None:
    event = json.loads('{"userIdentity": {"type": "Root"}}', object_hook=Event)

    assert event["userIdentity"]["sessionContext"]["sessionIssuer"] == {}
    assert event["errorCode"] != "AccessDenied"
    assert "errorCode" not in event
