"""
Nodes that are cordoned, drained and deleted while pods run on them.

By the requests that kubectl makes, and where it is on PATH by kubectl itself.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

WEB = {
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "terminationGracePeriodSeconds": 1,
                "containers": [{"name": "web", "image": "registry.k8s.io/pause:3.10"}],
            },
        },
    },
}
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
BOUND_SECONDS = 20


class Requests:
    """An operator who asks the API what kubectl would."""

    def __init__(self, cluster: Any, folder: Path) -> None:
        self._cluster = cluster
        self.folder = folder

    def drain(self, node: str) -> None:
        self._patch(f"/api/v1/nodes/{node}", {"spec": {"unschedulable": True}})
        found = pods_on(self._cluster, node)
        evicted = [
            (pod["metadata"]["namespace"], pod["metadata"]["name"])
            for pod in found
            if pod["metadata"]["ownerReferences"][0]["kind"] != "DaemonSet"
        ]
        for namespace, name in evicted:
            path = f"/api/v1/namespaces/{namespace}/pods/{name}/eviction"
            self._cluster.api("POST", path, {"metadata": {"name": name}})
        for namespace, name in evicted:
            self._cluster.gone(name, namespace)

    def uncordon(self, node: str) -> None:
        self._patch(f"/api/v1/nodes/{node}", {"spec": {"unschedulable": None}})

    def scale(self, replicas: int) -> None:
        self._patch(f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": replicas}})

    def _patch(self, path: str, change: object) -> None:
        kind = {"Content-Type": "application/merge-patch+json"}
        status, text = self._cluster.request("PATCH", path, change, headers=kind)
        assert status == 200, text


class Kubectl(Requests):
    """The same operator with the real kubectl."""

    def drain(self, node: str) -> None:
        said = self._run("drain", node, "--ignore-daemonsets", "--timeout=20s")
        assert "evicting pod default/web-" in said

    def uncordon(self, node: str) -> None:
        self._run("uncordon", node)

    def scale(self, replicas: int) -> None:
        self._run("scale", "deployment/web", f"--replicas={replicas}")
        self._run("rollout", "status", "deployment/web", "--timeout=20s")

    def _run(self, *arguments: str) -> str:
        info = self._cluster.info
        reached = {"server": info["endpoint"], "certificate-authority-data": info["ca"]}
        config = {
            "clusters": [{"name": "c", "cluster": reached}],
            "users": [{"name": "u", "user": {"token": info["admin_token"]}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        written = self.folder / "config"
        written.write_text(json.dumps(config))
        done = subprocess.run(
            ["kubectl", *arguments],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.folder),
                "KUBECONFIG": str(written),
            },
            capture_output=True,
            text=True,
            timeout=40,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(params=[Requests, Kubectl])
def operator(cluster: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Requests:
    if request.param is Kubectl and shutil.which("kubectl") is None:
        pytest.skip("kubectl is not on PATH")
    made: Requests = request.param(cluster, tmp_path)
    return made


@pytest.fixture
def web(cluster: Any) -> Iterator[None]:
    """A deployment of two pods, one on each node."""
    cluster.api("POST", DEPLOYMENTS, WEB)
    runs_on(cluster, *cluster.nodes())
    yield
    cluster.api("DELETE", f"{DEPLOYMENTS}/web")
    runs_on(cluster)


def pods_on(cluster: Any, node: str) -> list[Any]:
    found = cluster.api("GET", f"/api/v1/pods?fieldSelector=spec.nodeName={node}")
    return list(found["items"])


def runs_on(cluster: Any, *nodes: str) -> None:
    """Waits until the deployment's running pods are on exactly these nodes."""
    end = time.monotonic() + BOUND_SECONDS
    while places(cluster) != sorted(nodes):
        assert time.monotonic() < end, places(cluster)
        time.sleep(0.01)


def places(cluster: Any) -> list[str]:
    found = cluster.api("GET", "/api/v1/namespaces/default/pods?labelSelector=app=web")["items"]
    return sorted(
        pod["spec"]["nodeName"]
        for pod in found
        if "deletionTimestamp" not in pod["metadata"] and pod["status"]["phase"] == "Running"
    )


@pytest.mark.usefixtures("web")
def test_a_drained_node_is_empty_and_takes_nothing(cluster: Any, operator: Requests) -> None:
    status, answer = cluster.control("PUT", "/addons/eks-pod-identity-agent", {"version": "v1"})
    assert status == 200, answer
    first, second = cluster.nodes()
    operator.drain(first)
    runs_on(cluster, second, second)
    [agent] = pods_on(cluster, first)
    assert agent["metadata"]["labels"]["app.kubernetes.io/name"] == "eks-pod-identity-agent"
    operator.uncordon(first)
    operator.scale(4)
    runs_on(cluster, first, first, second, second)


@pytest.mark.usefixtures("web")
def test_pods_of_a_deleted_node_are_made_anew_elsewhere(cluster: Any) -> None:
    first, second = cluster.nodes()
    cluster.api("DELETE", f"/api/v1/nodes/{first}")
    runs_on(cluster, second, second)
