"""
A container's environment and arguments, put together as a kubelet does.

Order and expansion matter: the webhook's variables come after the user's, a later
one of the same name wins, and `$(NAME)` sees only what was defined before it.
Source: k8s.io/kubernetes pkg/kubelet/kubelet_pods.go, makeEnvironmentVariables.
"""

import base64
import math
import re
from collections.abc import Awaitable, Callable
from typing import Any

from conformance.cluster.nodes.api import Object

_REFERENCE = re.compile(r"\$(\$|\(([-._a-zA-Z0-9]+)\))")
_KEYED = re.compile(r"metadata\.(labels|annotations)\['([^']*)'\]")
_SUFFIXES = {
    "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40,
}  # fmt: skip

Fetch = Callable[[str, str], Awaitable[Object | None]]
"""Gets a `configmaps` or `secrets` object of the pod's namespace; None when it is not there."""


class ConfigurationError(Exception):
    """The pod cannot be configured as it asks: `CreateContainerConfigError` on a real node."""


def expand(text: str, variables: dict[str, str]) -> str:
    """Replace `$(NAME)`; `$$` is a dollar sign, an unknown name stays as it is."""

    def replace(match: re.Match[str]) -> str:
        if match[1] == "$":
            return "$"
        return variables.get(match[2], match[0])

    return _REFERENCE.sub(replace, text)


def data_of(found: Object) -> dict[str, bytes]:
    """The entries of a ConfigMap or a Secret."""
    if found.get("kind") == "Secret":
        return {k: base64.b64decode(v) for k, v in (found.get("data") or {}).items()}
    plain = {k: v.encode() for k, v in (found.get("data") or {}).items()}
    binary = {k: base64.b64decode(v) for k, v in (found.get("binaryData") or {}).items()}
    return plain | binary


def field_of(pod: Object, path: str) -> str:
    """A `fieldRef`; raises `ConfigurationError` for a path that downward API does not have."""
    metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    keyed = _KEYED.fullmatch(path)
    if keyed:
        return str((metadata.get(keyed[1]) or {}).get(keyed[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        entries = metadata.get(path.removeprefix("metadata.")) or {}
        return "\n".join(f'{key}="{value}"' for key, value in sorted(entries.items()))
    plain: dict[str, Any] = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": spec.get("nodeName"),
        "spec.serviceAccountName": spec.get("serviceAccountName"),
        "status.hostIP": status.get("hostIP"),
        "status.hostIPs": ",".join(entry["ip"] for entry in status.get("hostIPs") or []),
        "status.podIP": status.get("podIP"),
        "status.podIPs": ",".join(entry["ip"] for entry in status.get("podIPs") or []),
    }
    if path not in plain:
        raise ConfigurationError(f"fieldPath {path!r} is not supported")
    return str(plain[path] or "")


def quantity(text: str) -> float:
    """A Kubernetes quantity as a number: `500m` is 0.5."""
    for suffix in sorted(_SUFFIXES, key=len, reverse=True):
        if text.endswith(suffix):
            return float(text.removesuffix(suffix)) * _SUFFIXES[suffix]
    return float(text)


def resource_of(container: Object, reference: Object) -> str:
    """A `resourceFieldRef`: the request or limit, in units of the divisor, rounded up."""
    kind, _, resource = str(reference["resource"]).partition(".")
    amounts = (container.get("resources") or {}).get(kind) or {}
    divisor = quantity(str(reference.get("divisor") or "1")) or 1.0
    return str(math.ceil(quantity(str(amounts.get(resource, "0"))) / divisor))


async def environment_of(
    container: Object, pod: Object, brought: dict[str, str], fetch: Fetch
) -> dict[str, str]:
    """
    The variables of one container; `brought` are those of its image.

    Raises `ConfigurationError` when a ConfigMap, Secret or key that is not optional
    is missing.
    """
    variables = dict(brought)
    for source in container.get("envFrom") or []:
        for kind, resource in (("configMapRef", "configmaps"), ("secretRef", "secrets")):
            if kind in source:
                found = await _fetch(source[kind], resource, fetch)
                prefix = source.get("prefix") or ""
                variables |= {
                    prefix + key: value.decode(errors="replace")
                    for key, value in (data_of(found) if found else {}).items()
                }
    for entry in container.get("env") or []:
        if "valueFrom" not in entry:
            variables[entry["name"]] = expand(entry.get("value") or "", variables)
            continue
        value = await _value_from(entry["valueFrom"], container, pod, fetch)
        if value is not None:
            variables[entry["name"]] = value
    return variables


async def _value_from(source: Object, container: Object, pod: Object, fetch: Fetch) -> str | None:
    if "fieldRef" in source:
        return field_of(pod, source["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in source:
        return resource_of(container, source["resourceFieldRef"])
    for kind, resource in (("configMapKeyRef", "configmaps"), ("secretKeyRef", "secrets")):
        if kind in source:
            reference = source[kind]
            found = await _fetch(reference, resource, fetch)
            if found is None:
                return None
            entries = data_of(found)
            if reference["key"] in entries:
                return entries[reference["key"]].decode(errors="replace")
            if reference.get("optional"):
                return None
            raise ConfigurationError(
                f"couldn't find key {reference['key']} in {found['kind']} "
                f"{pod['metadata']['namespace']}/{reference['name']}"
            )
    raise ConfigurationError(f"valueFrom of unknown kind: {', '.join(source)}")


async def _fetch(reference: Object, resource: str, fetch: Fetch) -> Object | None:
    found = await fetch(resource, reference["name"])
    if found is None and not reference.get("optional"):
        raise ConfigurationError(f'{resource} "{reference["name"]}" not found')
    return found
