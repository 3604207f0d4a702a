"""
What each access policy of EKS allows, as rules of a ClusterRole.

They look like the roles `admin`, `edit` and `view` and are not the same: EKS keeps
them apart from RBAC, so nobody in the cluster can see or change them.

Source: EKS user guide, access-policy-permissions, table by table.
"""

from collections.abc import Mapping

from conformance.cluster.apiserver.resources import Object

_READ = ["get", "list", "watch"]
_WRITE = ["create", "delete", "deletecollection", "patch", "update"]

_APPS = "daemonsets deployments deployments/scale replicasets replicasets/scale"
_APPS_STATUS = "daemonsets/status deployments/status replicasets/status"
_SETS = "statefulsets statefulsets/scale"
_POD_WAYS = "pods/attach pods/exec pods/portforward pods/proxy"
_CLAIMS = "persistentvolumeclaims"
_CONTROLLERS = "replicationcontrollers replicationcontrollers/scale"


def _rule(group: str, resources: str, verbs: list[str]) -> Object:
    return {"apiGroups": [group], "resources": resources.split(), "verbs": verbs}


_VIEW = (
    _rule("apps", f"controllerrevisions {_APPS} {_APPS_STATUS} {_SETS} statefulsets/status", _READ),
    _rule("autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status", _READ),
    _rule("batch", "cronjobs cronjobs/status jobs jobs/status", _READ),
    _rule("discovery.k8s.io", "endpointslices", _READ),
    _rule("networking.k8s.io", "ingresses ingresses/status networkpolicies", _READ),
    _rule("policy", "poddisruptionbudgets poddisruptionbudgets/status", _READ),
    _rule("", f"configmaps endpoints {_CLAIMS} {_CLAIMS}/status pods {_CONTROLLERS}", _READ),
    _rule("", "serviceaccounts services services/status namespaces namespaces/status", _READ),
    _rule("", "bindings events limitranges pods/log pods/status", _READ),
    _rule("", "replicationcontrollers/status resourcequotas resourcequotas/status", _READ),
)
_EDIT = (
    *_VIEW,
    _rule("apps", f"{_APPS} deployments/rollback {_SETS}", _WRITE),
    _rule("autoscaling", "horizontalpodautoscalers", _WRITE),
    _rule("batch", "cronjobs jobs", _WRITE),
    _rule("networking.k8s.io", "ingresses networkpolicies", _WRITE),
    _rule("policy", "poddisruptionbudgets", _WRITE),
    _rule("", f"{_POD_WAYS} secrets services/proxy", _READ),
    _rule("", f"pods {_POD_WAYS}", _WRITE),
    _rule("", f"configmaps events {_CLAIMS} {_CONTROLLERS} secrets", _WRITE),
    _rule("", "serviceaccounts services services/proxy", _WRITE),
    _rule("", "serviceaccounts", ["impersonate"]),
)
RULES: Mapping[str, tuple[Object, ...]] = {
    "AmazonEKSViewPolicy": _VIEW,
    "AmazonEKSEditPolicy": _EDIT,
    "AmazonEKSAdminPolicy": (
        *_EDIT,
        _rule("authorization.k8s.io", "localsubjectaccessreviews", ["create"]),
        _rule("rbac.authorization.k8s.io", "rolebindings roles", [*_READ, *_WRITE]),
    ),
    "AmazonEKSAdminViewPolicy": (_rule("*", "*", _READ),),
    "AmazonEKSSecretReaderPolicy": (_rule("", "secrets", _READ),),
    "AmazonEKSClusterAdminPolicy": (
        _rule("*", "*", ["*"]),
        {"nonResourceURLs": ["*"], "verbs": ["*"]},
    ),
}
"""The group `extensions`, which no API server has any more, is left out."""
