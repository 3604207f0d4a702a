"""
A pod's status, computed from its containers alone.

Source of phases: pkg/kubelet/kubelet_pods.go, getPhase.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from conformance.cluster.nodes.api import Object
from conformance.cluster.nodes.containers import Container, now


@dataclass(frozen=True)
class Failure:
    """Why a pod failed as a whole, such as `DeadlineExceeded`."""

    reason: str
    message: str


@dataclass(frozen=True)
class PodFacts:
    """What a status is computed from."""

    pod: Object
    init: Sequence[Container]
    containers: Sequence[Container]
    host_ip: str
    pod_ip: str
    """Empty before the pod has a network."""
    started: str
    failure: Failure | None


def is_sidecar(spec: Object) -> bool:
    """An init container that goes on running beside the others."""
    return bool(spec.get("restartPolicy") == "Always")


def initialized(init: Sequence[Container]) -> bool:
    return all(c.started if is_sidecar(c.spec) else c.exit_code == 0 for c in init)


def phase(facts: PodFacts) -> str:
    """Pending, Running, Succeeded or Failed."""
    if facts.failure is not None:
        return "Failed"
    ended = [container.exit_code for container in facts.containers]
    failed_init = any(c.exit_code not in (None, 0) for c in facts.init if not is_sidecar(c.spec))
    if failed_init:
        return "Failed"
    if all(code is not None for code in ended):
        if any(c.running for c in facts.init):
            return "Running"  # its sidecars have still to end (KEP-753)
        return "Succeeded" if not any(ended) else "Failed"
    begun = any(c.running or c.log is not None for c in facts.containers)
    return "Running" if begun else "Pending"


def status_of(facts: PodFacts) -> Object:
    """The whole status; conditions keep their time where nothing changed."""
    reached = phase(facts)
    over = reached in ("Succeeded", "Failed")
    completed = "PodCompleted" if reached == "Succeeded" else ""
    beside = [c for c in facts.init if is_sidecar(c.spec)]
    ready = not over and all(c.ready for c in (*beside, *facts.containers))
    not_ready = completed or "ContainersNotReady"
    done = initialized(facts.init) or reached in ("Running", "Succeeded")
    conditions = [
        _condition("PodReadyToStartContainers", bool(facts.pod_ip) and not over),
        _condition("Initialized", done, completed or "ContainersNotInitialized"),
        _condition("Ready", ready, not_ready),
        _condition("ContainersReady", ready, not_ready),
        _condition("PodScheduled", True),
    ]
    status: Object = {
        "phase": reached,
        "conditions": _keeping_times(conditions, facts.pod),
        "hostIP": facts.host_ip,
        "hostIPs": [{"ip": facts.host_ip}],
        "startTime": facts.started,
        "containerStatuses": [container.status() for container in facts.containers],
    }
    if facts.init:
        status["initContainerStatuses"] = [
            {**container.status(), "ready": container.exit_code == 0 or container.ready}
            for container in facts.init
        ]
    if facts.pod_ip:
        status |= {"podIP": facts.pod_ip, "podIPs": [{"ip": facts.pod_ip}]}
    if facts.failure is not None:
        status |= {"reason": facts.failure.reason, "message": facts.failure.message}
    return status


def _condition(kind: str, holds: bool, otherwise: str = "") -> Object:
    condition = {"type": kind, "status": "True" if holds else "False"}
    return condition if holds or not otherwise else condition | {"reason": otherwise}


def _keeping_times(conditions: list[Object], pod: Object) -> list[Object]:
    known = {c["type"]: c for c in (pod.get("status") or {}).get("conditions") or []}
    moment = now()
    timed = []
    for condition in conditions:
        before = known.get(condition["type"], {})
        same = before.get("status") == condition["status"]
        since = before.get("lastTransitionTime") if same else None
        timed.append(condition | {"lastTransitionTime": since or moment})
    return timed
