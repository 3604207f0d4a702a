"""
Waiting until the webhook knows an association.

On EKS that takes seconds after the API has answered, and a pod that comes too early
is never injected (eks-pod-identity-agent#52). It is asked by pods that are only
tried: a dry run passes admission, and no pod is made.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta

from conformance.errors import HarnessError
from conformance.events import EventLog
from conformance.probes.injected import injected_parts
from conformance.probes.pod import probe_manifest
from conformance.world.kube import Kube, Object
from conformance.world.waiting import eventually

SETTLED = timedelta(seconds=60)
WEBHOOK = "iam-for-pods.amazonaws.com"
"""As it is called on EKS (aws/eks-pod-identity-agent#153)."""


def await_injection(
    kube: Kube,
    *,
    namespace: str,
    service_account: str,
    image: str,
    labels: Mapping[str, str],
    log: EventLog,
    within: timedelta = SETTLED,
) -> None:
    """
    Return when a new pod of this service account would be injected, or time is up.

    A webhook that never learns of the association is a broken promise, and so for
    the scenarios to find: nothing is raised for it here.
    """
    manifest = probe_manifest(
        name="tried",
        service_account=service_account,
        plan={},
        image=image,
        labels=labels,
    )

    def injected() -> bool:
        path = f"/api/v1/namespaces/{namespace}/pods"
        return injected_parts(kube.create(path, manifest, dryRun="All")) != []

    with suppress(AssertionError):
        eventually(
            f"the webhook knows {namespace}/{service_account}", injected, within=within, log=log
        )


def registration(kube: Kube) -> Object:
    """The webhook's entry in its MutatingWebhookConfiguration; raises `HarnessError`."""
    every = kube.get("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations")
    for configuration in every["items"]:
        for webhook in configuration.get("webhooks", []):
            if webhook["name"] == WEBHOOK:
                found: Object = webhook
                return found
    raise HarnessError(
        f"no webhook {WEBHOOK} is registered in the cluster",
        saw=", ".join(one["metadata"]["name"] for one in every["items"]) or "none at all",
        try_="kubectl get mutatingwebhookconfigurations",
    )
