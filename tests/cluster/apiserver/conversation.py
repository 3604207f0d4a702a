"""
What was done between the recorded requests, and how the recorded server was set up.

Data of `test_apiserver_golden.py`: by the name of the entry that it comes before.
"""

import json
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parents[2] / "golden" / "kube-apiserver-1.37.json"
RECORDED = json.loads(GOLDEN.read_text())["entries"]
ENTRIES = [entry for entry in RECORDED if "request" in entry]

CM = "/api/v1/namespaces/{}/configmaps"
PODS = "/api/v1/namespaces/{}/pods"
ACCOUNTS = "/api/v1/namespaces/{}/serviceaccounts"
HOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
DAEMONS = "/apis/apps/v1/namespaces/{}/daemonsets"
TOKEN_VOLUME = {
    "name": "t",
    "projected": {
        "sources": [{"serviceAccountToken": {"path": "tok", "audience": "pods.eks.amazonaws.com"}}]
    },
}


def namespace(name: str) -> tuple[str, str, Any]:
    return "POST", "/api/v1/namespaces", {"metadata": {"name": name}}


def pod(name: str, where: str, **spec: Any) -> tuple[str, str, Any]:
    containers = [{"name": "main", "image": "img"}]
    body = {"metadata": {"name": name}, "spec": {"containers": containers} | spec}
    return "POST", PODS.format(where), body


def configmap(name: str, where: str, **meta: Any) -> tuple[str, str, Any]:
    return "POST", CM.format(where), {"metadata": {"name": name} | meta, "data": {"a": "1"}}


def account(name: str, where: str) -> tuple[str, str, Any]:
    return "POST", ACCOUNTS.format(where), {"metadata": {"name": name}}


def daemon_set(where: str) -> tuple[str, str, Any]:
    template = {
        "metadata": {"labels": {"d": "s"}},
        "spec": {"containers": [{"name": "m", "image": "i"}]},
    }
    spec = {"selector": {"matchLabels": {"d": "s"}}, "template": template}
    return "POST", DAEMONS.format(where), {"metadata": {"name": "ds"}, "spec": spec}


def hook(name: str, policy: str) -> tuple[str, str, Any]:
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["pods"],
    }
    webhook = {
        "name": "a.b.c",
        "clientConfig": {"url": "https://127.0.0.1:1/m"},
        "rules": [rule],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "failurePolicy": policy,
    }
    return "POST", HOOKS, {"metadata": {"name": name}, "webhooks": [webhook]}


def hanging_hook(name: str, policy: str, seconds: int) -> tuple[str, str, Any]:
    """At `HANGING`, which the replay replaces by an address that never answers."""
    method, path, body = hook(name, policy)
    body["webhooks"][0] |= {"clientConfig": {"url": f"{HANGING}/m"}, "timeoutSeconds": seconds}
    return method, path, body


def force_delete(name: str, where: str) -> tuple[str, str, Any]:
    return "DELETE", f"{PODS.format(where)}/{name}", {"gracePeriodSeconds": 0}


HANGING = "https://127.0.0.1:0"
READY_NODE = {
    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
}

# What the recorder did between the recorded requests, before the entry of that name.
BEFORE: dict[str, list[tuple[str, str, Any]]] = {
    ENTRIES[0]["name"]: [namespace("gold"), pod("simple", "gold")],
    "PUT stale resourceVersion": [
        ("PATCH", f"{CM.format('gold')}/noct", {"data": {"z": "z"}}),
    ],
    "bind pod to node": [pod("bound", "gold")],
    "delete uid precondition mismatch": [configmap("del1", "gold")],
    "delete with finalizer (200, the object)": [configmap("fin", "gold", finalizers=["x.io/y"])],
    "create serviceaccount": [namespace("gold2")],
    "token: bound to scheduled pod (+uid)": [
        pod("pb", "gold2", serviceAccountName="sa1", nodeName="node1"),
        pod("pu", "gold2", serviceAccountName="sa1"),
        pod("pd", "gold2", nodeName="node1"),
    ],
    "TokenReview: pod deleted, ~0s after": [force_delete("pb", "gold2")],
    "TokenReview: pod re-created with same name (uid differs)": [
        pod("pb", "gold2", serviceAccountName="sa1", nodeName="node1")
    ],
    "pod immediately after namespace create #0": [namespace("race0")],
    "pod immediately after namespace create #1": [namespace("race1")],
    "pod immediately after namespace create #2": [namespace("race2")],
    "daemonset after 1 s with one bare node": [daemon_set("gold2")],
    "namespace delete response": [
        namespace("nsdel"),
        configmap("hold", "nsdel", finalizers=["x.io/y"]),
        pod("p", "nsdel", nodeName="node1"),
    ],
    "pod create, webhook Ignore, connection refused": [hook("w99", "Ignore")],
    "pod create, webhook Fail, connection refused": [
        ("DELETE", f"{HOOKS}/w99", None),
        hook("w100", "Fail"),
    ],
    "pod create, webhook Ignore, accepts TCP never answers, timeoutSeconds 1": [
        ("DELETE", f"{HOOKS}/w100", None),
        hanging_hook("w101", "Ignore", 1),
    ],
    "pod create, webhook Ignore, accepts TCP never answers, timeoutSeconds 3": [
        ("DELETE", f"{HOOKS}/w101", None),
        hanging_hook("w103", "Ignore", 3),
    ],
    "pod create, webhook Fail, accepts TCP never answers, timeoutSeconds 3": [
        ("DELETE", f"{HOOKS}/w103", None),
        hanging_hook("w104", "Fail", 3),
    ],
    "TokenReview: expired 50 s ago": [
        ("DELETE", f"{HOOKS}/w104", None),
        namespace("gold3"),
        account("sa1", "gold3"),
        account("sa9", "gold3"),
        pod("q1", "gold3", serviceAccountName="sa1"),
        pod("q2", "gold3", serviceAccountName="sa1", nodeName="node1"),
    ],
    "NodeRestriction: node token request: own pod, audience in pod volume": [
        force_delete("p", "nsdel"),
        namespace("gold4"),
        account("sa1", "gold4"),
        account("sa2", "gold4"),
        ("POST", "/api/v1/nodes", {"metadata": {"name": "node2"}}),
        pod("on1", "gold4", serviceAccountName="sa1", nodeName="node1", volumes=[TOKEN_VOLUME]),
        pod("none", "gold4", serviceAccountName="sa1", volumes=[TOKEN_VOLUME]),
        pod("only2", "gold4", serviceAccountName="sa2", nodeName="node2", volumes=[TOKEN_VOLUME]),
    ],
    "daemonset, one untainted node": [
        ("PATCH", "/api/v1/nodes/node1/status", READY_NODE),
        ("DELETE", f"{DAEMONS.format('gold2')}/ds", None),
        daemon_set("gold4"),
    ],
}

# How the recorded server was set up at some entries, where ours is as on EKS.
SETUP: dict[str, dict[str, bool]] = {
    "401 no credentials": {"anonymous": False},
    "401 /healthz no credentials (anonymous off)": {"anonymous": False},
    "token as node: unbound": {"node_restriction": False},
    "token as node: pod of other node/unscheduled": {"node_restriction": False},
    "token as node: bound to its pod": {"node_restriction": False},
}
# The recorder's first look at what it had changed was faster than the controllers.
HELD_UNTIL = {"namespace delete response": "pods in terminating namespace"}
FIRST_PAGE = (
    "list continue after compaction, apiserver not restarted (watch cache snapshot still serves it)"
)
COMPACTED_BEFORE = {
    "watch RV=1 below the watch cache window (after compaction)",
    "watch old RV after compaction + apiserver restart",
}
