"""
What the nodes, the webhook and the suite need of a Kubernetes API, one fact a test.

Runs against ours, or with `--kubeconfig FILE` against any other cluster: what
holds there must hold here. Needs an administrator, and no node.
"""

import json
from typing import Any

import pytest

from tests.cluster.apiserver.any_cluster import Ask, made, pod

MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
JSON_PATCH, APPLY = "application/json-patch+json", "application/apply-patch+yaml"
AUDIENCE = "pods.eks.amazonaws.com"


def config_map(name: str, **meta: Any) -> Any:
    return {"metadata": {"name": name, **meta}, "data": {"a": "1"}}


def events(ask: Ask, path: str) -> list[tuple[str, Any]]:
    text = ask("GET", path).text
    return [(one["type"], one["object"]) for one in map(json.loads, text.splitlines())]


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
def test_health_is_told(ask: Ask, path: str) -> None:
    assert ask("GET", path).text == "ok"


def test_objects_are_born_with_identity_and_version(ask: Ask, maps: str) -> None:
    meta = made(ask("POST", maps, config_map("born")))["metadata"]
    assert len(meta["uid"]) == 36
    assert int(meta["resourceVersion"]) > 0
    assert meta["creationTimestamp"].endswith("Z")


def test_a_name_can_be_generated(ask: Ask, maps: str) -> None:
    name = made(ask("POST", maps, {"metadata": {"generateName": "some-"}}))["metadata"]["name"]
    assert (name.startswith("some-"), len(name)) == (True, 10)


def test_a_second_object_of_that_name_already_exists(ask: Ask, maps: str) -> None:
    made(ask("POST", maps, config_map("twice")))
    refused = ask("POST", maps, config_map("twice"))
    assert (refused.status, refused.body["reason"]) == (409, "AlreadyExists")


def test_a_missing_object_is_not_found(ask: Ask, maps: str) -> None:
    refused = ask("GET", f"{maps}/none")
    assert (refused.status, refused.body["details"]) == (
        404,
        {"name": "none", "kind": "configmaps"},
    )


def test_a_missing_namespace_is_not_found(ask: Ask) -> None:
    refused = ask("POST", "/api/v1/namespaces/no-such-one/configmaps", config_map("c"))
    assert (refused.status, refused.body["details"]["kind"]) == (404, "namespaces")


def test_an_invalid_name_is_refused_with_its_field(ask: Ask, maps: str) -> None:
    refused = ask("POST", maps, config_map("Not_Valid"))
    assert (refused.status, refused.body["reason"]) == (422, "Invalid")
    assert refused.body["details"]["causes"][0]["field"] == "metadata.name"


def test_a_dry_run_leaves_nothing(ask: Ask, maps: str) -> None:
    assert made(ask("POST", f"{maps}?dryRun=All", config_map("dry")))["metadata"]["uid"]
    assert ask("GET", f"{maps}/dry").status == 404


def test_an_unknown_field_is_refused_when_strict(ask: Ask, maps: str) -> None:
    refused = ask("POST", f"{maps}?fieldValidation=Strict", config_map("odd") | {"bogus": 1})
    assert (refused.status, 'unknown field "bogus"' in refused.body["message"]) == (400, True)


def test_a_stale_version_is_a_conflict(ask: Ask, maps: str) -> None:
    old = made(ask("POST", maps, config_map("stale")))
    made(ask("PATCH", f"{maps}/stale", {"data": {"b": "2"}}, content=MERGE))
    refused = ask("PUT", f"{maps}/stale", old)
    assert (refused.status, refused.body["reason"]) == (409, "Conflict")


def test_a_merge_patch_removes_with_null(ask: Ask, maps: str) -> None:
    made(ask("POST", maps, config_map("merged")))
    changed = made(ask("PATCH", f"{maps}/merged", {"data": {"a": None, "b": "2"}}, content=MERGE))
    assert changed["data"] == {"b": "2"}


def test_a_json_patch_tests_before_it_changes(ask: Ask, maps: str) -> None:
    made(ask("POST", maps, config_map("json")))
    operations = [{"op": "test", "path": "/data/a", "value": "other"}]
    assert ask("PATCH", f"{maps}/json", operations, content=JSON_PATCH).status == 422
    operations = [{"op": "replace", "path": "/data/a", "value": "2"}]
    changed = made(ask("PATCH", f"{maps}/json", operations, content=JSON_PATCH))
    assert changed["data"] == {"a": "2"}


def test_a_strategic_patch_merges_lists_by_key(ask: Ask, pods: str) -> None:
    made(ask("POST", pods, pod("strategic")))
    image = {"spec": {"containers": [{"name": "main", "image": "busybox:1.37"}]}}
    changed = made(ask("PATCH", f"{pods}/strategic", image, content=STRATEGIC))
    container = changed["spec"]["containers"][0]
    assert (container["image"], container["env"][0]["name"]) == ("busybox:1.37", "A")


def test_apply_creates_and_then_changes(ask: Ask, maps: str) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", **config_map("applied")}
    path = f"{maps}/applied?fieldManager=test"
    assert ask("PATCH", path, body, content=APPLY).status == 201
    changed = made(ask("PATCH", path, body | {"data": {"b": "2"}}, content=APPLY))
    assert changed["data"] == {"b": "2"}


def test_apply_needs_a_manager(ask: Ask, maps: str) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", **config_map("nobodys")}
    assert ask("PATCH", f"{maps}/nobodys", body, content=APPLY).status == 422


def test_a_list_comes_in_pages(ask: Ask, maps: str) -> None:
    for number in range(5):
        made(ask("POST", maps, config_map(f"page-{number}", labels={"pages": "yes"})))
    first = made(ask("GET", f"{maps}?labelSelector=pages=yes&limit=2"))
    token = first["metadata"]["continue"]
    second = made(ask("GET", f"{maps}?labelSelector=pages=yes&limit=2&continue={token}"))
    seen = [one["metadata"]["name"] for one in first["items"] + second["items"]]
    assert seen == [f"page-{number}" for number in range(4)]


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("tier=web", ["sel-a"]),
        ("tier!=web,tier", ["sel-b"]),
        ("tier in (web,db)", ["sel-a", "sel-b"]),
        ("!tier,chosen", ["sel-c"]),
    ],
)
def test_labels_select(ask: Ask, maps: str, selector: str, names: list[str]) -> None:
    for name, labels in (("sel-a", {"tier": "web"}), ("sel-b", {"tier": "db"}), ("sel-c", {})):
        ask("POST", maps, config_map(name, labels={"chosen": "yes", **labels}))
    found = made(ask("GET", f"{maps}?labelSelector={selector},chosen".replace(" ", "%20")))
    assert [one["metadata"]["name"] for one in found["items"]] == names


def test_fields_select(ask: Ask, pods: str) -> None:
    made(ask("POST", pods, pod("field")))
    chosen = "metadata.name=field,status.phase=Pending,spec.nodeName="
    assert len(made(ask("GET", f"{pods}?fieldSelector={chosen}"))["items"]) == 1
    assert ask("GET", f"{pods}?fieldSelector=spec.hostname=x").status == 400


def test_a_watch_begins_where_a_list_ended(ask: Ask, maps: str) -> None:
    version = made(ask("GET", maps))["metadata"]["resourceVersion"]
    made(ask("POST", maps, config_map("seen")))
    made(ask("PATCH", f"{maps}/seen", {"data": {"a": "2"}}, content=MERGE))
    made(ask("DELETE", f"{maps}/seen"))
    query = f"watch=true&resourceVersion={version}&timeoutSeconds=1"
    seen = [(kind, obj["metadata"]["name"]) for kind, obj in events(ask, f"{maps}?{query}")]
    assert seen == [("ADDED", "seen"), ("MODIFIED", "seen"), ("DELETED", "seen")]


def test_what_leaves_a_selection_is_deleted_from_its_watch(ask: Ask, maps: str) -> None:
    version = made(ask("POST", maps, config_map("moves", labels={"in": "yes"})))["metadata"][
        "resourceVersion"
    ]
    made(ask("PATCH", f"{maps}/moves", {"metadata": {"labels": {"in": "no"}}}, content=MERGE))
    query = f"watch=true&resourceVersion={version}&timeoutSeconds=1&labelSelector=in=yes"
    assert [kind for kind, _ in events(ask, f"{maps}?{query}")] == ["DELETED"]


def test_a_watch_may_begin_with_what_is_there(ask: Ask, maps: str) -> None:
    made(ask("POST", maps, config_map("there")))
    query = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
    query += "&allowWatchBookmarks=true&timeoutSeconds=1&fieldSelector=metadata.name=there"
    seen = events(ask, f"{maps}?{query}")
    assert [kind for kind, _ in seen] == ["ADDED", "BOOKMARK"]
    assert "k8s.io/initial-events-end" in seen[1][1]["metadata"]["annotations"]


def test_deletion_checks_the_uid_it_was_meant_for(ask: Ask, maps: str) -> None:
    made(ask("POST", maps, config_map("meant")))
    other = {"preconditions": {"uid": "00000000-0000-0000-0000-000000000000"}}
    assert ask("DELETE", f"{maps}/meant", other).status == 409
    assert made(ask("DELETE", f"{maps}/meant"))["status"] == "Success"


def test_a_finalizer_holds_what_is_deleted(ask: Ask, maps: str) -> None:
    made(ask("POST", maps, config_map("held", finalizers=["example.com/hold"])))
    made(ask("DELETE", f"{maps}/held"))
    assert "deletionTimestamp" in made(ask("GET", f"{maps}/held"))["metadata"]
    made(ask("PATCH", f"{maps}/held", {"metadata": {"finalizers": None}}, content=MERGE))
    assert ask("GET", f"{maps}/held").status == 404


def test_a_collection_is_deleted_by_selector(ask: Ask, maps: str) -> None:
    for name, labels in (("gone-1", {"go": "yes"}), ("gone-2", {"go": "yes"}), ("stays", {})):
        made(ask("POST", maps, config_map(name, labels=labels)))
    made(ask("DELETE", f"{maps}?labelSelector=go=yes"))
    left = [one["metadata"]["name"] for one in made(ask("GET", maps))["items"]]
    assert ("gone-1" in left, "gone-2" in left, "stays" in left) == (False, False, True)


def test_a_status_is_changed_apart_from_the_rest(ask: Ask, pods: str) -> None:
    made(ask("POST", pods, pod("status")))
    both = {"metadata": {"labels": {"x": "y"}}, "status": {"reason": "Because"}}
    made(ask("PATCH", f"{pods}/status", both, content=MERGE))
    assert "reason" not in made(ask("GET", f"{pods}/status"))["status"]
    changed = made(ask("PATCH", f"{pods}/status/status", both, content=MERGE))
    assert changed["status"]["reason"] == "Because"


def test_a_namespace_is_born_with_account_and_certificate(ask: Ask, namespace: str) -> None:
    here = f"/api/v1/namespaces/{namespace}"
    made(ask("POST", f"{here}/pods", pod("waits-for-account")))
    assert made(ask("GET", f"{here}/serviceaccounts/default"))["metadata"]["name"] == "default"
    authority = made(ask("GET", f"{here}/configmaps/kube-root-ca.crt"))["data"]["ca.crt"]
    assert authority.startswith("-----BEGIN CERTIFICATE-----")


def test_a_pod_gets_account_token_volume_and_tolerations(ask: Ask, pods: str) -> None:
    spec = made(ask("POST", pods, pod("admitted")))["spec"]
    assert spec["serviceAccountName"] == "default"
    sources = spec["volumes"][0]["projected"]["sources"]
    assert sources[0]["serviceAccountToken"] == {"expirationSeconds": 3607, "path": "token"}
    mount = spec["containers"][0]["volumeMounts"][0]
    assert mount["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"
    keys = {one["key"] for one in spec["tolerations"]}
    assert keys == {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}


def test_a_pod_may_refuse_its_token(ask: Ask, pods: str) -> None:
    spec = made(ask("POST", pods, pod("bare", automountServiceAccountToken=False)))["spec"]
    assert "volumes" not in spec


def test_a_pod_of_a_missing_account_is_forbidden(ask: Ask, pods: str) -> None:
    refused = ask("POST", pods, pod("orphan", serviceAccountName="none"))
    assert refused.status == 403
    assert 'serviceaccount "none" not found' in refused.body["message"]


def test_a_projected_token_defaults_to_an_hour(ask: Ask, pods: str) -> None:
    source = {"serviceAccountToken": {"path": "t", "audience": AUDIENCE}}
    volume = {"name": "t", "projected": {"sources": [source]}}
    spec = made(ask("POST", pods, pod("projected", volumes=[volume])))["spec"]
    assert spec["volumes"][0]["projected"]["defaultMode"] == 420
    token = spec["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]
    assert token["expirationSeconds"] == 3600


def test_containers_of_a_pod_are_fixed(ask: Ask, pods: str) -> None:
    made(ask("POST", pods, pod("fixed")))
    env = [{"op": "add", "path": "/spec/containers/0/env/-", "value": {"name": "B"}}]
    assert ask("PATCH", f"{pods}/fixed", env, content=JSON_PATCH).status == 422


def test_the_log_of_an_unscheduled_pod_is_empty(ask: Ask, pods: str) -> None:
    made(ask("POST", pods, pod("mute")))
    assert ask("GET", f"{pods}/mute/log").status in (200, 204)


def test_an_eviction_deletes_a_pod(ask: Ask, pods: str) -> None:
    made(ask("POST", pods, pod("evicted")))
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "evicted"}}
    made(ask("POST", f"{pods}/evicted/eviction", body))
    assert ask("GET", f"{pods}/evicted").status == 404


def test_events_are_written_and_found(ask: Ask, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/events"
    about = {"kind": "Pod", "name": "p", "namespace": namespace, "uid": "u-1"}
    event = {
        "metadata": {"name": "e"},
        "involvedObject": about,
        "reason": "Tested",
        "type": "Normal",
    }
    made(ask("POST", path, event))
    found = made(ask("GET", f"{path}?fieldSelector=involvedObject.uid=u-1,reason=Tested"))
    assert len(found["items"]) == 1


def test_a_table_is_given_to_those_who_ask(ask: Ask, maps: str) -> None:
    table = made(ask("GET", maps, Accept="application/json;as=Table;g=meta.k8s.io;v=v1"))
    assert [one["name"] for one in table["columnDefinitions"]] == ["Name", "Data", "Age"]
