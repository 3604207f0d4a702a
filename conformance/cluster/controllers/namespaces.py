"""
Namespaces: born with a default account and the cluster's certificate, emptied at the end.

Pods go first, and everything else stays until the last of them is gone: a pod that ends
has its service account to the end, and with it its tokens. A real controller takes five
seconds or more to end an empty namespace. Nothing in Pod Identity depends on that wait,
so here it ends as soon as it is empty; pods still get their grace, since their nodes have
to end them.
Source: the recorded timeline of a namespace; kubernetes pkg/controller/namespace/deletion.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence

from conformance.cluster.apiserver.deletion import timestamp
from conformance.cluster.apiserver.registry import Registry
from conformance.cluster.apiserver.resources import (
    CONFIG_MAPS,
    NAMESPACES,
    PODS,
    SERVICE_ACCOUNTS,
    Object,
    Resource,
    dig,
    name_of,
    namespace_of,
)
from conformance.cluster.apiserver.status import ApiError
from conformance.cluster.apiserver.store import Change, Key
from conformance.cluster.controllers.loop import Controller
from conformance.cluster.controllers.namespace_conditions import conditions
from conformance.cluster.controllers.workloads import deleting, set_status

_CERTIFICATE = "kube-root-ca.crt"
_DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal "
    "endpoints such as the internal service IP or kubernetes.default.svc. No other usage is "
    "guaranteed across distributions of Kubernetes clusters."
)


class Namespaces(Controller):
    """`ca_pem` is what pods verify the API server with."""

    def __init__(self, registry: Registry, ca_pem: str) -> None:
        super().__init__(registry)
        self._ca_pem = ca_pem

    def existing(self) -> Iterable[Key]:
        return [("", name_of(namespace)) for namespace in self.store.items(NAMESPACES)]

    def affected(self, change: Change) -> Iterable[Key]:
        if change.resource is NAMESPACES:
            yield change.key
        elif change.key[0] and change.new is None:
            yield "", change.key[0]

    async def reconcile(self, key: Key) -> None:
        namespace = self.store.find(NAMESPACES, *key)
        if namespace is None:
            return
        if deleting(namespace):
            await self._empty(namespace)
            return
        await self._ensure(SERVICE_ACCOUNTS, key[1], {"metadata": {"name": "default"}})
        meta = {
            "name": _CERTIFICATE,
            "annotations": {"kubernetes.io/description": _DESCRIPTION},
        }
        await self._ensure(
            CONFIG_MAPS, key[1], {"metadata": meta, "data": {"ca.crt": self._ca_pem}}
        )

    async def _ensure(self, resource: Resource, namespace: str, obj: Object) -> None:
        if self.store.find(resource, namespace, name_of(obj)) is None:
            with contextlib.suppress(ApiError):  # the namespace may have begun to end
                await self.registry.create(resource, namespace, obj)

    async def _empty(self, namespace: Object) -> None:
        name = name_of(namespace)
        await self._delete([(PODS, pod) for pod in self.store.items(PODS, name)])
        pods_remain = bool(self.store.items(PODS, name))
        if not pods_remain:
            await self._delete(self._content(name))
        remaining = self._content(name)
        if not remaining:
            with contextlib.suppress(ApiError):
                await self.registry.update(NAMESPACES, "", name, _final, subresource="spec")
            return
        told = conditions(
            () if pods_remain else remaining,
            dig(namespace, "status", "conditions", default=()),
            timestamp(self.registry.now()),
        )
        status = namespace["status"] | {"conditions": told}
        await set_status(self.registry, NAMESPACES, namespace, status)

    def _content(self, namespace: str) -> list[tuple[Resource, Object]]:
        return [
            (resource, obj)
            for resource, obj in self.store
            if resource.namespaced and namespace_of(obj) == namespace
        ]

    async def _delete(self, content: Sequence[tuple[Resource, Object]]) -> None:
        async def delete(resource: Resource, obj: Object) -> None:
            with contextlib.suppress(ApiError):
                await self.registry.delete(resource, namespace_of(obj), name_of(obj))

        await asyncio.gather(*(delete(*one) for one in content if not deleting(one[1])))


def _final(namespace: Object) -> Object:
    return namespace | {"spec": namespace["spec"] | {"finalizers": []}}
