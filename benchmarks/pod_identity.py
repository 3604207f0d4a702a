"""An emulated EKS with one pod that has an association: what the speeds are taken of."""

import base64
import json
import ssl
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3.session

from conformance.emulator.eks.cluster_folder import Ready
from conformance.emulator.launch import Launched, launch

CLUSTER = "bench"
BUCKET = "bench-bucket"


@dataclass(frozen=True)
class PodIdentity:
    """Everything that leads from a pod's token to an object."""

    launched: Launched
    token: str
    node: dict[str, str]
    """Credentials of a node, as the instance metadata service spells them."""

    def client(self, service: str, credentials: dict[str, str] | None = None) -> Any:
        """As the account's root, or as `credentials`, spelled as STS spells them."""
        aws = self.launched.aws
        given = credentials or {
            "AccessKeyId": aws.access_key_id or "",
            "SecretAccessKey": aws.secret_access_key or "",
        }
        session = boto3.session.Session(
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given.get("SessionToken") or given.get("Token"),
            region_name=aws.region,
        )
        make: Any = session.client
        return make(service, endpoint_url=aws.endpoint)


@contextmanager
def pod_identity() -> Iterator[PodIdentity]:
    """Gone at the end, with everything in it."""
    folder = Path(tempfile.mkdtemp(prefix="conformance-"))
    launched = launch(folder, network="loopback")
    try:
        yield _provisioned(launched)
    finally:
        launched.stop()


def _provisioned(launched: Launched) -> PodIdentity:
    bare = PodIdentity(launched, "", {})
    iam, eks, s3 = (bare.client(name) for name in ("iam", "eks", "s3"))
    cluster_role = _role(iam, "cluster", "eks.amazonaws.com")
    node_role = _role(iam, "node", "ec2.amazonaws.com", "eks-auth:*")
    app_role = _role(iam, "app", "pods.eks.amazonaws.com", "s3:*")
    where = {"LocationConstraint": launched.aws.region}
    known = {} if launched.aws.region == "us-east-1" else {"CreateBucketConfiguration": where}
    s3.create_bucket(Bucket=BUCKET, **known)
    s3.put_object(Bucket=BUCKET, Key="hello", Body=b"hello")
    subnets = {"subnetIds": ["subnet-1", "subnet-2"]}
    eks.create_cluster(name=CLUSTER, roleArn=cluster_role, resourcesVpcConfig=subnets)
    every = {"Delay": 0.02, "MaxAttempts": 1000}
    eks.get_waiter("cluster_active").wait(name=CLUSTER, WaiterConfig=every)
    eks.create_pod_identity_association(
        clusterName=CLUSTER, namespace="default", serviceAccount="default", roleArn=app_role
    )
    node = launched.admin.instance_credentials(node_role, "i-0123456789abcdef0")
    return PodIdentity(launched, _token(launched.folder), node)


def _role(iam: Any, name: str, service: str, action: str = "") -> str:
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    }
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_document(trust))
    if action:
        allowed = {"Effect": "Allow", "Action": action, "Resource": "*"}
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=_document(allowed))
    arn: str = made["Role"]["Arn"]
    return arn


def _document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _token(folder: Path) -> str:
    """A token for a pod that is scheduled nowhere; the token does not mind."""
    told = (folder / "clusters" / CLUSTER / "cluster.json").read_bytes()
    ready = Ready.model_validate_json(told)
    pods = "/api/v1/namespaces/default/pods"
    container = {"name": "c", "image": "busybox"}
    pod = _ask(ready, pods, {"metadata": {"name": "p"}, "spec": {"containers": [container]}})
    bound = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": pod["metadata"]["uid"]}
    spec = {"audiences": ["pods.eks.amazonaws.com"], "boundObjectRef": bound}
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    token: str = _ask(ready, path, {"spec": {**spec, "expirationSeconds": 86400}})["status"][
        "token"
    ]
    return token


def _ask(ready: Ready, path: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(  # noqa: S310 -- https, as the cluster said
        ready.endpoint + path,
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {ready.admin_token}", "Content-Type": "application/json"},
    )
    trusted = ssl.create_default_context(cadata=base64.b64decode(ready.ca).decode())
    with urllib.request.urlopen(request, context=trusted) as answer:  # noqa: S310 -- same
        return json.load(answer)
