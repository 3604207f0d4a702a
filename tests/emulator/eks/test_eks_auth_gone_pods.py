"""Tokens whose pod or service account is gone; with a cluster process that is the real one."""

import base64
import itertools
import json
import ssl
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from conformance.emulator.launch import Launched
from tests.emulator.conftest import Wire
from tests.emulator.eks.conftest import Emulated, RunEks

INVALID = "The token included in the request is invalid: "
_NAMESPACES = (f"gone-{number}" for number in itertools.count())


@dataclass
class Tenant:
    """A namespace of the cluster with an association for its service account `app`."""

    wire: Wire
    cluster: str
    namespace: str

    def kube(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        folder = self.wire.launched.folder / "clusters" / self.cluster
        ready = json.loads((folder / "cluster.json").read_text())
        trusted = ssl.create_default_context(cadata=base64.b64decode(ready["ca"]).decode())
        headers = {"Authorization": f"Bearer {ready['admin_token']}"}
        request = urllib.request.Request(  # noqa: S310 -- https, as the cluster said
            f"{ready['endpoint']}/api/v1/namespaces{path}",
            None if body is None else json.dumps(body).encode(),
            headers | {"Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, context=trusted) as answer:  # noqa: S310 -- same
            return json.load(answer)

    def create(self, plural: str, name: str, **more: Any) -> Any:
        body = {"metadata": {"name": name}, **more}
        return self.kube("POST", f"/{self.namespace}/{plural}", body)

    def delete(self, plural: str, name: str) -> None:
        self.kube("DELETE", f"/{self.namespace}/{plural}/{name}", {"gracePeriodSeconds": 0})

    def create_pod(self) -> Any:
        containers = [{"name": "c", "image": "busybox"}]
        spec = {"serviceAccountName": "app", "containers": containers}
        return self.create("pods", "probe", spec=spec)

    def token(self) -> str:
        pod = self.create_pod()["metadata"]
        bound = {"apiVersion": "v1", "kind": "Pod", "name": "probe", "uid": pod["uid"]}
        spec = {"audiences": ["pods.eks.amazonaws.com"], "boundObjectRef": bound}
        asked = self.create("serviceaccounts/app/token", "app", spec=spec)
        return str(asked["status"]["token"])

    def assume(self, token: str) -> Any:
        asked = {"clusterName": self.cluster, "token": token}
        return self.wire.client("eks-auth").assume_role_for_pod_identity(**asked)

    def refusal(self, token: str) -> str:
        asked = {"clusterName": self.cluster, "token": token}
        ask = self.wire.client("eks-auth").assume_role_for_pod_identity
        code, status, text = self.wire.refused(ask, **asked)
        assert (code, status) == ("InvalidTokenException", 400)
        return text.removeprefix(INVALID)


@pytest.fixture
def tenant(wire: Wire, wired: str) -> Tenant:
    made = Tenant(wire, wired, next(_NAMESPACES))
    made.kube("POST", "", {"metadata": {"name": made.namespace}})
    made.create("serviceaccounts", "app")
    wire.client("eks").create_pod_identity_association(
        clusterName=wired,
        namespace=made.namespace,
        serviceAccount="app",
        roleArn=wire.role(made.namespace, [], "pods.eks.amazonaws.com"),
    )
    return made


@pytest.fixture
def pods_are_checked(launched: Launched) -> Iterator[None]:
    launched.admin.set_settings(eks_auth_checks_pods=True)
    yield
    launched.admin.set_settings(eks_auth_checks_pods=False)


def pod_gone(tenant: Tenant) -> None:
    tenant.delete("pods", "probe")


def pod_made_again(tenant: Tenant) -> None:
    pod_gone(tenant)
    tenant.create_pod()


def account_gone(tenant: Tenant) -> None:
    tenant.delete("serviceaccounts", "app")


def account_made_again(tenant: Tenant) -> None:
    account_gone(tenant)
    tenant.create("serviceaccounts", "app")


GONE: dict[Callable[[Tenant], None], str] = {
    pod_gone: "its pod is gone.",
    pod_made_again: "its pod was deleted and made again.",
    account_gone: "its service account is gone.",
    account_made_again: "its service account was deleted and made again.",
}


@pytest.mark.parametrize("happens", GONE)
def test_token_outlives_its_pod_and_its_account(
    tenant: Tenant, happens: Callable[[Tenant], None]
) -> None:
    token = tenant.token()
    happens(tenant)
    assert tenant.assume(token)["subject"]["namespace"] == tenant.namespace


@pytest.mark.parametrize(("happens", "reason"), GONE.items())
@pytest.mark.usefixtures("pods_are_checked")
def test_token_of_what_is_gone_is_refused_where_pods_are_checked(
    tenant: Tenant, happens: Callable[[Tenant], None], reason: str
) -> None:
    token = tenant.token()
    assert tenant.assume(token)["subject"]["namespace"] == tenant.namespace
    happens(tenant)
    assert tenant.refusal(token) == reason


def test_cluster_that_cannot_be_asked_about_a_pod_is_503(run_eks: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.cluster()
        await eks.associate()
        token, process = eks.token(), eks.record().process
        await eks.assume(token)  # Its key is known from now on.
        assert process is not None
        await process.stop()
        eks.aws.behaviour = eks.aws.behaviour.changed({"eks_auth_checks_pods": True})
        refused = await eks.refused(eks.assume(token))
        assert (refused.status, refused.code) == (503, "ServiceUnavailableException")

    run_eks(scenario)
