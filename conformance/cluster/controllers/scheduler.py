"""
The scheduler: each waiting pod to the ready node with the fewest pods that does not repel it.
"""

import contextlib
from collections import Counter
from collections.abc import Iterable

from conformance.cluster.apiserver import subresources
from conformance.cluster.apiserver.deletion import timestamp
from conformance.cluster.apiserver.resources import NODES, PODS, Object, dig, name_of
from conformance.cluster.apiserver.status import ApiError
from conformance.cluster.apiserver.store import Change, Key
from conformance.cluster.controllers import placement
from conformance.cluster.controllers.loop import Controller
from conformance.cluster.controllers.workloads import deleting, key_of, phase, record

_NAME = "default-scheduler"


class Scheduler(Controller):
    """Binds; looks again at what could not be placed when a node changes."""

    def existing(self) -> Iterable[Key]:
        return [key_of(pod) for pod in self.store.items(PODS) if _waits(pod)]

    def affected(self, change: Change) -> Iterable[Key]:
        if change.resource is PODS and change.new is not None and _waits(change.new):
            yield change.key
        elif change.resource is NODES and change.new is not None:
            yield from self.existing()

    async def reconcile(self, key: Key) -> None:
        pod = self.store.find(PODS, *key)
        if pod is None or not _waits(pod):
            return
        node = self._choice(pod)
        if node is None:
            await self._unplaced(pod)
            return
        with contextlib.suppress(ApiError):  # it was deleted or bound by hand
            bound = subresources.bind(self.registry, *key, node)
            said = f"Successfully assigned {key[0]}/{key[1]} to {node}"
            await record(self.registry, bound, "Scheduled", said, component=_NAME)

    def _choice(self, pod: Object) -> str | None:
        spec = pod["spec"]
        tolerations = spec.get("tolerations") or ()
        able = {
            name_of(node): placement.unwelcome(tolerations, node)
            for node in self.store.items(NODES)
            if not (dig(node, "spec", "unschedulable") and not _tolerates_cordon(spec))
            and placement.tolerates(tolerations, node)
            and placement.matches_node(spec, node)
        }
        load = Counter(
            one["spec"].get("nodeName")
            for one in self.store.items(PODS)
            if phase(one) not in {"Succeeded", "Failed"}
        )
        return min(able, key=lambda name: (able[name], load[name], name), default=None)

    async def _unplaced(self, pod: Object) -> None:
        nodes = len(self.store.items(NODES))
        said = f"0/{nodes} nodes are available" if nodes else "no nodes available to schedule pods"
        conditions = dig(pod, "status", "conditions", default=[])
        if any(one["type"] == "PodScheduled" and one.get("message") == said for one in conditions):
            return
        others = [one for one in conditions if one["type"] != "PodScheduled"]
        refused = {
            "type": "PodScheduled",
            "status": "False",
            "lastProbeTime": None,
            "lastTransitionTime": timestamp(self.registry.now()),
            "reason": "Unschedulable",
            "message": said,
        }
        await self.registry.update(
            PODS,
            *key_of(pod),
            lambda old: old | {"status": old["status"] | {"conditions": [*others, refused]}},
            subresource="status",
        )
        await record(self.registry, pod, "FailedScheduling", said, component=_NAME, kind="Warning")


def _waits(pod: Object) -> bool:
    return (
        not deleting(pod)
        and not pod["spec"].get("nodeName")
        and pod["spec"].get("schedulerName", _NAME) == _NAME
    )


def _tolerates_cordon(spec: Object) -> bool:
    cordon = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    return placement.tolerates(spec.get("tolerations") or (), {"spec": {"taints": [cordon]}})
