"""
Deployments: a ReplicaSet for each template, and a change-over between them.

The new one grows at once to its size and the old ones shrink when it is available:
simpler than surge arithmetic, and `kubectl rollout status` sees the same end.
"""

from collections.abc import Iterable

from conformance.cluster.apiserver.deletion import timestamp
from conformance.cluster.apiserver.resources import (
    DEPLOYMENTS,
    PODS,
    REPLICA_SETS,
    Object,
    dig,
    name_of,
    namespace_of,
)
from conformance.cluster.apiserver.store import Change, Key
from conformance.cluster.controllers.loop import Controller
from conformance.cluster.controllers.workloads import (
    condition,
    deleting,
    key_of,
    owned,
    owner_key,
    owner_reference,
    set_status,
    template_hash,
)

_HASH = "pod-template-hash"
_REVISION = "deployment.kubernetes.io/revision"


class Deployments(Controller):
    """Owns ReplicaSets, never pods."""

    def existing(self) -> Iterable[Key]:
        return [key_of(one) for one in self.store.items(DEPLOYMENTS)]

    def affected(self, change: Change) -> Iterable[Key]:
        if change.resource is DEPLOYMENTS:
            yield change.key
        elif change.resource is REPLICA_SETS:
            yield from owner_key(change.new or change.old, DEPLOYMENTS)

    async def reconcile(self, key: Key) -> None:
        deployment = self.store.find(DEPLOYMENTS, *key)
        if deployment is None or deleting(deployment):
            return
        wanted = dig(deployment, "spec", "replicas", default=1)
        sets = [one for one in owned(self.store, REPLICA_SETS, deployment) if not deleting(one)]
        hashed = template_hash(dig(deployment, "spec", "template"))
        current = next((one for one in sets if _hash_of(one) == hashed), None)
        old = [one for one in sets if one is not current]
        recreate = dig(deployment, "spec", "strategy", "type") == "Recreate"
        waiting = recreate and any(self._pods(one) for one in old)
        if current is None:
            size = 0 if waiting else wanted
            current = await self._new(deployment, hashed, size, len(sets) + 1)
        elif not waiting:
            await self._resize(current, wanted)
        available = dig(current, "status", "availableReplicas", default=0)
        if recreate or available >= wanted:
            for one in old:
                await self._resize(one, 0)
        await self._set_status(deployment, current, old)

    def _pods(self, replicas: Object) -> list[Object]:
        return owned(self.store, PODS, replicas)

    async def _new(self, deployment: Object, hashed: str, size: int, revision: int) -> Object:
        spec = deployment["spec"]
        template = spec["template"]
        labels = (template["metadata"].get("labels") or {}) | {_HASH: hashed}
        chosen = spec["selector"]
        match = (chosen.get("matchLabels") or {}) | {_HASH: hashed}
        return await self.registry.create(
            REPLICA_SETS,
            namespace_of(deployment),
            {
                "metadata": {
                    "name": f"{name_of(deployment)}-{hashed}",
                    "labels": labels,
                    "annotations": {_REVISION: str(revision)},
                    "ownerReferences": [owner_reference(deployment)],
                },
                "spec": {
                    "replicas": size,
                    "selector": chosen | {"matchLabels": match},
                    "template": template | {"metadata": template["metadata"] | {"labels": labels}},
                },
            },
        )

    async def _resize(self, replicas: Object, size: int) -> None:
        if dig(replicas, "spec", "replicas") != size:
            await self.registry.update(
                REPLICA_SETS,
                *key_of(replicas),
                lambda old: old | {"spec": old["spec"] | {"replicas": size}},
            )

    async def _set_status(self, deployment: Object, current: Object, old: list[Object]) -> None:
        wanted = dig(deployment, "spec", "replicas", default=1)
        updated = dig(current, "status", "replicas", default=0)
        every = [current, *old]
        total = sum(dig(one, "status", "replicas", default=0) for one in every)
        available = sum(dig(one, "status", "availableReplicas", default=0) for one in every)
        done = dig(current, "status", "availableReplicas", default=0) >= wanted
        counts = {
            "replicas": total,
            "updatedReplicas": updated,
            "readyReplicas": available,
            "availableReplicas": available,
            "unavailableReplicas": max(wanted - available, 0),
        }
        status: Object = {name: count for name, count in counts.items() if count}
        status["observedGeneration"] = deployment["metadata"].get("generation", 1)
        status["conditions"] = self._conditions(deployment, current, available >= wanted, done)
        await set_status(self.registry, DEPLOYMENTS, deployment, status)

    def _conditions(
        self, deployment: Object, current: Object, available: bool, done: bool
    ) -> list[Object]:
        now = timestamp(self.registry.now())
        name = name_of(current)
        progress = "has successfully progressed" if done else "is progressing"
        new = [
            condition(
                "Available",
                available,
                "MinimumReplicasAvailable" if available else "MinimumReplicasUnavailable",
                f"Deployment {'has' if available else 'does not have'} minimum availability.",
                now,
            ),
            condition(
                "Progressing",
                True,
                "NewReplicaSetAvailable" if done else "ReplicaSetUpdated",
                f'ReplicaSet "{name}" {progress}.',
                now,
            ),
        ]
        before = {one["type"]: one for one in dig(deployment, "status", "conditions", default=())}
        # A condition that says the same keeps its times, or every look would be a change.
        return [before[one["type"]] if _same(one, before.get(one["type"])) else one for one in new]


def _same(one: Object, other: Object | None) -> bool:
    return other is not None and all(
        one[field] == other.get(field) for field in ("status", "reason", "message")
    )


def _hash_of(replicas: Object) -> str:
    return str((replicas["metadata"].get("labels") or {}).get(_HASH, ""))
