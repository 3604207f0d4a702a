"""
The patch that gives a pod its token and the variables that point at it.

Pure functions of pod, annotations and settings. The order of operations, the
volume's place at the front and the containers replaced whole are AWS's: other
webhooks and admission policies in a cluster see them.

Source: aws/amazon-eks-pod-identity-webhook pkg/handler/handler.go at 3bf80a34;
`tests/golden/webhook.json` holds its answers.
"""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from conformance.cluster.webhook.settings import (
    ANNOTATION_PREFIX,
    DEFAULT_EXPIRATION,
    Method,
    WebhookSettings,
)

SHORTEST_EXPIRATION = 600
"""Seconds; what the API server accepts at least. There is no upper bound here."""
SPREAD_FROM, SPREAD_TO = 79_200, 86_400

Json = dict[str, Any]

_STS = "AWS_STS_REGIONAL_ENDPOINTS"
_REGIONS = ("AWS_DEFAULT_REGION", "AWS_REGION")
_OS_LABELS = ("kubernetes.io/os", "beta.kubernetes.io/os")
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
# What Go's strconv.ParseBool reads.
_BOOLEANS = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}


class PodError(ValueError):
    """The object under review is not a pod."""


@dataclass(frozen=True)
class Injection:
    """What one pod gets, worked out once for all its containers."""

    method: Method
    variables: tuple[tuple[str, str], ...]
    region: str | None
    regional_sts: bool
    expiration: int
    skipped: frozenset[str]


def injection_for(
    pod: Json,
    method: Method,
    annotations: Mapping[str, str] | None,
    settings: WebhookSettings,
    rng: random.Random,
) -> Injection:
    """
    `annotations` are those of the pod's service account, None for one that is not known.

    Of an unknown one the flags count no more than its annotations do. Source: pkg/cache/cache.go,
    GetCommonConfigurations.
    """
    if annotations is None:
        settings = replace(
            settings, sts_regional_endpoints=False, token_expiration=DEFAULT_EXPIRATION
        )
        annotations = {}
    of_pod = _mapping(_mapping(pod, "metadata"), "annotations")
    skipped = str(of_pod.get(f"{ANNOTATION_PREFIX}/skip-containers", ""))
    filled = {
        "{token_file}": _token_file(pod, method),
        "{role_arn}": annotations.get(f"{ANNOTATION_PREFIX}/role-arn", ""),
    }
    regional = annotations.get(f"{ANNOTATION_PREFIX}/sts-regional-endpoints", "")
    return Injection(
        method=method,
        variables=tuple((name, filled.get(value, value)) for name, value in method.variables),
        region=settings.region,
        regional_sts=_BOOLEANS.get(regional, settings.sts_regional_endpoints),
        expiration=expiration_of(method, of_pod, annotations, settings, rng),
        skipped=frozenset(name.strip() for name in skipped.split(",") if name.strip()),
    )


def expiration_of(
    method: Method,
    of_pod: Mapping[str, str],
    of_account: Mapping[str, str],
    settings: WebhookSettings,
    rng: random.Random,
) -> int:
    """Seconds: the pod's annotation, else the service account's, else the setting."""
    expiration = settings.token_expiration
    for annotations in (of_account, of_pod):
        given = str(annotations.get(f"{ANNOTATION_PREFIX}/token-expiration", ""))
        if _INTEGER.fullmatch(given):
            expiration = int(given)
    expiration = max(expiration, SHORTEST_EXPIRATION)
    if method.spreads_expiration and expiration == DEFAULT_EXPIRATION:
        return rng.randint(SPREAD_FROM, SPREAD_TO)
    return expiration


def patch_for(pod: Json, injection: Injection) -> list[Json]:
    """JSON Patch operations in AWS's order; raises `PodError`."""
    spec = _mapping(pod, "spec")
    labels = _mapping(pod, "metadata").get("labels")
    operations: list[Json] = []
    if injection.method.label is not None:
        operations.append(_label(injection.method.label, labels))
    volumes = _list(spec, "volumes")
    if not any(volume.get("name") == injection.method.volume for volume in volumes):
        operations.append(_volume(injection, bool(volumes)))
    changed = bool(operations)
    for kind in ("containers", "initContainers"):
        before = _list(spec, kind)
        after = [_container(container, injection) for container in before]
        changed = changed or after != [_with_resources(container) for container in before]
        if before or kind == "containers":
            operations.append({"op": "add", "path": f"/spec/{kind}", "value": after})
    return operations if changed else []


def _label(name: str, labels: Any) -> Json:
    if labels is None:
        return {"op": "add", "path": "/metadata/labels", "value": {name: "enabled"}}
    path = f"/metadata/labels/{name.replace('/', '~1')}"
    return {"op": "add", "path": path, "value": "enabled"}


def _volume(injection: Injection, others: bool) -> Json:
    token = {
        "audience": injection.method.audience,
        "expirationSeconds": injection.expiration,
        "path": injection.method.token_path,
    }
    volume = {
        "name": injection.method.volume,
        "projected": {"sources": [{"serviceAccountToken": token}]},
    }
    if others:
        return {"op": "add", "path": "/spec/volumes/0", "value": volume}
    return {"op": "add", "path": "/spec/volumes", "value": [volume]}


def _with_resources(container: Json) -> Json:
    """Go's type has no omitempty there, so the member is always written."""
    return {**container, "resources": container.get("resources") or {}}


def _container(container: Json, injection: Injection) -> Json:
    container = _with_resources(container)
    if container.get("name") in injection.skipped:
        return container
    variables = _list(container, "env")
    present = {variable.get("name") for variable in variables}
    own = bool(present & {name for name, _ in injection.variables})
    region = bool(present & set(_REGIONS))
    if own and region and _STS in present:
        return container
    added: list[tuple[str, str]] = []
    if injection.regional_sts and _STS not in present:
        added.append((_STS, "regional"))
    if injection.region and not region:
        added += [(name, injection.region) for name in _REGIONS]
    if not own:
        added += injection.variables
    if added:
        container["env"] = [*variables, *({"name": name, "value": value} for name, value in added)]
    mounts = _list(container, "volumeMounts")
    if not any(mount.get("name") == injection.method.volume for mount in mounts):
        mount = {
            "name": injection.method.volume,
            "readOnly": True,
            "mountPath": injection.method.mount_path,
        }
        container["volumeMounts"] = [*mounts, mount]
    return container


def _token_file(pod: Json, method: Method) -> str:
    path = f"{method.mount_path}/{method.token_path}"
    selector = _mapping(_mapping(pod, "spec"), "nodeSelector")
    if any(selector.get(label) == "windows" for label in _OS_LABELS):
        return "C:" + path.replace("/", "\\")
    return path


def _mapping(parent: Json, name: str) -> Json:
    value = parent.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise PodError(f"json: cannot unmarshal {name}: not an object")
    return value


def _list(parent: Json, name: str) -> list[Json]:
    value = parent.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise PodError(f"json: cannot unmarshal {name}: not a list of objects")
    return value
