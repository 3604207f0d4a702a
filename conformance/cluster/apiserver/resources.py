"""
Which resources there are, as data: one row each.

Discovery, routing, names in messages, validation of names, field selectors and the
answer to a deletion all come from these rows. The trap is that kube-apiserver is
not uniform: deleting a Pod returns the Pod, deleting a ConfigMap a Status.
"""

from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
"""A Kubernetes object as JSON. What a store or registry hands out is never changed in place."""

_ALL_VERBS = (
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
)
_METADATA_FIELDS = ("metadata.name", "metadata.namespace")


@dataclass(frozen=True)
class Resource:
    """A row of the table."""

    kind: str
    plural: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = _ALL_VERBS
    fields: tuple[str, ...] = ()
    """Field selectors beyond name and namespace."""
    name_rule: str = "subdomain"
    """A key of `validation.NAME_RULES`; `path` takes almost anything."""
    delete_returns_object: bool = False
    generation: bool = False
    """metadata.generation counts changes of the spec."""
    spec_path: tuple[str, ...] = ("spec",)

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        return self.kind.lower()

    @property
    def stored(self) -> bool:
        return "get" in self.verbs

    @property
    def root(self) -> str:
        """The path of the group version, without a slash at the end."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    @property
    def selectable(self) -> tuple[str, ...]:
        return (*_METADATA_FIELDS, *self.fields)


PODS = Resource(
    "Pod",
    "pods",
    short=("po",),
    categories=("all",),
    subresources=("binding", "eviction", "exec", "log", "status"),
    fields=(
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    delete_returns_object=True,
    generation=True,
)
NAMESPACES = Resource(
    "Namespace",
    "namespaces",
    namespaced=False,
    short=("ns",),
    subresources=("finalize", "status"),
    fields=("status.phase",),
    name_rule="label",
    delete_returns_object=True,
)
SERVICE_ACCOUNTS = Resource(
    "ServiceAccount",
    "serviceaccounts",
    short=("sa",),
    subresources=("token",),
    delete_returns_object=True,
)
CONFIG_MAPS = Resource("ConfigMap", "configmaps", short=("cm",))
SECRETS = Resource("Secret", "secrets", fields=("type",))
NODES = Resource(
    "Node",
    "nodes",
    namespaced=False,
    short=("no",),
    subresources=("status",),
    fields=("spec.unschedulable",),
)
EVENTS = Resource(
    "Event",
    "events",
    short=("ev",),
    fields=(
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
)
SERVICES = Resource(
    "Service",
    "services",
    short=("svc",),
    categories=("all",),
    subresources=("status",),
    fields=("spec.clusterIP", "spec.type"),
    name_rule="dns1035",
    delete_returns_object=True,
)
ENDPOINTS = Resource("Endpoints", "endpoints", short=("ep",))
DAEMON_SETS = Resource(
    "DaemonSet",
    "daemonsets",
    "apps",
    short=("ds",),
    categories=("all",),
    subresources=("status",),
    generation=True,
)
DEPLOYMENTS = Resource(
    "Deployment",
    "deployments",
    "apps",
    short=("deploy",),
    categories=("all",),
    subresources=("scale", "status"),
    generation=True,
)
REPLICA_SETS = Resource(
    "ReplicaSet",
    "replicasets",
    "apps",
    short=("rs",),
    categories=("all",),
    subresources=("scale", "status"),
    fields=("status.replicas",),
    generation=True,
)
JOBS = Resource(
    "Job",
    "jobs",
    "batch",
    categories=("all",),
    subresources=("status",),
    fields=("status.successful",),
    generation=True,
)
LEASES = Resource("Lease", "leases", "coordination.k8s.io")
MUTATING_WEBHOOKS = Resource(
    "MutatingWebhookConfiguration",
    "mutatingwebhookconfigurations",
    "admissionregistration.k8s.io",
    namespaced=False,
    categories=("api-extensions",),
    generation=True,
    spec_path=("webhooks",),
)
VALIDATING_WEBHOOKS = Resource(
    "ValidatingWebhookConfiguration",
    "validatingwebhookconfigurations",
    "admissionregistration.k8s.io",
    namespaced=False,
    categories=("api-extensions",),
    generation=True,
    spec_path=("webhooks",),
)
_RBAC = "rbac.authorization.k8s.io"
ROLES = Resource("Role", "roles", _RBAC, name_rule="path")
ROLE_BINDINGS = Resource("RoleBinding", "rolebindings", _RBAC, name_rule="path")
CLUSTER_ROLES = Resource("ClusterRole", "clusterroles", _RBAC, namespaced=False, name_rule="path")
CLUSTER_ROLE_BINDINGS = Resource(
    "ClusterRoleBinding", "clusterrolebindings", _RBAC, namespaced=False, name_rule="path"
)

_CREATE = ("create",)
TOKEN_REVIEWS = Resource(
    "TokenReview", "tokenreviews", "authentication.k8s.io", namespaced=False, verbs=_CREATE
)
SELF_SUBJECT_REVIEWS = Resource(
    "SelfSubjectReview",
    "selfsubjectreviews",
    "authentication.k8s.io",
    namespaced=False,
    verbs=_CREATE,
)
_AUTHORIZATION = "authorization.k8s.io"
SUBJECT_ACCESS_REVIEWS = Resource(
    "SubjectAccessReview", "subjectaccessreviews", _AUTHORIZATION, namespaced=False, verbs=_CREATE
)
SELF_SUBJECT_ACCESS_REVIEWS = Resource(
    "SelfSubjectAccessReview",
    "selfsubjectaccessreviews",
    _AUTHORIZATION,
    namespaced=False,
    verbs=_CREATE,
)
LOCAL_SUBJECT_ACCESS_REVIEWS = Resource(
    "LocalSubjectAccessReview", "localsubjectaccessreviews", _AUTHORIZATION, verbs=_CREATE
)

RESOURCES: tuple[Resource, ...] = (
    NAMESPACES,
    PODS,
    SERVICE_ACCOUNTS,
    CONFIG_MAPS,
    SECRETS,
    NODES,
    EVENTS,
    SERVICES,
    ENDPOINTS,
    DAEMON_SETS,
    DEPLOYMENTS,
    REPLICA_SETS,
    JOBS,
    LEASES,
    MUTATING_WEBHOOKS,
    VALIDATING_WEBHOOKS,
    ROLES,
    ROLE_BINDINGS,
    CLUSTER_ROLES,
    CLUSTER_ROLE_BINDINGS,
    TOKEN_REVIEWS,
    SELF_SUBJECT_REVIEWS,
    SUBJECT_ACCESS_REVIEWS,
    SELF_SUBJECT_ACCESS_REVIEWS,
    LOCAL_SUBJECT_ACCESS_REVIEWS,
)

BY_PATH = {(r.group, r.version, r.plural): r for r in RESOURCES}
BY_KIND = {(r.api_version, r.kind): r for r in RESOURCES}

SUBRESOURCE_KINDS = {
    ("serviceaccounts", "token"): ("authentication.k8s.io", "v1", "TokenRequest"),
    ("pods", "binding"): ("", "v1", "Binding"),
    ("pods", "eviction"): ("policy", "v1", "Eviction"),
    ("deployments", "scale"): ("autoscaling", "v1", "Scale"),
    ("replicasets", "scale"): ("autoscaling", "v1", "Scale"),
}
"""Subresources whose body is of another kind than the resource: group, version, kind."""

SUBRESOURCE_VERBS = {
    "binding": ("create",),
    "eviction": ("create",),
    "exec": ("create", "get"),
    "token": ("create",),
    "log": ("get",),
    "finalize": ("update",),
    "status": ("get", "patch", "update"),
    "scale": ("get", "patch", "update"),
}


def namespace_of(obj: Object) -> str:
    """Empty for cluster-wide objects."""
    return str(obj["metadata"].get("namespace", ""))


def name_of(obj: Object) -> str:
    return str(obj["metadata"]["name"])


def dig(obj: Any, *path: str, default: Any = None) -> Any:
    """The value under nested keys, or `default` where one is missing or null."""
    for key in path:
        if not isinstance(obj, dict):
            return default
        obj = obj.get(key)
    return default if obj is None else obj
