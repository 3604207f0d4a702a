"""
DaemonSets: one pod on every node that takes it; this is how the agent gets there.

Pods are tied to their node by affinity and bound by the scheduler, as since Kubernetes
1.12. A changed template replaces pods one after the other; a failed pod is made anew.
"""

from collections.abc import Iterable

from conformance.cluster.apiserver.resources import (
    DAEMON_SETS,
    NODES,
    PODS,
    Object,
    dig,
    name_of,
)
from conformance.cluster.apiserver.store import Change, Key
from conformance.cluster.controllers import placement
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
    template_hash,
)

_HASH = "controller-revision-hash"
_TOLERATIONS = tuple(
    {"key": f"node.kubernetes.io/{condition}", "operator": "Exists", "effect": effect}
    for condition, effect in (
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    )
)
_HOST_NETWORK = {
    "key": "node.kubernetes.io/network-unavailable",
    "operator": "Exists",
    "effect": "NoSchedule",
}


class DaemonSets(Controller):
    """Status counts nodes, not pods: see `_status`."""

    def existing(self) -> Iterable[Key]:
        return [key_of(one) for one in self.store.items(DAEMON_SETS)]

    def affected(self, change: Change) -> Iterable[Key]:
        if change.resource is DAEMON_SETS:
            yield change.key
        elif change.resource is NODES:
            yield from self.existing()
        elif change.resource is PODS:
            yield from owner_key(change.new or change.old, DAEMON_SETS)

    async def reconcile(self, key: Key) -> None:
        daemon = self.store.find(DAEMON_SETS, *key)
        if daemon is None or deleting(daemon):
            return
        template = dig(daemon, "spec", "template")
        revision = template_hash(template)
        tolerations = _tolerations(template["spec"])
        wanted = places(daemon, self.store.items(NODES))
        pods: dict[str, Object] = {}
        surplus: list[Object] = []
        for pod in owned(self.store, PODS, daemon):
            node = _node_of(pod)
            if deleting(pod):
                pods.setdefault(node, pod)  # its place is not free yet
            elif (
                node not in wanted
                or phase(pod) == "Failed"
                or (node in pods and not deleting(pods[node]))
            ):
                surplus.append(pod)
            else:
                pods[node] = pod
        await delete_pods(self.registry, daemon, surplus)
        generation = str(daemon["metadata"].get("generation", 1))
        labels = {_HASH: revision, "pod-template-generation": generation}
        missing = [node for node in wanted if node not in pods]
        await create_pods(
            self.registry,
            daemon,
            [_pod(daemon, template, labels, tolerations, node) for node in missing],
        )
        await self._replace_outdated(daemon, pods, revision)
        status = _status(daemon, wanted, owned(self.store, PODS, daemon), revision)
        await set_status(self.registry, DAEMON_SETS, daemon, status)

    async def _replace_outdated(
        self, daemon: Object, pods: dict[str, Object], revision: str
    ) -> None:
        if dig(daemon, "spec", "updateStrategy", "type") != "RollingUpdate":
            return
        outdated = [pod for pod in pods.values() if not _current(pod, revision)]
        idle = [pod for pod in outdated if not is_ready(pod) and not deleting(pod)]
        room = _most_unavailable(daemon, len(pods)) - sum(
            not is_ready(pod) for pod in pods.values()
        )
        serving = [pod for pod in outdated if is_ready(pod)]
        await delete_pods(self.registry, daemon, idle + serving[: max(room, 0)])


def places(daemon: Object, nodes: Iterable[Object]) -> list[str]:
    """Names of the nodes that the DaemonSet wants a pod on."""
    spec = daemon["spec"]["template"]["spec"]
    tolerations = _tolerations(spec)
    return [
        name_of(node)
        for node in nodes
        if not deleting(node)
        and placement.tolerates(tolerations, node)
        and placement.matches_node(spec, node)
    ]


def _most_unavailable(daemon: Object, count: int) -> int:
    most = dig(daemon, "spec", "updateStrategy", "rollingUpdate", "maxUnavailable", default=1)
    if isinstance(most, str):
        return -(-count * int(most.rstrip("%")) // 100)
    return int(most)


def _current(pod: Object, revision: str) -> bool:
    return bool((pod["metadata"].get("labels") or {}).get(_HASH) == revision)


def _tolerations(spec: Object) -> list[Object]:
    own = list(spec.get("tolerations") or ())
    added = (*_TOLERATIONS, _HOST_NETWORK) if spec.get("hostNetwork") else _TOLERATIONS
    return own + [one for one in added if one not in own]


def _pod(
    daemon: Object,
    template: Object,
    labels: dict[str, str],
    tolerations: list[Object],
    node: str,
) -> Object:
    pod = pod_of(daemon, template, labels)
    only_there = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}]
    affinity = dict(template["spec"].get("affinity") or {})
    # Whatever the template asked of the node has been checked; the name alone decides now.
    affinity["nodeAffinity"] = {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": only_there}
    }
    return pod | {"spec": pod["spec"] | {"affinity": affinity, "tolerations": tolerations}}


def _node_of(pod: Object) -> str:
    if bound := pod["spec"].get("nodeName"):
        return str(bound)
    terms = dig(
        pod,
        "spec",
        "affinity",
        "nodeAffinity",
        "requiredDuringSchedulingIgnoredDuringExecution",
        "nodeSelectorTerms",
        default=(),
    )
    for term in terms:
        for field in term.get("matchFields") or ():
            return str(field["values"][0])
    return ""


def _status(daemon: Object, wanted: list[str], pods: list[Object], revision: str) -> Object:
    placed = {_node_of(pod): pod for pod in pods if not deleting(pod)}
    there = {node: pod for node, pod in placed.items() if node in wanted}
    ready = sum(is_ready(pod) for pod in there.values())
    counts: Object = {
        "currentNumberScheduled": len(there),
        "numberMisscheduled": len(placed) - len(there),
        "desiredNumberScheduled": len(wanted),
        "numberReady": ready,
        "observedGeneration": daemon["metadata"].get("generation", 1),
    }
    optional = {
        "updatedNumberScheduled": sum(_current(pod, revision) for pod in there.values()),
        "numberAvailable": ready,
        "numberUnavailable": len(wanted) - ready,
    }
    return counts | {name: count for name, count in optional.items() if count}
