"""The official client, strict about every field, against any cluster; see any_cluster.py."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client as typed_client
from kubernetes import watch as typed_watch

# Every field of the models is optional to mypy; what is there is what these tests check.
client: Any = typed_client
watch: Any = typed_watch


def pod(name: str, **meta: Any) -> Any:
    container = client.V1Container(name="m", image="busybox:1.36", command=["true"])
    return client.V1Pod(
        metadata=client.V1ObjectMeta(name=name, **meta),
        spec=client.V1PodSpec(containers=[container], restart_policy="Never"),
    )


def test_version_and_discovery_are_read(api: Any) -> None:
    assert client.VersionApi(api).get_code().major == "1"
    resources = client.AppsV1Api(api).get_api_resources().resources
    assert "daemonsets/status" in [one.name for one in resources]
    groups = client.ApisApi(api).get_api_versions().groups
    assert {"apps", "batch", "authentication.k8s.io"} <= {one.name for one in groups}


def test_pod_is_created_patched_and_deleted(core: Any, namespace: str) -> None:
    made = core.create_namespaced_pod(namespace, pod("p1", labels={"a": "1"}))
    assert made.spec.service_account_name == "default"
    core.patch_namespaced_pod("p1", namespace, {"metadata": {"labels": {"b": "2"}}})
    listed = core.list_namespaced_pod(namespace, label_selector="a=1,b=2").items
    assert [one.metadata.name for one in listed] == ["p1"]
    gone = core.delete_namespaced_pod("p1", namespace, grace_period_seconds=0)
    assert gone.metadata.uid == made.metadata.uid
    with pytest.raises(client.ApiException) as missing:
        core.read_namespaced_pod("p1", namespace)
    assert missing.value.status == 404


def test_watch_sees_what_happens_after_the_list(core: Any, namespace: str) -> None:
    listed = core.list_namespaced_config_map(namespace)
    core.create_namespaced_config_map(
        namespace, client.V1ConfigMap(metadata=client.V1ObjectMeta(name="watched"))
    )
    core.delete_namespaced_config_map("watched", namespace)
    stream = watch.Watch().stream(
        core.list_namespaced_config_map,
        namespace,
        resource_version=listed.metadata.resource_version,
        timeout_seconds=2,
    )
    seen = []
    for event in stream:
        seen.append((event["type"], event["object"].metadata.name))
        if len(seen) == 2:
            break
    assert seen == [("ADDED", "watched"), ("DELETED", "watched")]


def test_token_is_requested_and_reviewed(api: Any, core: Any, namespace: str) -> None:
    asked = client.AuthenticationV1TokenRequest(
        spec=client.V1TokenRequestSpec(audiences=["pods.eks.amazonaws.com"])
    )
    given = core.create_namespaced_service_account_token("default", namespace, asked)
    spec = client.V1TokenReviewSpec(token=given.status.token, audiences=["pods.eks.amazonaws.com"])
    review = client.AuthenticationV1Api(api).create_token_review(client.V1TokenReview(spec=spec))
    assert review.status.authenticated
    assert review.status.user.username == f"system:serviceaccount:{namespace}:default"


def test_node_and_its_lease_are_read(api: Any, core: Any, given: Path | None) -> None:
    if given:
        pytest.skip("a real cluster has nodes of its own")
    core.create_node(client.V1Node(metadata=client.V1ObjectMeta(name="n1")))
    ready = [{"type": "Ready", "status": "True"}]
    core.patch_node_status("n1", {"status": {"conditions": ready, "capacity": {"cpu": "2"}}})
    read = core.read_node("n1")
    assert read.status.node_info.kubelet_version == ""
    assert read.status.conditions[0].status == "True"
    leases = client.CoordinationV1Api(api)
    lease = client.V1Lease(metadata=client.V1ObjectMeta(name="n1"))
    leases.create_namespaced_lease("kube-node-lease", lease)
    assert leases.read_namespaced_lease("n1", "kube-node-lease").metadata.name == "n1"
    core.delete_node("n1")


def test_workloads_are_read_with_every_required_field(api: Any, namespace: str) -> None:
    labels = {"app": "w"}
    template = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels=labels),
        spec=client.V1PodSpec(containers=[client.V1Container(name="m", image="i:1")]),
    )
    chosen = client.V1LabelSelector(match_labels=labels)
    apps, meta = client.AppsV1Api(api), client.V1ObjectMeta(name="w")
    daemon = client.V1DaemonSetSpec(selector=chosen, template=template)
    apps.create_namespaced_daemon_set(namespace, client.V1DaemonSet(metadata=meta, spec=daemon))
    deploy = client.V1DeploymentSpec(selector=chosen, template=template)
    apps.create_namespaced_deployment(namespace, client.V1Deployment(metadata=meta, spec=deploy))
    assert apps.read_namespaced_daemon_set("w", namespace).status.number_ready == 0
    assert apps.list_namespaced_deployment(namespace).items[0].spec.replicas == 1
    once = template.model_copy(deep=True)
    once.spec.restart_policy = "Never"
    job = client.V1Job(metadata=meta, spec=client.V1JobSpec(template=once))
    batch = client.BatchV1Api(api)
    assert batch.create_namespaced_job(namespace, job).spec.completions == 1
    deleted = apps.delete_namespaced_daemon_set("w", namespace)
    assert deleted["status"] == "Success"


def test_webhook_configuration_is_read(api: Any) -> None:
    hook = client.V1MutatingWebhook(
        name="a.b.c",
        admission_review_versions=["v1"],
        client_config=client.AdmissionregistrationV1WebhookClientConfig(url="https://127.0.0.1:1"),
        side_effects="None",
        failure_policy="Ignore",
        rules=[],
    )
    name = f"client-{os.getpid()}"
    registered = client.AdmissionregistrationV1Api(api)
    body = client.V1MutatingWebhookConfiguration(
        metadata=client.V1ObjectMeta(name=name), webhooks=[hook]
    )
    made = registered.create_mutating_webhook_configuration(body)
    assert made.webhooks[0].reinvocation_policy == "Never"
    registered.delete_mutating_webhook_configuration(name)


def test_namespace_ends_with_its_content(core: Any, given: Path | None) -> None:
    name = f"ends-{os.getpid()}"
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name)))
    core.create_namespaced_pod(name, pod("p"))
    version = core.list_namespace().metadata.resource_version
    core.delete_namespace(name)
    began = time.monotonic()
    stream = watch.Watch().stream(
        core.list_namespace,
        field_selector=f"metadata.name={name}",
        resource_version=version,
        timeout_seconds=60,
    )
    assert "DELETED" in (event["type"] for event in stream)
    if given is None:
        assert time.monotonic() - began < 2
