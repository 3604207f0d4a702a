"""`aws eks update-kubeconfig` and kubectl, as a user has them, against an emulated cluster."""

import base64
import json
import os
import shutil
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import Credentials

from conformance.emulator.launch import Launched
from tests.emulator.conftest import Wire
from tests.emulator.eks.kubectl_tokens import in_token, presigned

WITHIN = 60.0
AWS = Path(sys.executable).with_name("aws")
EVERYTHING = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
VIEW = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"


@dataclass
class Running:
    """A cluster with what people need to get at it."""

    launched: Launched
    wire: Wire
    cluster: str

    def environment(self, session: dict[str, str] | None = None) -> dict[str, str]:
        aws = self.launched.aws
        given = session or {
            "AccessKeyId": aws.access_key_id or "",
            "SecretAccessKey": aws.secret_access_key or "",
            "Token": "",
        }
        return {
            "PATH": f"{AWS.parent}:{os.defpath}",
            "HOME": str(self.launched.folder),
            "AWS_ENDPOINT_URL": aws.endpoint or "",
            "AWS_DEFAULT_REGION": aws.region,
            "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
            **({"AWS_SESSION_TOKEN": given["Token"]} if given["Token"] else {}),
        }

    def token(self, session: dict[str, str] | None = None) -> str:
        given = self.environment(session)
        credentials = Credentials(
            given["AWS_ACCESS_KEY_ID"],
            given["AWS_SECRET_ACCESS_KEY"],
            given.get("AWS_SESSION_TOKEN"),
        )
        return in_token(presigned(credentials, cluster=self.cluster))

    def ask(self, token: str, path: str, body: Any = None) -> tuple[int, Any]:
        described = self.wire.client("eks").describe_cluster(name=self.cluster)["cluster"]
        authority = base64.b64decode(described["certificateAuthority"]["data"]).decode()
        request = urllib.request.Request(  # noqa: S310 -- https, as the cluster said
            described["endpoint"] + path,
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        trusted = ssl.create_default_context(cadata=authority)
        try:
            with urllib.request.urlopen(request, context=trusted) as answer:  # noqa: S310 -- same
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                text = refused.read().decode()
                return refused.code, json.loads(text) if text.startswith("{") else text


@pytest.fixture
def running(launched: Launched, wired: str) -> Running:
    return Running(launched, Wire(launched), wired)


def test_creator_may_do_everything(running: Running) -> None:
    token = running.token()
    status, me = running.ask(
        token,
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"},
    )
    account = running.launched.aws.account_id
    assert status == 201
    assert me["status"]["userInfo"]["username"] == f"arn:aws:iam::{account}:root"
    assert me["status"]["userInfo"]["groups"] == ["system:authenticated"]
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "made"}}
    assert running.ask(token, "/api/v1/namespaces", body)[0] == 201
    assert running.ask(token, "/metrics-that-are-not-there")[0] == 404


def test_token_that_a_run_on_a_real_account_uses_is_taken(running: Running) -> None:
    made = subprocess.run(
        [
            *(sys.executable, "-m", "conformance.targets.eks_token"),
            *("--cluster", running.cluster, "--region", running.launched.aws.region),
        ],
        env=running.environment() | {"PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        check=True,
    )
    token = json.loads(made.stdout)["status"]["token"]
    assert running.ask(token, "/api/v1/namespaces")[0] == 200


def test_rights_follow_entry_policy_and_scope(running: Running) -> None:
    session = running.wire.node_session("viewer", [])
    role = f"arn:aws:iam::{running.launched.aws.account_id}:role/viewer"
    token, eks = running.token(session), running.wire.client("eks")
    which = {"clusterName": running.cluster, "principalArn": role}
    default, system = "/api/v1/namespaces/default/pods", "/api/v1/namespaces/kube-system/pods"
    assert running.ask(token, default)[0] == 401
    eks.create_access_entry(**which)
    status, refused = running.ask(token, default)
    assert status == 403
    assert f'User "arn:aws:sts::{role.split(":")[4]}:assumed-role/viewer/' in refused["message"]
    scope = {"type": "namespace", "namespaces": ["def*"]}
    eks.associate_access_policy(**which, policyArn=VIEW, accessScope=scope)
    assert [running.ask(token, path)[0] for path in (default, system)] == [200, 403]
    assert running.ask(token, "/api/v1/namespaces/default/secrets")[0] == 403
    eks.associate_access_policy(**which, policyArn=EVERYTHING, accessScope={"type": "cluster"})
    assert running.ask(token, system)[0] == 200
    eks.delete_access_entry(**which)
    assert running.ask(token, default)[0] == 401


def test_groups_of_an_entry_are_bound_by_rbac(running: Running) -> None:
    session = running.wire.node_session("grouped", [])
    role = f"arn:aws:iam::{running.launched.aws.account_id}:role/grouped"
    running.wire.client("eks").create_access_entry(
        clusterName=running.cluster, principalArn=role, kubernetesGroups=["viewers"]
    )
    token, path = running.token(session), "/api/v1/namespaces/default/pods"
    assert running.ask(token, path)[0] == 403
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "viewers"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "viewers"}],
    }
    where = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    assert running.ask(running.token(), where, binding)[0] == 201
    assert running.ask(token, path)[0] == 200


def test_update_kubeconfig_and_kubectl_work(running: Running) -> None:
    if shutil.which("kubectl") is None or not AWS.exists():
        pytest.skip("no kubectl or no aws on this machine")
    environment = running.environment()

    def run(*command: str) -> str:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(str(AWS), "eks", "update-kubeconfig", "--name", running.cluster)
    assert "kube-system" in run("kubectl", "get", "namespaces", "-o", "name")
    assert run("kubectl", "auth", "can-i", "delete", "nodes").strip() == "yes"
    assert ":root" in run("kubectl", "auth", "whoami")


def test_lives_of_tokens_change_in_a_running_cluster(running: Running) -> None:
    where = "/api/v1/namespaces/default/serviceaccounts/default/token"
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
    asked["spec"] = {"audiences": ["a"], "expirationSeconds": 86400}  # type: ignore[assignment]
    admin = running.launched.admin
    try:
        admin.set_settings(token_seconds=7)
        status, told = running.ask(running.token(), where, asked)
    finally:
        admin.set_settings(token_seconds=86400)
    assert (status, told["spec"]["expirationSeconds"]) == (201, 7)
