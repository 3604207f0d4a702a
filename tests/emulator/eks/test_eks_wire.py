"""With boto3, against the AWS process and a cluster process that are the real ones."""

import base64
import json
import ssl
import urllib.request
from typing import Any

import pytest

from tests.emulator.conftest import Wire


def _kube(wire: Wire, path: str, body: dict[str, Any]) -> Any:
    ready = json.loads((wire.launched.folder / "clusters/wired/cluster.json").read_text())
    trusted = ssl.create_default_context(cadata=base64.b64decode(ready["ca"]).decode())
    request = urllib.request.Request(  # noqa: S310 -- https, as the cluster said
        ready["endpoint"] + path,
        json.dumps(body).encode(),
        {
            "Authorization": f"Bearer {ready['admin_token']}",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, context=trusted) as answer:  # noqa: S310 -- same
        return json.load(answer)


def test_waiters_and_paginators_of_the_sdk_work(wire: Wire, wired: str) -> None:
    eks = wire.client("eks")
    eks.get_waiter("cluster_active").wait(name=wired)
    pages = eks.get_paginator("list_clusters").paginate(maxResults=1)
    assert [name for page in pages for name in page["clusters"]] == [wired]


def test_node_gets_credentials_for_a_pod_of_the_cluster(wire: Wire, wired: str) -> None:
    _kube(wire, "/api/v1/namespaces", {"metadata": {"name": "dev"}})
    _kube(wire, "/api/v1/namespaces/dev/serviceaccounts", {"metadata": {"name": "app"}})
    container = {"name": "c", "image": "busybox"}
    pod = _kube(
        wire,
        "/api/v1/namespaces/dev/pods",
        {
            "metadata": {"name": "probe"},
            "spec": {"serviceAccountName": "app", "containers": [container]},
        },
    )["metadata"]
    token = _kube(
        wire,
        "/api/v1/namespaces/dev/serviceaccounts/app/token",
        {
            "spec": {
                "audiences": ["pods.eks.amazonaws.com"],
                "boundObjectRef": {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "name": "probe",
                    "uid": pod["uid"],
                },
            }
        },
    )["status"]["token"]
    wire.client("eks").create_pod_identity_association(
        clusterName=wired,
        namespace="dev",
        serviceAccount="app",
        roleArn=wire.role("wired-app", [], "pods.eks.amazonaws.com"),
    )
    allowed = {
        "Effect": "Allow",
        "Action": "eks-auth:AssumeRoleForPodIdentity",
        "Resource": wire.client("eks").describe_cluster(name=wired)["cluster"]["arn"],
    }
    node = wire.node_session("wired-node", [allowed])
    answer = wire.client("eks-auth", node).assume_role_for_pod_identity(
        clusterName=wired, token=token
    )
    credentials = answer["credentials"]
    session = {
        "AccessKeyId": credentials["accessKeyId"],
        "SecretAccessKey": credentials["secretAccessKey"],
        "SessionToken": credentials["sessionToken"],
    }
    identity = wire.client("sts", session).get_caller_identity()
    assert identity["Arn"] == answer["assumedRoleUser"]["arn"]
    recorded = wire.launched.admin.records().eks_auth[-1]
    assert recorded.request_id == answer["ResponseMetadata"]["RequestId"]
    assert recorded.caller_arn.endswith(":assumed-role/wired-node/i-wired-node")
    assert recorded.pod == "probe"


def test_every_answer_has_a_request_id(wire: Wire) -> None:
    eks = wire.client("eks")
    with pytest.raises(eks.exceptions.ResourceNotFoundException) as refused:
        eks.describe_cluster(name="none")
    metadata = refused.value.response["ResponseMetadata"]
    assert metadata["HTTPHeaders"]["x-amzn-requestid"] == metadata["RequestId"]
    assert refused.value.response["clusterName"] == "none"
