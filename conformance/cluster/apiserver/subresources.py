"""
Subresources with a behaviour of their own: token, binding, eviction, scale, log.

A TokenRequest is where Pod Identity begins: bounds of its life, the binding to a pod,
and whom the pod really runs as are checked here, in kube-apiserver's order.
Source: pkg/registry/core/serviceaccount/storage/token.go.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from conformance.cluster.apiserver import pod_validation, status
from conformance.cluster.apiserver.admission import Admission, Admitted
from conformance.cluster.apiserver.deletion import Deletion, timestamp
from conformance.cluster.apiserver.logs import LogRequest
from conformance.cluster.apiserver.registry import Registry
from conformance.cluster.apiserver.resources import (
    NODES,
    PODS,
    SERVICE_ACCOUNTS,
    Object,
    dig,
)
from conformance.cluster.apiserver.store import Store
from conformance.cluster.apiserver.tokens import BINDABLE, Binding, TokenAuthority, User

_DEFAULT_LIFE = 3600


class TokenRequests:
    """`serviceaccounts/token`."""

    def __init__(
        self,
        registry: Registry,
        admission: Admission,
        tokens: TokenAuthority,
        *,
        audiences: list[str],
        shortest: int,
        longest: int | None,
    ) -> None:
        self._registry = registry
        self._admission = admission
        self._tokens = tokens
        self._audiences = audiences
        self._shortest = shortest
        self._longest = longest

    def limit(self, *, shortest: int, longest: int | None) -> None:
        """Other bounds for the lives of tokens from now on; those out there keep theirs."""
        self._shortest, self._longest = shortest, longest

    async def create(
        self, namespace: str, name: str, sent: Object, user: User
    ) -> tuple[Object, list[str]]:
        """The TokenRequest with its token, and warnings; raises `ApiError`."""
        if sent["metadata"].get("namespace", namespace) != namespace:
            raise status.bad_request(
                "the namespace of the provided object does not match the namespace sent on the "
                "request"
            )
        spec = {"boundObjectRef": None} | (sent.get("spec") or {})
        seconds = spec.get("expirationSeconds")
        spec["expirationSeconds"] = _DEFAULT_LIFE if seconds is None else seconds
        obj = sent | {"spec": spec}
        request = Admitted("CREATE", SERVICE_ACCOUNTS, "token", namespace, name, obj, None, user)
        self._admission.check_namespace(request)
        account = self._registry.store.get(SERVICE_ACCOUNTS, namespace, name)
        causes = list(
            pod_validation.token_life(
                "spec.expirationSeconds", spec["expirationSeconds"], self._shortest
            )
        )
        if causes:
            raise status.invalid("TokenRequest", "", causes, "authentication.k8s.io")
        await self._admission.mutate(request)
        # After admission: a node that names no audience asks for the API's, which it may.
        spec["audiences"] = spec.get("audiences") or list(self._audiences)
        binding = self._binding(namespace, name, spec["boundObjectRef"])
        warnings = []
        if self._longest is not None and spec["expirationSeconds"] > self._longest:
            warnings.append(
                f"requested expiration of {spec['expirationSeconds']} seconds shortened to "
                f"{self._longest} seconds"
            )
            spec["expirationSeconds"] = self._longest
        token, ends = self._tokens.issue(
            account,
            spec["audiences"],
            spec["expirationSeconds"],
            binding,
            for_api=set(spec["audiences"]) <= set(self._audiences),
        )
        meta = {
            "name": name,
            "namespace": namespace,
            "uid": account["metadata"]["uid"],
            "creationTimestamp": timestamp(self._registry.now()),
        }
        given = {"token": token, "expirationTimestamp": timestamp(ends)}
        return obj | {"metadata": meta, "status": given}, warnings

    def _binding(self, namespace: str, account: str, ref: Object | None) -> Binding | None:
        if not ref:
            return None
        version, kind, name = ref.get("apiVersion", ""), ref.get("kind", ""), ref.get("name", "")
        resource = BINDABLE.get((version, kind))
        if resource is None:
            raise status.bad_request(f"cannot bind token to object of type /{version}, Kind={kind}")
        found = self._registry.store.get(resource, namespace if resource.namespaced else "", name)
        if resource is PODS and dig(found, "spec", "serviceAccountName") != account:
            raise status.bad_request(
                f'cannot bind token for serviceaccount "{account}" to pod running with different '
                "serviceaccount name."
            )
        if ref.get("uid") and ref["uid"] != found["metadata"]["uid"]:
            raise status.conflict(
                kind,
                name,
                f"the UID in the bound object reference ({ref['uid']}) does not match the UID in "
                "record. The object might have been deleted and then recreated",
            )
        return Binding(kind, found)


def bind(registry: Registry, namespace: str, name: str, node: str) -> Object:
    """Schedule a pod to a node; raises `ApiError` 409 when it has one, or is being deleted."""
    pod = registry.store.get(PODS, namespace, name)
    bound = dig(pod, "spec", "nodeName")
    if "deletionTimestamp" in pod["metadata"]:
        why = f"pod {name} is being deleted, cannot be assigned to a host"
        raise status.conflict("pods/binding", name, why)
    if bound:
        why = f'pod {name} is already assigned to node "{bound}"'
        raise status.conflict("pods/binding", name, why)
    scheduled = {
        "type": "PodScheduled",
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": timestamp(registry.now()),
    }
    others = [
        one for one in dig(pod, "status", "conditions", default=()) if one["type"] != "PodScheduled"
    ]
    return registry.store.put(
        PODS,
        pod
        | {
            "spec": pod["spec"] | {"nodeName": node},
            "status": pod["status"] | {"conditions": [*others, scheduled]},
        },
    )


async def evict(registry: Registry, namespace: str, name: str, sent: Object, user: User) -> None:
    grace = dig(sent, "deleteOptions", "gracePeriodSeconds")
    await registry.delete(PODS, namespace, name, Deletion(grace=grace), user=user)


def scale_of(obj: Object) -> Object:
    """The Scale of a Deployment or ReplicaSet."""
    meta = obj["metadata"]
    shown = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    labels = dig(obj, "spec", "selector", "matchLabels", default={})
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: meta[key] for key in shown if key in meta},
        "spec": {"replicas": dig(obj, "spec", "replicas", default=0)},
        "status": {
            "replicas": dig(obj, "status", "replicas", default=0),
            "selector": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        },
    }


def with_scale(obj: Object, scale: Object) -> Object:
    return obj | {"spec": obj["spec"] | {"replicas": dig(scale, "spec", "replicas", default=0)}}


def check_reachable(node: Object | None) -> None:
    """Raises `ApiError` 500 for a node that has not said where its kubelet can be asked."""
    if not dig(node, "status", "addresses"):
        raise status.ApiError(500, "", "no preferred addresses found; known addresses: []")


def log_request(
    pod: Object, query: Mapping[str, str], now: datetime, store: Store
) -> LogRequest | None:
    """None for a pod that no node has yet; raises `ApiError` when there is no log to read."""
    meta, spec = pod["metadata"], pod["spec"]
    container = _log_container(pod, query.get("container", ""))
    if not spec.get("nodeName"):
        return None
    check_reachable(store.find(NODES, "", spec["nodeName"]))
    statuses = [
        one
        for group in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
        for one in dig(pod, "status", group, default=())
        if one["name"] == container
    ]
    state = dig(statuses[0], "state", default={}) if statuses else {}
    previous = query.get("previous") in {"true", "1"}
    if previous and not dig(statuses[0] if statuses else {}, "lastState", "terminated"):
        raise status.bad_request(
            f'previous terminated container "{container}" in pod "{meta["name"]}" not found'
        )
    if not previous and not ("running" in state or "terminated" in state):
        why = dig(state, "waiting", "reason", default="ContainerCreating")
        raise status.bad_request(
            f'container "{container}" in pod "{meta["name"]}" is waiting to start: {why}'
        )
    since = query.get("sinceTime")
    began = datetime.fromisoformat(since.replace("Z", "+00:00")) if since else None
    if seconds := query.get("sinceSeconds"):
        began = now - timedelta(seconds=int(seconds))
    return LogRequest(
        namespace=meta["namespace"],
        pod=meta["name"],
        pod_uid=meta["uid"],
        node=spec["nodeName"],
        container=container,
        follow=query.get("follow") in {"true", "1"},
        previous=previous,
        timestamps=query.get("timestamps") in {"true", "1"},
        tail_lines=int(query["tailLines"]) if query.get("tailLines") else None,
        limit_bytes=int(query["limitBytes"]) if query.get("limitBytes") else None,
        since=began,
    )


def _log_container(pod: Object, wanted: str) -> str:
    name = pod["metadata"]["name"]
    containers = [one["name"] for one in pod["spec"]["containers"]]
    others = [one["name"] for one in pod["spec"].get("initContainers") or ()]
    if wanted:
        if wanted not in containers + others:
            raise status.bad_request(f"container {wanted} is not valid for pod {name}")
        return wanted
    if len(containers) == 1:
        return str(containers[0])
    said = f"a container name must be specified for pod {name}, choose one of: "
    said += f"[{' '.join(containers)}]"
    if others:
        said += f" or one of the init containers: [{' '.join(others)}]"
    raise status.bad_request(said)
