"""
The pod that runs a call plan, as a manifest any cluster accepts.

It must look like an application: no privilege, no key, and none of the variables
that the webhook injects, because a webhook leaves a pod alone that already has
them. The same manifest runs on built-in nodes and on EKS, under the restricted
Pod Security Standard.
"""

from collections.abc import Mapping
from typing import Any, Literal

from conformance.probes.plan import SECRETS_PATH, Call, plan_json

Kind = Literal["init", "sidecar", "container"]
"""Of a container beside the probe; a sidecar is one of Kubernetes' own (restartPolicy Always)."""
PROBE = "probe"
NOBODY = 65532
PROBE_DEADLINE_SECONDS = 300
HOLD_DEADLINE_SECONDS = 3600
"""What a dead run left behind ends by itself."""


def probe_manifest(
    *,
    name: str,
    service_account: str,
    plan: Mapping[str, Call],
    image: str,
    labels: Mapping[str, str],
    secret: str | None = None,
    hold: bool = False,
    region: str = "",
    node: str = "",
    environment: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    beside: Mapping[str, Kind] | None = None,
) -> dict[str, Any]:
    """
    A pod for one call plan; raises `HarnessError` when the plan cannot be written.

    `secret` names the Secret whose entries the plan's `ask_agent` presents;
    `region` is used where the webhook injects none; `node` puts the pod on that
    node, past the scheduler; `environment` is added to the container's, or replaces
    what is there. Containers `beside` make the same calls; a sidecar stays with the pod.
    """
    variables = {
        "CONFORMANCE_REGION": region,
        # The node's role is the SDKs' last resort. Where pods can reach the instance metadata
        # service it would hide that nothing was injected.
        "AWS_EC2_METADATA_DISABLED": "true",
        **(environment or {}),
    }
    mounts = [{"name": "presented", "mountPath": SECRETS_PATH, "readOnly": True}]
    volumes = [{"name": "presented", "secret": {"secretName": secret}}]

    def container(name: str, *, stays: bool) -> dict[str, Any]:
        env = {"CONFORMANCE_PLAN": plan_json(plan, hold=stays), **variables}
        return {
            "name": name,
            "image": image,
            "imagePullPolicy": "IfNotPresent",
            "env": [{"name": name, "value": value} for name, value in env.items() if value],
            "resources": {
                "requests": {"cpu": "50m", "memory": "64Mi"},
                "limits": {"memory": "256Mi"},
            },
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
            **({"volumeMounts": mounts} if secret else {}),
        }

    others = beside or {}
    first = [
        container(other, stays=kind == "sidecar")
        | ({"restartPolicy": "Always"} if kind == "sidecar" else {})
        for other, kind in others.items()
        if kind != "container"
    ]
    also = [container(other, stays=hold) for other, kind in others.items() if kind == "container"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": dict(labels),
            **({"annotations": dict(annotations)} if annotations else {}),
        },
        "spec": {
            "serviceAccountName": service_account,
            # The only token in the pod is the one that Pod Identity projects.
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 5,
            "activeDeadlineSeconds": HOLD_DEADLINE_SECONDS if hold else PROBE_DEADLINE_SECONDS,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": NOBODY,
                "runAsGroup": NOBODY,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            **({"initContainers": first} if first else {}),
            "containers": [container(PROBE, stays=hold), *also],
            **({"volumes": volumes} if secret else {}),
            **({"nodeName": node} if node else {}),
        },
    }
