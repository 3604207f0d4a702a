import json
from pathlib import Path
from typing import Any

from conformance.probes import call, pod
from conformance.probes.injected import (
    ADDRESS_VARIABLE,
    STS_VARIABLE,
    TOKEN_VARIABLE,
    annotations,
    injected_parts,
    names_but_regional_sts,
    token_sources,
    variables,
)
from conformance.probes.runner import TOKEN_FILE

TOKEN = {"audience": "pods.eks.amazonaws.com", "path": "eks-pod-identity-token"}


def manifest(**changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "name": "probe-1",
        "service_account": "reader",
        "plan": {"read": call("s3", "list_buckets")},
        "image": "conformance/probe",
        "labels": {"conformance/run": "abc"},
    }
    return pod.probe_manifest(**{**given, **changes})


def test_pod_brings_nothing_that_the_webhook_would_inject() -> None:
    plain = manifest(region="eu-west-1")

    assert injected_parts(plain) == []
    assert not {"AWS_REGION", "AWS_DEFAULT_REGION"} & set(variables(plain))
    assert variables(plain)["CONFORMANCE_REGION"] == "eu-west-1"


def test_regional_sts_is_passed_over_in_its_place_only() -> None:
    sts = {"name": STS_VARIABLE, "value": "regional"}
    mine, theirs = {"name": "MINE"}, {"name": "AWS_REGION"}

    assert names_but_regional_sts({"env": [mine, sts, theirs]}, own=1) == ["MINE", "AWS_REGION"]
    assert STS_VARIABLE in names_but_regional_sts({"env": [mine, theirs, sts]}, own=1)
    legacy = sts | {"value": "legacy"}
    assert STS_VARIABLE in names_but_regional_sts({"env": [mine, legacy]}, own=1)


def test_pod_is_accepted_by_the_restricted_security_standard() -> None:
    spec = manifest()["spec"]
    container = spec["containers"][0]["securityContext"]

    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["allowPrivilegeEscalation"] is False
    assert container["capabilities"] == {"drop": ["ALL"]}


def test_pod_has_no_token_but_the_projected_one() -> None:
    assert manifest()["spec"]["automountServiceAccountToken"] is False


def test_presented_tokens_are_mounted_and_not_written_down() -> None:
    spec = manifest(secret="probe-1-secrets")["spec"]

    assert spec["volumes"][0]["secret"] == {"secretName": "probe-1-secrets"}
    assert spec["containers"][0]["volumeMounts"][0]["mountPath"] == "/var/run/secrets/conformance"
    assert "volumes" not in manifest()["spec"]


def test_pod_ends_by_itself_when_nobody_ends_it() -> None:
    assert manifest()["spec"]["activeDeadlineSeconds"] == 300
    assert manifest(hold=True)["spec"]["activeDeadlineSeconds"] == 3600


def test_node_is_named_only_when_wanted() -> None:
    assert manifest(node="node-2")["spec"]["nodeName"] == "node-2"
    assert "nodeName" not in manifest()["spec"]


def test_injected_parts_are_found_each_by_itself() -> None:
    injected = manifest()
    injected["metadata"]["labels"]["eks.amazonaws.com/pod-identity"] = "enabled"
    injected["metadata"]["annotations"] = {"eks.amazonaws.com/role-arn": "x", "other": "y"}
    injected["spec"]["containers"][0]["env"] += [{"name": ADDRESS_VARIABLE, "value": "http://x"}]
    sources = [{"serviceAccountToken": TOKEN}]
    injected["spec"]["volumes"] = [
        {"name": "eks-pod-identity-token", "projected": {"sources": sources}},
        {"name": "other", "emptyDir": {}},
    ]

    assert injected_parts(injected) == [
        ADDRESS_VARIABLE,
        "eks-pod-identity-token",
        "eks.amazonaws.com/pod-identity",
    ]
    assert token_sources(injected) == [TOKEN]
    assert annotations(injected) == ["eks.amazonaws.com/role-arn"]


def test_runner_and_harness_mean_the_same_variable() -> None:
    assert TOKEN_FILE == TOKEN_VARIABLE


def test_probe_image_pins_the_boto3_of_the_project() -> None:
    root = Path(__file__).parents[2]
    dockerfile = (root / "conformance" / "probes" / "image" / "Dockerfile").read_text()
    pinned = next(word for word in dockerfile.split() if word.startswith("boto3=="))

    assert f'"{pinned}"' in (root / "pyproject.toml").read_text()


def test_containers_beside_the_probe_are_of_their_kind() -> None:
    beside = {"first": "init", "helper": "sidecar", "other": "container"}
    spec = manifest(beside=beside, hold=True)["spec"]
    first, helper = spec["initContainers"]

    assert [one["name"] for one in spec["containers"]] == ["probe", "other"]
    assert (first["name"], first.get("restartPolicy")) == ("first", None)
    assert (helper["name"], helper["restartPolicy"]) == ("helper", "Always")
    # An init container that stayed would hold up the pod for good.
    plans = {one["name"]: json.loads(one["env"][0]["value"]) for one in spec["initContainers"]}
    assert [plan.get("hold") for plan in plans.values()] == [False, True]
