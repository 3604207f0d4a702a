"""
Jobs: pods until so many have succeeded, or too many have failed.
"""

from collections.abc import Iterable

from conformance.cluster.apiserver.deletion import timestamp
from conformance.cluster.apiserver.resources import JOBS, PODS, Object, dig
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


class Jobs(Controller):
    """A finished job is left as it is; its pods stay for their logs."""

    def existing(self) -> Iterable[Key]:
        return [key_of(one) for one in self.store.items(JOBS)]

    def affected(self, change: Change) -> Iterable[Key]:
        if change.resource is JOBS:
            yield change.key
        elif change.resource is PODS:
            yield from owner_key(change.new or change.old, JOBS)

    async def reconcile(self, key: Key) -> None:
        job = self.store.find(JOBS, *key)
        if job is None or deleting(job) or _finished(job):
            return
        spec = job["spec"]
        pods = owned(self.store, PODS, job)
        succeeded = sum(phase(pod) == "Succeeded" for pod in pods)
        failed = sum(phase(pod) == "Failed" for pod in pods)
        active = [pod for pod in pods if phase(pod) not in {"Succeeded", "Failed"}]
        conditions: list[Object] = []
        now = timestamp(self.registry.now())
        if succeeded >= spec["completions"]:
            conditions = [_condition("SuccessCriteriaMet", now), _condition("Complete", now)]
        elif failed > spec["backoffLimit"]:
            why = {
                "reason": "BackoffLimitExceeded",
                "message": "Job has reached the specified backoff limit",
            }
            conditions = [_condition("FailureTarget", now) | why, _condition("Failed", now) | why]
        if conditions:
            await delete_pods(self.registry, job, active)
            active = []
        elif not spec.get("suspend"):
            wanted = min(spec["parallelism"], spec["completions"] - succeeded)
            missing = wanted - len(active)
            made = [pod_of(job, spec["template"])] * max(missing, 0)
            await create_pods(self.registry, job, made)
            active = [
                pod
                for pod in owned(self.store, PODS, job)
                if phase(pod) not in {"Succeeded", "Failed"}
            ]
        status: Object = {
            "startTime": dig(job, "status", "startTime", default=now),
            "ready": sum(map(is_ready, active)),
            "terminating": 0,
            "uncountedTerminatedPods": {},
        }
        counts = {"active": len(active), "succeeded": succeeded, "failed": failed}
        status |= {name: count for name, count in counts.items() if count}
        if conditions:
            status["conditions"] = conditions
            if conditions[-1]["type"] == "Complete":
                status["completionTime"] = now
        await set_status(self.registry, JOBS, job, status)


def _condition(kind: str, now: str) -> Object:
    return {"type": kind, "status": "True", "lastProbeTime": now, "lastTransitionTime": now}


def _finished(job: Object) -> bool:
    return any(
        one["type"] in {"Complete", "Failed"} and one["status"] == "True"
        for one in dig(job, "status", "conditions", default=())
    )
