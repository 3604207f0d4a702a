"""
Node lifecycle: a node's own word about readiness becomes a taint, or frees it of one.

Every new node is tainted `not-ready:NoSchedule` by admission, and DaemonSet pods do
not tolerate that: without this controller no agent would ever start.
"""

import contextlib
from collections.abc import Iterable

from conformance.cluster.apiserver.deletion import Deletion
from conformance.cluster.apiserver.resources import NODES, PODS, Object, dig, name_of
from conformance.cluster.apiserver.status import ApiError
from conformance.cluster.apiserver.store import Change, Key
from conformance.cluster.controllers.loop import Controller
from conformance.cluster.controllers.workloads import key_of

NOT_READY = "node.kubernetes.io/not-ready"


class Nodes(Controller):
    """Taints by condition; and the pods of a node that is gone go too."""

    def existing(self) -> Iterable[Key]:
        return [("", name_of(node)) for node in self.store.items(NODES)]

    def affected(self, change: Change) -> Iterable[Key]:
        if change.resource is NODES:
            yield change.key
        elif change.resource is PODS and change.new is not None:
            node = dig(change.new, "spec", "nodeName")
            if node and self.store.find(NODES, "", node) is None:
                yield "", node

    async def reconcile(self, key: Key) -> None:
        node = self.store.find(NODES, *key)
        if node is None:
            await self._remove_pods(key[1])
            return
        wanted = _taints(node)
        if wanted != (node["spec"].get("taints") or []):
            await self.registry.update(
                NODES, *key, lambda old: old | {"spec": old["spec"] | {"taints": _taints(old)}}
            )

    async def _remove_pods(self, node: str) -> None:
        for pod in self.store.items(PODS):
            if dig(pod, "spec", "nodeName") == node:
                with contextlib.suppress(ApiError):
                    # Nobody is left who could end it gracefully.
                    await self.registry.delete(PODS, *key_of(pod), Deletion(grace=0))


def node_ready(node: Object) -> bool:
    conditions = dig(node, "status", "conditions", default=())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _taints(node: Object) -> list[Object]:
    taints = [one for one in node["spec"].get("taints") or () if one["key"] != NOT_READY]
    if not node_ready(node):
        taints.append({"key": NOT_READY, "effect": "NoSchedule"})
    return taints
