"""
What the webhook leaves on a pod, read from the pod as the API server has it.

"Nothing was injected" has to be looked for in the pod's specification as well as
inside the container: a variable that is there and a volume that is not are two
different defects. The names are the webhook's defaults, as EKS runs it.

Source: aws/amazon-eks-pod-identity-webhook 3bf80a34, pkg/handler/handler.go and main.go.
"""

from collections.abc import Mapping
from typing import Any

AUDIENCE = "pods.eks.amazonaws.com"
ADDRESS_VARIABLE = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
TOKEN_VARIABLE = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"  # noqa: S105 - a variable's name
STS_VARIABLE = "AWS_STS_REGIONAL_ENDPOINTS"
MOUNT_PATH = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"
VOLUME = "eks-pod-identity-token"
TOKEN_PATH = f"{MOUNT_PATH}/{VOLUME}"
LABEL = "eks.amazonaws.com/pod-identity"
ANNOTATION_PREFIX = "eks.amazonaws.com/"


def variables(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Environment of the pod's first container; a value that comes from elsewhere is empty."""
    container = manifest["spec"]["containers"][0]
    return {entry["name"]: entry.get("value", "") for entry in container.get("env", [])}


def containers(manifest: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Containers and init containers by name."""
    spec = manifest["spec"]
    every = [*spec["containers"], *spec.get("initContainers", [])]
    return {container["name"]: container for container in every}


def variable_names(container: Mapping[str, Any]) -> list[str]:
    """In their order."""
    return [entry["name"] for entry in container.get("env", [])]


def names_but_regional_sts(container: Mapping[str, Any], *, own: int) -> list[str]:
    """
    In their order, without AWS_STS_REGIONAL_ENDPOINTS=regional right behind the first `own` ones.

    Most pods of EKS have it there (aws/aws-sdk-php#3188, kubernetes-sigs/external-dns#4382),
    some that were shown have not. In another place or with another value it stays.
    """
    entries = list(container.get("env", []))
    if entries[own : own + 1] == [{"name": STS_VARIABLE, "value": "regional"}]:
        del entries[own]
    return [entry["name"] for entry in entries]


def token_mounts(container: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Where the container mounts the token's volume."""
    return [mount for mount in container.get("volumeMounts", []) if mount["name"] == VOLUME]


def injected_into(container: Mapping[str, Any]) -> bool:
    """It has both variables and the mount."""
    both = {ADDRESS_VARIABLE, TOKEN_VARIABLE} <= set(variable_names(container))
    return both and token_mounts(container) != []


def token_sources(manifest: Mapping[str, Any], *, volume: str = VOLUME) -> list[dict[str, Any]]:
    """The service account tokens that a volume projects, Pod Identity's unless said otherwise."""
    return [
        source["serviceAccountToken"]
        for each in manifest["spec"].get("volumes", [])
        if each["name"] == volume
        for source in each.get("projected", {}).get("sources", [])
        if "serviceAccountToken" in source
    ]


def annotations(manifest: Mapping[str, Any]) -> list[str]:
    """Annotations of EKS on the pod, by which roles are named for IRSA."""
    found = manifest["metadata"].get("annotations") or {}
    return [name for name in found if name.startswith(ANNOTATION_PREFIX)]


def injected_parts(manifest: Mapping[str, Any]) -> list[str]:
    """Everything of Pod Identity that is on the pod, by name; empty when it was left alone."""
    volumes = [volume["name"] for volume in manifest["spec"].get("volumes", [])]
    labels = manifest["metadata"].get("labels") or {}
    return [
        *(name for name in (ADDRESS_VARIABLE, TOKEN_VARIABLE) if name in variables(manifest)),
        *(name for name in volumes if name == VOLUME),
        *(name for name in labels if name == LABEL),
    ]
