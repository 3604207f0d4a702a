"""
What the cluster adds to a request, or refuses, before it is stored.

In kube-apiserver's order: the namespace must live, a pod gets its service account
and the token volume, then webhooks see the result. So Pod Identity's webhook is asked
about a pod whose `serviceAccountName` is already filled in, and whose name may still be
empty. Nodes are held to their own pods (NodeRestriction, on as on EKS).
Sources: plugin/pkg/admission of kubernetes.
"""

import asyncio
import secrets
from dataclasses import dataclass, replace

from conformance.cluster.apiserver import defaults, status
from conformance.cluster.apiserver.resources import (
    NAMESPACES,
    NODES,
    PODS,
    SERVICE_ACCOUNTS,
    Object,
    Resource,
    dig,
)
from conformance.cluster.apiserver.status import Cause
from conformance.cluster.apiserver.store import Store
from conformance.cluster.apiserver.tokens import User

API_ACCESS_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""k8s.io/apimachinery/pkg/util/rand: no vowels, so no words."""
_DEFAULT_ACCOUNT_PATIENCE = 1.5
"""Seconds that a pod waits for its new namespace's default account."""
_IMMORTAL = ("default", "kube-system", "kube-public")
_NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
_PRIORITIES = {
    "": 0,
    "system-node-critical": 2_000_001_000,
    "system-cluster-critical": 2_000_000_000,
}


def random_suffix() -> str:
    """The five letters of `generateName`."""
    return "".join(secrets.choice(NAME_ALPHABET) for _ in range(5))


@dataclass(frozen=True)
class Admitted:
    """One request on its way to the store."""

    operation: str
    """CREATE, UPDATE or DELETE."""
    resource: Resource
    subresource: str
    namespace: str
    name: str
    obj: Object
    old: Object | None
    user: User
    dry_run: bool = False

    def with_object(self, obj: Object) -> "Admitted":
        return replace(self, obj=obj)


class Admission:
    """The plugins that are built in; webhooks come after them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.node_restriction = True

    async def mutate(self, request: Admitted) -> Object:
        """The object as it goes to the webhooks; raises `ApiError`."""
        self.check_namespace(request)
        self._restrict_node(request)
        if request.operation != "CREATE" or request.subresource:
            return request.obj
        if request.resource is PODS:
            account = await self._service_account(request)
            return _priority(_toleration_seconds(_token_volume(request.obj, account), request))
        if request.resource is NODES:
            return _new_node(request.obj)
        return request.obj

    def check_namespace(self, request: Admitted) -> None:
        """The namespace of a new object is there and stays; raises `ApiError`."""
        if request.operation != "CREATE" or not request.namespace:
            return
        namespace = self._store.find(NAMESPACES, "", request.namespace)
        if namespace is None:
            raise status.not_found("namespaces", request.namespace)
        if "deletionTimestamp" in namespace["metadata"] and not request.subresource:
            why = f"namespace {request.namespace} is being terminated"
            raise status.forbidden(
                request.resource.plural,
                request.name,
                f"unable to create new content in {why.replace('is being', 'because it is being')}",
                request.resource.group,
                [Cause(why, "metadata.namespace", "NamespaceTerminating")],
            )

    async def _service_account(self, request: Admitted) -> Object:
        name = request.obj["spec"].get("serviceAccountName") or "default"
        found = self._store.find(SERVICE_ACCOUNTS, request.namespace, name)
        if found is None and name == "default":
            found = await self._awaited_default(request.namespace)
        if found is None:
            raise status.forbidden(
                "pods",
                request.name,
                f"error looking up service account {request.namespace}/{name}: "
                f'serviceaccount "{name}" not found',
            )
        return found

    async def _awaited_default(self, namespace: str) -> Object | None:
        changes = self._store.subscribe(SERVICE_ACCOUNTS)
        try:
            async with asyncio.timeout(_DEFAULT_ACCOUNT_PATIENCE):
                while (await changes.next()).key != (namespace, "default"):
                    pass
        except TimeoutError:
            return None
        finally:
            self._store.unsubscribe(changes)
        return self._store.find(SERVICE_ACCOUNTS, namespace, "default")

    def _restrict_node(self, request: Admitted) -> None:
        """NodeRestriction: a node acts for itself and for the pods bound to it."""
        if not self.node_restriction or "system:nodes" not in request.user.groups:
            return
        node = request.user.name.removeprefix("system:node:")
        plural = request.resource.plural
        if request.resource is NODES and request.name and request.name != node:
            why = f'node "{node}" is not allowed to modify node "{request.name}"'
            raise status.forbidden(plural, request.name, why)
        if request.resource is SERVICE_ACCOUNTS and request.subresource == "token":
            self._restrict_token(request, node)
        if request.resource is PODS and request.operation != "DELETE":
            self._restrict_pod(request, node)

    def _restrict_pod(self, request: Admitted, node: str) -> None:
        if request.operation == "CREATE" and not request.subresource:
            mirror = "kubernetes.io/config.mirror"
            if mirror not in (request.obj["metadata"].get("annotations") or {}):
                raise status.forbidden(
                    "pods",
                    request.name,
                    f'pod does not have "{mirror}" annotation, node "{node}" can only create '
                    "mirror pods",
                )
        elif dig(request.old, "spec", "nodeName") != node:
            why = "can only update pod status for pods with spec.nodeName set to itself"
            raise status.forbidden("pods", request.name, f'node "{node}" {why}')

    def _restrict_token(self, request: Admitted, node: str) -> None:
        def refuse(why: str) -> status.ApiError:
            return status.forbidden("serviceaccounts", request.name, why)

        spec = request.obj["spec"]
        bound = spec.get("boundObjectRef") or {}
        if bound.get("kind") != "Pod" or bound.get("apiVersion") != "v1":
            raise refuse("node requested token not bound to a pod")
        if not bound.get("uid"):
            raise refuse("node requested token with a pod binding without a uid")
        pod = self._store.get(PODS, request.namespace, bound.get("name", ""))
        if pod["metadata"]["uid"] != bound["uid"]:
            raise refuse(
                f"the UID in the bound object reference ({bound['uid']}) does not match the UID in "
                f"record. The object might have been deleted and then recreated"
            )
        if dig(pod, "spec", "nodeName") != node:
            raise refuse("node requested token bound to a pod scheduled on a different node")
        # ServiceAccountNodeAudienceRestriction: only audiences that the pod's volumes name.
        named = {""} | {
            dig(source, "serviceAccountToken", "audience", default="")
            for volume in pod["spec"].get("volumes") or ()
            for source in dig(volume, "projected", "sources", default=())
        }
        for audience in spec.get("audiences") or ():
            if audience not in named:
                raise refuse(
                    f"{request.user.name} is not authorized to request tokens for audience "
                    f'"{audience}"'
                )

    def check_delete(self, resource: Resource, name: str) -> None:
        """Some namespaces cannot go; raises `ApiError` 403."""
        if resource is NAMESPACES and name in _IMMORTAL:
            raise status.forbidden("namespaces", name, "this namespace may not be deleted")


def _token_volume(pod: Object, account: Object) -> Object:
    """The ServiceAccount plugin: name, image pull secrets, token volume."""
    name = account["metadata"]["name"]
    spec = pod["spec"] | {"serviceAccountName": name, "serviceAccount": name}
    if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
        spec["imagePullSecrets"] = account["imagePullSecrets"]
    wanted = spec.get("automountServiceAccountToken")
    if wanted is None:
        wanted = account.get("automountServiceAccountToken")
    if wanted is False:
        return pod | {"spec": spec}
    volume = f"kube-api-access-{random_suffix()}"
    mounted = False
    for group in ("initContainers", "containers"):
        filled = []
        for container in spec.get(group) or ():
            mounts = container.get("volumeMounts") or []
            # A mount of the user's own at that path is left alone.
            if not any(mount.get("mountPath") == API_ACCESS_PATH for mount in mounts):
                mount = {"name": volume, "readOnly": True, "mountPath": API_ACCESS_PATH}
                container = container | {"volumeMounts": [*mounts, mount]}  # noqa: PLW2901  # a copy
                mounted = True
            filled.append(container)
        if filled:
            spec[group] = filled
    if mounted:
        spec["volumes"] = [*(spec.get("volumes") or ()), _api_access(volume)]
    return pod | {"spec": spec}


def _api_access(name: str) -> Object:
    namespace = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {
            "configMap": {
                "name": "kube-root-ca.crt",
                "items": [{"key": "ca.crt", "path": "ca.crt"}],
            }
        },
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": namespace}]}},
    ]
    return {"name": name, "projected": {"sources": sources, "defaultMode": 420}}


def _toleration_seconds(pod: Object, _: Admitted) -> Object:
    """DefaultTolerationSeconds: a pod stays five minutes on a node that is lost."""
    tolerations = list(pod["spec"].get("tolerations") or ())
    for condition in ("not-ready", "unreachable"):
        key = f"node.kubernetes.io/{condition}"
        if not any(
            one.get("key") in {key, None, ""} and one.get("effect") in {"NoExecute", None, ""}
            for one in tolerations
        ):
            tolerations.append(
                {
                    "key": key,
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": 300,
                }
            )
    return pod | {"spec": pod["spec"] | {"tolerations": tolerations}}


def _priority(pod: Object) -> Object:
    spec = pod["spec"]
    wanted = spec.get("priorityClassName") or ""
    if wanted not in _PRIORITIES:
        raise status.forbidden(
            "pods",
            pod["metadata"].get("name", ""),
            f"no PriorityClass with name {wanted} was found",
        )
    preemption = spec.get("preemptionPolicy") or "PreemptLowerPriority"
    return pod | {"spec": spec | {"priority": _PRIORITIES[wanted], "preemptionPolicy": preemption}}


def _new_node(node: Object) -> Object:
    """TaintNodesByCondition: nothing is scheduled before the node says that it is ready."""
    node = defaults.apply(NODES, node)
    taints = list(node["spec"].get("taints") or ())
    if not any(taint["key"] == _NOT_READY["key"] for taint in taints):
        taints.append(dict(_NOT_READY))
    return node | {"spec": node["spec"] | {"taints": taints}}
