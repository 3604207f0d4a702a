"""
ReplicaSets: so many pods of one template, no more, no less.
"""

from collections.abc import Iterable

from conformance.cluster.apiserver.resources import PODS, REPLICA_SETS, Object, dig
from conformance.cluster.apiserver.store import Change, Key
from conformance.cluster.controllers.loop import Controller
from conformance.cluster.controllers.workloads import (
    create_pods,
    delete_pods,
    deleting,
    is_ready,
    key_of,
    owned,
    owner_key,
    phase,
    pod_of,
    set_status,
)


class ReplicaSets(Controller):
    """Pods that ended count no more; waiting ones are the first to go."""

    def existing(self) -> Iterable[Key]:
        return [key_of(one) for one in self.store.items(REPLICA_SETS)]

    def affected(self, change: Change) -> Iterable[Key]:
        if change.resource is REPLICA_SETS:
            yield change.key
        elif change.resource is PODS:
            yield from owner_key(change.new or change.old, REPLICA_SETS)

    async def reconcile(self, key: Key) -> None:
        replicas = self.store.find(REPLICA_SETS, *key)
        if replicas is None or deleting(replicas):
            return
        wanted = dig(replicas, "spec", "replicas", default=1)
        pods = self._active(replicas)
        if len(pods) < wanted:
            template = dig(replicas, "spec", "template")
            made = [pod_of(replicas, template)] * (wanted - len(pods))
            await create_pods(self.registry, replicas, made)
        elif len(pods) > wanted:
            pods.sort(key=is_ready)
            await delete_pods(self.registry, replicas, pods[: len(pods) - wanted])
        await set_status(
            self.registry, REPLICA_SETS, replicas, _status(replicas, self._active(replicas))
        )

    def _active(self, replicas: Object) -> list[Object]:
        return [
            pod
            for pod in owned(self.store, PODS, replicas)
            if not deleting(pod) and phase(pod) not in {"Succeeded", "Failed"}
        ]


def _status(replicas: Object, pods: list[Object]) -> Object:
    ready = sum(map(is_ready, pods))
    optional = {
        "fullyLabeledReplicas": len(pods),
        "readyReplicas": ready,
        "availableReplicas": ready,
    }
    return {
        "replicas": len(pods),
        "observedGeneration": replicas["metadata"].get("generation", 1),
    } | {name: count for name, count in optional.items() if count}
