"""
What a world has in the cluster: namespaces, service accounts, tokens, and pods that never run.

A pod that runs costs a second, so whatever a pod's specification already shows is
looked at on a pod that is only tried (`dryRun=All`: admission and webhooks are asked,
nothing is stored), and a token that needs a pod to be bound to gets one that no node
will ever take. The trap is names: everything here is made under the run's own names
and labels, so that worlds never meet and a sweep finds what a dead run left. Where a
stack reads what is there already (`brownfield`), a namespace is somebody else's: pods and
missing service accounts are made in it and taken away one by one, and nothing else is touched.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from conformance.errors import HarnessError
from conformance.probes.injected import AUDIENCE
from conformance.world.kube import Kube, KubeError, Object
from conformance.world.naming import Names
from conformance.world.probing import Pod, as_pod

NOWHERE = {"conformance/never": "true"}
"""A node label that no node has."""
TOKEN_SECONDS = 3600


class Premises:
    """Made as they are first named; every method raises `KubeError` when the cluster refuses."""

    def __init__(self, kube: Kube, names: Names, *, image: str) -> None:
        self._kube = kube
        self._names = names
        self._image = image
        self._namespaces: dict[str, str] = {}
        self._of_others: dict[str, str] = {}
        self._service_accounts: set[tuple[str, str]] = set()

    @property
    def labels(self) -> dict[str, str]:
        return {"conformance/run": self._names.run, "conformance/world": self._names.digest}

    def move_into(self, namespaces: Mapping[str, str]) -> None:
        """From now on these symbolic namespaces are real ones of somebody else."""
        self._of_others = dict(namespaces)

    def namespace(self, symbolic: str) -> str:
        """The real namespace, made if it is not there yet."""
        if symbolic in self._of_others:
            return self._of_others[symbolic]
        if symbolic not in self._namespaces:
            real = self._names.namespace(symbolic)
            self._create_if_absent(
                "/api/v1/namespaces",
                {
                    "apiVersion": "v1",
                    "kind": "Namespace",
                    "metadata": {"name": real, "labels": self.labels},
                },
            )
            self._namespaces[symbolic] = real
        return self._namespaces[symbolic]

    def service_account(
        self, namespace: str, name: str, annotations: Mapping[str, str] | None = None
    ) -> None:
        """Make a service account if it is not there yet; `annotations` are added to it."""
        real = self.namespace(namespace)
        path = f"/api/v1/namespaces/{real}/serviceaccounts"
        if name != "default" and (real, name) not in self._service_accounts:
            metadata = {"name": name, "labels": self.labels}
            self._create_if_absent(
                path, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
            )
            self._service_accounts.add((real, name))
        if annotations is not None:
            self._refuse_to_change(namespace, name)
            self._kube.patch(f"{path}/{name}", {"metadata": {"annotations": dict(annotations)}})

    def service_account_as_is(self, namespace: str, name: str) -> Object:
        """The service account as the API server has it."""
        return self._kube.get(
            f"/api/v1/namespaces/{self.namespace(namespace)}/serviceaccounts/{name}"
        )

    def service_account_again(self, namespace: str, name: str) -> None:
        """Delete a service account and make one of the same name; its UID is another."""
        self._refuse_to_change(namespace, name)
        real = self.namespace(namespace)
        self._kube.delete(f"/api/v1/namespaces/{real}/serviceaccounts/{name}")
        self._service_accounts.discard((real, name))
        self.service_account(namespace, name)

    # --- pods that never run

    def tried(
        self, namespace: str, service_account: str, *, metadata: Object, spec: Object
    ) -> Object:
        """
        A pod as the API server would have stored it, after admission.

        It has one container, `app`; `metadata` and `spec` add to that, or replace it.
        """
        self.service_account(namespace, service_account)
        return self._kube.create(
            f"/api/v1/namespaces/{self.namespace(namespace)}/pods",
            self._pod(service_account, metadata=metadata, spec=spec),
            dryRun="All",
        )

    def tried_deployment(self, namespace: str, service_account: str) -> Object:
        """A Deployment as the API server would have stored it, after admission."""
        self.service_account(namespace, service_account)
        pod = self._pod(service_account, metadata={}, spec={})
        template = {"metadata": {"labels": {"app": "tried"}}, "spec": pod["spec"]}
        # A Deployment's pods are always restarted.
        template["spec"]["restartPolicy"] = "Always"
        return self._kube.create(
            f"/apis/apps/v1/namespaces/{self.namespace(namespace)}/deployments",
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": pod["metadata"]["name"], "labels": self.labels},
                "spec": {"selector": {"matchLabels": {"app": "tried"}}, "template": template},
            },
            dryRun="All",
        )

    def stand_in(
        self, namespace: str, service_account: str, *, metadata: Object, spec: Object
    ) -> Pod:
        """A pod that is there, and bound to by tokens, and that no node takes."""
        self.service_account(namespace, service_account)
        spec = {"nodeSelector": NOWHERE, **spec}
        pod = self._pod(service_account, metadata=metadata, spec=spec)
        return as_pod(
            self._kube.create(f"/api/v1/namespaces/{self.namespace(namespace)}/pods", pod)
        )

    def delete(self, pod: Pod) -> None:
        """At once: nothing of it is left when this returns."""
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"
        self._kube.delete(path, gracePeriodSeconds=0)

    def token(self, pod: Pod, *, audience: str = AUDIENCE, bound: bool = True) -> str:
        """A token for a pod, as its kubelet would ask for it; without `bound`, of no pod."""
        path = f"/api/v1/namespaces/{pod.namespace}/serviceaccounts/{pod.service_account}/token"
        spec: Object = {"audiences": [audience], "expirationSeconds": TOKEN_SECONDS}
        if bound:
            reference = {"kind": "Pod", "apiVersion": "v1", "name": pod.name, "uid": pod.uid}
            spec["boundObjectRef"] = reference
        kind = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
        token: str = self._kube.create(path, {**kind, "spec": spec})["status"]["token"]
        return token

    def close(self) -> None:
        """Delete the namespaces, with all that is in them; in those of others what is ours."""
        with ExitStack() as each:
            for real in self._namespaces.values():
                each.callback(self._delete, f"/api/v1/namespaces/{real}")
            for real in self._of_others.values():
                for plural in ("serviceaccounts", "pods"):
                    each.callback(self._delete_ours, f"/api/v1/namespaces/{real}/{plural}")

    # --- inside

    def _pod(self, service_account: str, *, metadata: Object, spec: Object) -> Object:
        labels = self.labels | metadata.get("labels", {})
        app: dict[str, Any] = {"name": "app", "image": self._image}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self._names.pod("app"), **metadata, "labels": labels},
            "spec": {
                "serviceAccountName": service_account,
                "automountServiceAccountToken": False,
                "restartPolicy": "Never",
                "containers": [app],
                **spec,
            },
        }

    def _refuse_to_change(self, namespace: str, name: str) -> None:
        """Raises `HarnessError` for a service account that was there before us."""
        if namespace not in self._of_others:
            return
        labels = self.service_account_as_is(namespace, name)["metadata"].get("labels", {})
        if not self.labels.items() <= labels.items():
            raise HarnessError(
                f"service account {self.namespace(namespace)}/{name} is somebody else's",
                saw="it was there before this run, which does not change it",
                try_="a stack that makes what it needs; --stack aws",
            )

    def _delete_ours(self, path: str) -> None:
        selector = ",".join(f"{key}={value}" for key, value in self.labels.items())
        for one in self._kube.get(path, labelSelector=selector)["items"]:
            self._delete(f"{path}/{one['metadata']['name']}")

    def _delete(self, path: str) -> None:
        try:
            self._kube.delete(path)
        except KubeError as error:
            if error.status != 404:
                raise

    def _create_if_absent(self, path: str, body: Object) -> None:
        try:
            self._kube.create(path, body)
        except KubeError as error:
            if error.reason != "AlreadyExists":
                raise
