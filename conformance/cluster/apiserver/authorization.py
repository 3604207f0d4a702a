"""
Who may do what: `system:masters`, what everyone may, nodes, grants (EKS), then RBAC.

Without a binding a service account may only look at versions and discovery. Nodes may
do what a kubelet needs, and only for themselves and the pods bound to them: that is
what keeps one node from reading another node's secrets.
Sources: plugin/pkg/auth/authorizer/{node,rbac} of kubernetes, and the recorded answers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from conformance.cluster.apiserver import status
from conformance.cluster.apiserver.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    PODS,
    ROLE_BINDINGS,
    ROLES,
    Object,
    dig,
)
from conformance.cluster.apiserver.store import Store
from conformance.cluster.apiserver.tokens import User


@dataclass(frozen=True)
class Attributes:
    """What is asked for; either a resource or, with `path`, something else."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    field_selector: tuple[tuple[str, bool, str], ...] = ()

    @property
    def full_resource(self) -> str:
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


# system:public-info-viewer, readable without any token as on EKS.
_PUBLIC = {"/healthz", "/livez", "/readyz", "/version", "/version/"}
# system:service-account-issuer-discovery, which is bound to all service accounts. What EKS
# publishes at the issuer's address is read here by the emulated EKS, as an administrator.
_ISSUER = {"/openid/v1/jwks", "/.well-known/openid-configuration"}
_PUBLIC_PREFIXES = ("/healthz/", "/livez/", "/readyz/")
# system:discovery and system:basic-user, for everyone who is authenticated.
_DISCOVERY = ("/api", "/apis", "/openapi")
_BASIC = {
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
    ("authentication.k8s.io", "selfsubjectreviews"),
}

_READ = {"get", "list", "watch"}
_NODE_RULES: dict[tuple[str, str], set[str]] = {
    # system:node; what is narrowed further to the node's own is in `_node_denies`.
    ("", "nodes"): {"create", "get", "list", "watch", "update", "patch"},
    ("", "nodes/status"): {"update", "patch"},
    ("", "pods"): {"get", "list", "watch", "create", "delete"},
    ("", "pods/status"): {"get", "update", "patch"},
    ("", "pods/eviction"): {"create"},
    ("", "events"): {"create", "update", "patch"},
    ("", "services"): _READ,
    ("", "endpoints"): {"get"},
    ("", "configmaps"): _READ,
    ("", "secrets"): _READ,
    ("", "serviceaccounts"): {"get"},
    ("", "serviceaccounts/token"): {"create"},
    ("coordination.k8s.io", "leases"): {"create", "get", "update", "patch", "delete"},
    ("authentication.k8s.io", "tokenreviews"): {"create"},
    ("authorization.k8s.io", "subjectaccessreviews"): {"create"},
    ("authorization.k8s.io", "localsubjectaccessreviews"): {"create"},
}


class Authorizer:
    """Decides from what is stored."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def require(self, user: User, asked: Attributes) -> None:
        """Raises `ApiError` 403, worded as kube-apiserver's."""
        why = self.refusal(user, asked)
        if why is None:
            return
        who = f'User "{user.name}" cannot {asked.verb}'
        if asked.path:
            message = f'forbidden: {who} path "{asked.path}"'
            raise status.ApiError(403, "Forbidden", message, {})
        scope = (
            f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
        )
        said = f'{who} resource "{asked.full_resource}" in API group "{asked.group}" {scope}'
        raise status.forbidden(
            asked.resource, asked.name, f"{said}: {why}" if why else said, asked.group
        )

    def refusal(self, user: User, asked: Attributes) -> str | None:
        """None when it is allowed, else the reason, which is often empty."""
        if "system:masters" in user.groups or _everyone_may(user, asked):
            return None
        why = ""
        if "system:nodes" in user.groups and user.name.startswith("system:node:"):
            denied = self._node_denies(user.name.removeprefix("system:node:"), asked)
            if denied is None:
                return None
            why = denied
        return None if _granted(user, asked) or self._bound(user, asked) else why

    def _node_denies(self, node: str, asked: Attributes) -> str | None:
        allowed = _NODE_RULES.get((asked.group, asked.full_resource), set())
        if asked.verb not in allowed:
            return ""
        if asked.resource == "nodes" and asked.name and asked.name != node:
            return f"node: node '{node}' cannot read '{asked.name}', only its own Node object"
        if asked.full_resource == "pods":
            return self._node_denies_pods(node, asked)
        if asked.resource in {"secrets", "configmaps", "serviceaccounts"} and not any(
            _uses(pod, asked.resource, asked.name) for pod in self._pods_of(node, asked.namespace)
        ):
            return f"node: no relationship found between node '{node}' and this object"
        return None

    def _node_denies_pods(self, node: str, asked: Attributes) -> str | None:
        if asked.verb in {"list", "watch"} and (
            ("spec.nodeName", True, node) not in asked.field_selector
        ):
            return "node: can only list/watch pods with spec.nodeName field selector"
        if asked.verb in {"get", "delete"}:
            pod = self._store.find(PODS, asked.namespace, asked.name)
            if pod is not None and dig(pod, "spec", "nodeName") != node:
                return f"node: no relationship found between node '{node}' and this object"
        return None

    def _pods_of(self, node: str, namespace: str) -> Iterator[Object]:
        for pod in self._store.items(PODS, namespace):
            if dig(pod, "spec", "nodeName") == node:
                yield pod

    def _bound(self, user: User, asked: Attributes) -> bool:
        for binding in self._store.items(CLUSTER_ROLE_BINDINGS):
            if _binds(binding, user) and self._allows(binding, "", asked):
                return True
        if not asked.namespace:
            return False
        return any(
            _binds(binding, user) and self._allows(binding, asked.namespace, asked)
            for binding in self._store.items(ROLE_BINDINGS, asked.namespace)
        )

    def _allows(self, binding: Object, namespace: str, asked: Attributes) -> bool:
        reference = binding["roleRef"]
        kind, scope = (
            (CLUSTER_ROLES, "") if reference["kind"] == "ClusterRole" else (ROLES, namespace)
        )
        role = self._store.find(kind, scope, reference["name"])
        return any(_rule_allows(rule, asked) for rule in dig(role, "rules", default=()))


def _granted(user: User, asked: Attributes) -> bool:
    return any(
        _rule_allows(rule, asked)
        for grant in user.grants
        if not grant.namespaces
        or any(asked.namespace and fnmatchcase(asked.namespace, one) for one in grant.namespaces)
        for rule in grant.rules
    )


def _everyone_may(user: User, asked: Attributes) -> bool:
    if asked.verb == "get" and asked.path:
        if asked.path in _PUBLIC or asked.path.startswith(_PUBLIC_PREFIXES):
            return True
        if asked.path in _ISSUER:
            return "system:serviceaccounts" in user.groups
        known = "system:authenticated" in user.groups
        return known and any(
            asked.path == root or asked.path.startswith(f"{root}/") for root in _DISCOVERY
        )
    return (
        asked.verb == "create"
        and (asked.group, asked.resource) in _BASIC
        and "system:authenticated" in user.groups
    )


def _uses(pod: Object, resource: str, name: str) -> bool:
    spec = pod["spec"]
    if resource == "serviceaccounts":
        return bool(spec.get("serviceAccountName") == name)
    kind, key = ("secret", "secretName") if resource == "secrets" else ("configMap", "name")
    for volume in spec.get("volumes") or ():
        sources = [volume, *(dig(volume, "projected", "sources", default=()))]
        if any(name in (dig(s, kind, key), dig(s, kind, "name")) for s in sources):
            return True
    if resource == "secrets" and any(
        name == pull.get("name") for pull in spec.get("imagePullSecrets") or ()
    ):
        return True
    return any(
        name in (dig(env, "valueFrom", f"{kind}KeyRef", "name"), dig(env, f"{kind}Ref", "name"))
        for container in [*(spec.get("initContainers") or ()), *spec["containers"]]
        for env in [*(container.get("env") or ()), *(container.get("envFrom") or ())]
    )


def _binds(binding: Object, user: User) -> bool:
    for subject in binding.get("subjects") or ():
        name = subject["name"]
        match subject["kind"]:
            case "User" if name == user.name:
                return True
            case "Group" if name in user.groups:
                return True
            case "ServiceAccount":
                home = subject.get("namespace", "")
                if user.name == f"system:serviceaccount:{home}:{name}":
                    return True
    return False


def _rule_allows(rule: Object, asked: Attributes) -> bool:
    if not _holds(rule, "verbs", asked.verb):
        return False
    if asked.path:
        return any(
            url == asked.path or (url.endswith("*") and asked.path.startswith(url[:-1]))
            for url in rule.get("nonResourceURLs") or ()
        )
    resources = rule.get("resources") or ()
    named = rule.get("resourceNames") or ()
    return (
        _holds(rule, "apiGroups", asked.group)
        and (
            "*" in resources
            or asked.full_resource in resources
            or bool(asked.subresource and f"*/{asked.subresource}" in resources)
        )
        and (not named or asked.name in named)
    )


def _holds(rule: Object, field: str, value: str) -> bool:
    values = rule.get(field) or ()
    return "*" in values or value in values


BOOTSTRAP_ROLES: tuple[Object, ...] = (
    {
        "metadata": {"name": "cluster-admin"},
        "rules": [
            {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
            {"nonResourceURLs": ["*"], "verbs": ["*"]},
        ],
    },
    {
        "metadata": {"name": "view"},
        "rules": [
            {
                "apiGroups": ["", "apps", "batch"],
                "resources": [
                    "configmaps",
                    "daemonsets",
                    "deployments",
                    "endpoints",
                    "events",
                    "jobs",
                    "namespaces",
                    "pods",
                    "pods/log",
                    "pods/status",
                    "replicasets",
                    "serviceaccounts",
                    "services",
                ],
                "verbs": ["get", "list", "watch"],
            }
        ],
    },
)
"""ClusterRoles that people bind by name and expect in every cluster."""
