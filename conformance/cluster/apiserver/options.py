"""
Parameters of a request: where it points to, and what it may say in its query.

The path of a request decides resource, namespace and name as kube-apiserver's
RequestInfo does; authorization and every refusal are worded by it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from conformance.cluster.apiserver import status
from conformance.cluster.apiserver.deletion import Deletion
from conformance.cluster.apiserver.resources import BY_PATH, NAMESPACES, Object, Resource, dig
from conformance.cluster.apiserver.status import Cause

_OPTIONS_GROUP = "meta.k8s.io"
_POLICIES = ("Foreground", "Background", "Orphan")


@dataclass(frozen=True)
class Target:
    """What a path points to."""

    group: str
    version: str
    plural: str
    namespace: str
    name: str
    subresource: str
    resource: Resource | None
    """None for a resource that a known group does not have."""

    @property
    def namespace_key(self) -> str:
        """Where the object is stored; `namespace` also names the namespace that is asked for."""
        return self.namespace if self.resource is not None and self.resource.namespaced else ""


_VERSIONS = {(group, version) for group, version, _ in BY_PATH}


def parse_path(path: str) -> Target | None:
    """None for a path that is not one of a resource in a known group version."""
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    if (group, version) not in _VERSIONS:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        # /namespaces/X and its subresources are about the namespace itself.
        itself = len(rest) == 2 or (len(rest) == 3 and rest[2] in NAMESPACES.subresources)
        rest = rest if itself else rest[2:]
    plural, name, subresource = (*rest, "", "")[:3]
    resource = BY_PATH.get((group, version, plural))
    return Target(group, version, plural, namespace, name, subresource, resource)


def flag(query: Mapping[str, str], name: str) -> bool:
    return query.get(name) in {"true", "1"}


def dry_run(query: Mapping[str, str], kind: str) -> bool:
    """Also checks `fieldValidation`; `kind` is that of the options. Raises `ApiError` 422."""
    validation = query.get("fieldValidation", "")
    if validation not in {"", "Ignore", "Strict", "Warn"}:
        raise _unsupported(
            kind,
            "fieldValidation",
            f'"{validation}": supported values: "", "Ignore", "Strict", "Warn"',
        )
    return _dry_run(query.get("dryRun", ""), kind)


def _dry_run(value: str, kind: str) -> bool:
    if value not in {"", "All"}:
        raise _unsupported(kind, "dryRun", f'["{value}"]: supported values: "All"')
    return value == "All"


def _unsupported(kind: str, field: str, said: str) -> status.ApiError:
    cause = Cause(f"Unsupported value: {said}", field, "FieldValueNotSupported")
    return status.invalid(kind, "", [cause], _OPTIONS_GROUP)


def deletion_of(query: Mapping[str, str], body: Object) -> Deletion:
    """DeleteOptions from body and query; raises `ApiError` 422."""
    policy = body.get("propagationPolicy") or query.get("propagationPolicy") or ""
    if policy and policy not in _POLICIES:
        supported = ", ".join(f'"{one}"' for one in (*_POLICIES, "nil"))
        raise _unsupported(
            "DeleteOptions", "propagationPolicy", f'"{policy}": supported values: {supported}'
        )
    grace = body.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
    sent = body.get("dryRun") or []
    dry = _dry_run(sent[0] if sent else query.get("dryRun", ""), "DeleteOptions")
    return Deletion(
        grace=None if grace in {None, ""} else int(str(grace)),
        uid=dig(body, "preconditions", "uid", default=""),
        resource_version=dig(body, "preconditions", "resourceVersion", default=""),
        policy=policy,
        dry_run=dry,
    )


_COMMON_FIELDS = {"kind", "apiVersion", "metadata"}
_BODY_FIELDS: dict[str, set[str]] = {
    # Kinds whose fields are not `spec` and `status`.
    "ConfigMap": {"data", "binaryData", "immutable"},
    "Secret": {"data", "stringData", "type", "immutable"},
    "ServiceAccount": {"secrets", "imagePullSecrets", "automountServiceAccountToken"},
    "Endpoints": {"subsets"},
    "MutatingWebhookConfiguration": {"webhooks"},
    "ValidatingWebhookConfiguration": {"webhooks"},
    "Role": {"rules"},
    "ClusterRole": {"rules", "aggregationRule"},
    "RoleBinding": {"subjects", "roleRef"},
    "ClusterRoleBinding": {"subjects", "roleRef"},
    "Event": {
        "involvedObject",
        "reason",
        "message",
        "source",
        "firstTimestamp",
        "lastTimestamp",
        "count",
        "type",
        "eventTime",
        "series",
        "action",
        "related",
        "reportingComponent",
        "reportingInstance",
    },
}


def known_fields(obj: Object, query: Mapping[str, str]) -> tuple[Object, list[str]]:
    """
    The object without top-level fields that its kind does not have, and warnings.

    Raises `ApiError` 400 with `fieldValidation=Strict`. Fields further down are not
    checked: no schemas are kept.
    """
    kind = obj["kind"]
    known = _COMMON_FIELDS | _BODY_FIELDS.get(kind, {"spec", "status"})
    unknown = [field for field in obj if field not in known]
    if not unknown:
        return obj, []
    said = [f'unknown field "{field}"' for field in unknown]
    if query.get("fieldValidation") == "Strict":
        version = obj["apiVersion"].rpartition("/")[2]
        raise status.bad_request(
            f'{kind} in version "{version}" cannot be handled as a {kind}: strict decoding error: '
            + ", ".join(said)
        )
    kept = {field: value for field, value in obj.items() if field in known}
    return kept, [] if query.get("fieldValidation") == "Ignore" else said
