"""kubectl, as it comes, without `--validate=false`."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from conformance.cluster.apiserver import protobuf
from conformance.cluster.apiserver.status import ApiError

if shutil.which("kubectl") is None:
    pytest.skip("kubectl is not on PATH", allow_module_level=True)

DAEMON = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: agent, image: "agent:1", env: [{name: A, value: "1"}]}]}
"""
READY = {
    "conditions": [{"type": "Ready", "status": "True"}],
    "addresses": [{"type": "InternalIP", "address": "100.64.0.2"}],
}


@pytest.fixture(scope="module")
def kubectl(running: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    home = tmp_path_factory.mktemp("kubectl")
    config = {
        "clusters": [
            {
                "name": "c",
                "cluster": {
                    "server": running.server.endpoint,
                    "certificate-authority-data": base64.b64encode(
                        running.server.ca_pem.encode()
                    ).decode(),
                },
            }
        ],
        "users": [{"name": "u", "user": {"token": running.server.admin_token}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    (home / "config").write_text(json.dumps(config))

    def run(*arguments: str, stdin: str = "", fails: bool = False) -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "KUBECONFIG": str(home / "config"),
        }
        done = subprocess.run(
            ["kubectl", *arguments],
            input=stdin,
            env=environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert (done.returncode != 0) is fails, done.stdout + done.stderr
        return done.stdout + (done.stderr if fails else "")

    return run


@pytest.fixture(scope="module", autouse=True)
def _node(running: Any) -> None:
    running.client("POST", "/api/v1/nodes", {"metadata": {"name": "n1"}, "status": READY})


def finish(running: Any, pod: str, container: str) -> None:
    """What a kubelet reports."""
    status = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [
            {
                "name": container,
                "ready": True,
                "restartCount": 0,
                "image": "i",
                "imageID": "",
                "state": {"running": {}},
            }
        ],
    }
    answer = running.client(
        "PATCH",
        f"/api/v1/namespaces/default/pods/{pod}/status",
        {"status": status},
        content_type="application/merge-patch+json",
    )
    assert answer.status == 200, answer.body


def test_get_prints_tables(kubectl: Callable[..., str]) -> None:
    lines = kubectl("get", "nodes").splitlines()
    assert lines[0].split() == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
    assert lines[1].split()[:2] == ["n1", "Ready"]
    assert "kube-root-ca.crt" in kubectl("get", "cm,sa", "-A")


def test_small_things_are_created(kubectl: Callable[..., str]) -> None:
    kubectl("create", "namespace", "made")
    kubectl("create", "serviceaccount", "reader", "-n", "made")
    kubectl("create", "configmap", "c", "-n", "made", "--from-literal=a=b", "--from-literal=e=")
    assert json.loads(kubectl("get", "cm", "c", "-n", "made", "-o", "jsonpath={.data}")) == {
        "a": "b",
        "e": "",
    }
    kubectl("create", "secret", "generic", "s", "-n", "made", "--from-literal=k=v")
    kubectl("create", "role", "r", "-n", "made", "--verb=get", "--resource=pods")
    kubectl("create", "rolebinding", "r", "-n", "made", "--role=r", "--serviceaccount=made:reader")
    token = kubectl("create", "token", "reader", "-n", "made", "--audience=a", "--duration=11m")
    assert token.count(".") == 2
    kubectl("delete", "namespace", "made", "--wait=true")
    assert "NotFound" in kubectl("get", "namespace", "made", fails=True)


def test_permissions_are_asked(kubectl: Callable[..., str]) -> None:
    assert kubectl("auth", "can-i", "create", "pods").strip() == "yes"
    assert "kubernetes-admin" in kubectl("auth", "whoami")


@pytest.mark.parametrize("how", [(), ("--server-side",)])
def test_apply_creates_changes_and_leaves_alone(
    kubectl: Callable[..., str], how: tuple[str, ...]
) -> None:
    namespace = f"apply{len(how)}"
    kubectl("create", "namespace", namespace)
    apply = ("apply", *how, "-n", namespace, "-f", "-")
    kubectl(*apply, stdin=DAEMON)
    assert ("unchanged" if not how else "serverside-applied") in kubectl(*apply, stdin=DAEMON)
    kubectl(*apply, stdin=DAEMON.replace('[{name: A, value: "1"}]', '[{name: B, value: "2"}]'))
    path = "jsonpath={.spec.template.spec.containers[0].env}"
    env = json.loads(kubectl("get", "ds", "agent", "-n", namespace, "-o", path))
    assert env == [{"name": "B", "value": "2"}]


def test_unknown_field_is_refused(kubectl: Callable[..., str]) -> None:
    said = kubectl("apply", "-f", "-", stdin=DAEMON + "bogus: 1\n", fails=True)
    assert 'unknown field "bogus"' in said


def test_pod_is_run_described_waited_for_and_read(
    running: Any, kubectl: Callable[..., str]
) -> None:
    kubectl("run", "p", "--image=busybox:1", "--restart=Never", "--", "true")
    running.settle()
    assert "ContainerCreating" in kubectl("logs", "p", fails=True)
    described = kubectl("describe", "pod", "p")
    assert "Successfully assigned default/p to n1" in described
    assert "kube-api-access-" in described
    finish(running, "p", "p")
    kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=10s")
    running.logs["p"] = [b"one\n", b"two\n"]
    assert kubectl("logs", "p") == kubectl("logs", "-f", "p") == "one\ntwo\n"
    kubectl("delete", "pod", "p", "--grace-period=0", "--force")
    kubectl("wait", "--for=delete", "pod/p", "--timeout=10s")


def test_rollout_is_followed(running: Any, kubectl: Callable[..., str]) -> None:
    deployment = DAEMON.replace("DaemonSet", "Deployment").replace("name: agent}\n", "name: web}\n")
    kubectl("apply", "-f", "-", stdin=deployment)
    running.settle()
    pod = kubectl("get", "pods", "-l", "app=agent", "-o", "jsonpath={.items[0].metadata.name}")
    finish(running, pod, "agent")
    assert "successfully rolled out" in kubectl("rollout", "status", "deploy/web", "--timeout=10s")
    kubectl("scale", "deploy/web", "--replicas=0")
    running.settle()
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}") == "0"


def test_raw_paths_are_read(kubectl: Callable[..., str]) -> None:
    assert kubectl("get", "--raw", "/readyz") == "ok"
    assert json.loads(kubectl("get", "--raw", "/openid/v1/jwks"))["keys"][0]["alg"] == "RS256"
    assert "pods" in kubectl("api-resources", "--namespaced=true")


def test_workloads_are_created_from_the_command_line(
    running: Any, kubectl: Callable[..., str]
) -> None:
    kubectl(
        "create", "deployment", "line", "--image=i", "--replicas=2", "--port=80", "--", "a", "b"
    )
    kubectl("create", "job", "once", "--image=i:1", "--", "true")
    running.settle()
    made = json.loads(kubectl("get", "deploy", "line", "-o", "json"))["spec"]
    assert made["replicas"] == 2
    assert made["selector"] == {"matchLabels": {"app": "line"}}
    container = made["template"]["spec"]["containers"][0]
    assert (container["image"], container["command"]) == ("i", ["a", "b"])
    assert container["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert "once" in kubectl("get", "pods", "-l", "job-name=once")
    kubectl("delete", "deploy/line", "job/once")


def test_protobuf_fields_that_are_not_known_are_refused() -> None:
    """Protobuf itself would skip them, and the object would be another."""
    kind = b"\x0a\x0b\x0a\x02v1\x12\x05Event"
    namespace = b"\x0a\x0f\x0a\x02v1\x12\x09Namespace"
    said = b"\x0a\x03\x0a\x01n"
    empty, zeros, text = b"\x4a\x00", b"\x4a\x04\x0a\x00\x10\x00", b"\x4a\x02hi"
    for more, refused in ((empty, False), (zeros, False), (text, True)):
        raw = said + more
        body = protobuf.MAGIC + namespace + b"\x12" + bytes([len(raw)]) + raw
        if refused:
            with pytest.raises(ApiError, match="field 9 of Namespace"):
                protobuf.decode(body)
        else:
            assert protobuf.decode(body)["metadata"] == {"name": "n"}
    with pytest.raises(ApiError, match="Event only as"):
        protobuf.decode(protobuf.MAGIC + kind)
