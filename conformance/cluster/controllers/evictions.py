"""
Eviction by taint: a pod that does not tolerate a `NoExecute` taint has to leave its node.

`tolerationSeconds` count from when taint and pod were first seen together, as in
kube-controller-manager's taint-eviction-controller.
"""

import asyncio
import contextlib
import math
from collections.abc import Iterable

from conformance.cluster.apiserver.deletion import Deletion
from conformance.cluster.apiserver.registry import Registry
from conformance.cluster.apiserver.resources import NODES, PODS, dig, name_of
from conformance.cluster.apiserver.status import ApiError
from conformance.cluster.apiserver.store import Change, Key
from conformance.cluster.controllers import placement
from conformance.cluster.controllers.loop import Controller
from conformance.cluster.controllers.workloads import deleting, key_of, record

_NAME = "taint-eviction-controller"


class Evictions(Controller):
    """Looks at a pod when it or its node changes."""

    def __init__(self, registry: Registry) -> None:
        super().__init__(registry)
        self._since: dict[str, float] = {}
        """By the uid of pods whose time runs, the loop's time when it began."""

    def existing(self) -> Iterable[Key]:
        return [key_of(pod) for pod in self.store.items(PODS)]

    def affected(self, change: Change) -> Iterable[Key]:
        if change.resource is PODS:
            yield change.key
        elif change.resource is NODES and change.new is not None:
            node = name_of(change.new)
            yield from (
                key_of(pod)
                for pod in self.store.items(PODS)
                if dig(pod, "spec", "nodeName") == node
            )

    async def reconcile(self, key: Key) -> None:
        pod = self.store.find(PODS, *key)
        if pod is None or deleting(pod):
            return
        node = self.store.find(NODES, "", dig(pod, "spec", "nodeName", default=""))
        tolerations = pod["spec"].get("tolerations") or ()
        stay = math.inf if node is None else placement.patience(tolerations, node)
        uid, loop = pod["metadata"]["uid"], asyncio.get_running_loop()
        if stay == math.inf:
            self._since.pop(uid, None)
            return
        left = self._since.setdefault(uid, loop.time()) + stay - loop.time()
        if left > 0:
            loop.call_later(left, self.mark, key)
            return
        del self._since[uid]
        said = f"Marking for deletion Pod {key[0]}/{key[1]}"
        await record(self.registry, pod, "TaintManagerEviction", said, component=_NAME)
        with contextlib.suppress(ApiError):  # it was deleted meanwhile
            await self.registry.delete(PODS, *key, Deletion())
