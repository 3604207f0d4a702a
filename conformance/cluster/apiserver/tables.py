"""
What `kubectl get` prints: the server chooses columns and cells.

One entry of data to a resource; the rest show name and age. The status of a pod is the
one cell with rules of its own: a container's trouble comes before the pod's phase, and
a deletion before both (printPod in pkg/printers/internalversion).
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from conformance.cluster.apiserver.resources import (
    CONFIG_MAPS,
    DAEMON_SETS,
    DEPLOYMENTS,
    EVENTS,
    JOBS,
    LEASES,
    MUTATING_WEBHOOKS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICA_SETS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    VALIDATING_WEBHOOKS,
    Object,
    Resource,
    dig,
)

Cell = Callable[[Object, datetime], Any]
Column = tuple[str, int, Cell]
"""Title, priority (1 only with `-o wide`), cell."""

_NONE = "<none>"


def duration(seconds: float) -> str:
    """HumanDuration of k8s.io/apimachinery: two units at most."""
    whole = max(int(seconds), 0)
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if whole < 120:
        return f"{whole}s"
    if minutes < 10:
        return f"{minutes}m{whole % 60}s" if whole % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    return f"{days}d"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)


def _since(text: Any, now: datetime) -> str:
    return duration((now - _moment(text)).total_seconds()) if text else "<unknown>"


def _age(obj: Object, now: datetime) -> str:
    return _since(obj["metadata"].get("creationTimestamp"), now)


def _get(*path: str, default: Any = _NONE) -> Cell:
    return lambda obj, _: dig(obj, *path, default=default)


def _size(*fields: str) -> Cell:
    return lambda obj, _: sum(len(obj.get(field) or ()) for field in fields)


def _ready(obj: Object, _: datetime) -> str:
    statuses = dig(obj, "status", "containerStatuses", default=())
    return f"{sum(bool(one.get('ready')) for one in statuses)}/{len(obj['spec']['containers'])}"


def _pod_status(obj: Object, _: datetime) -> str:
    state = obj.get("status") or {}
    reason = str(state.get("reason") or state.get("phase") or "Unknown")
    for container in state.get("containerStatuses") or ():
        waiting, ended = dig(container, "state", "waiting"), dig(container, "state", "terminated")
        if waiting and waiting.get("reason"):
            reason = waiting["reason"]
        elif ended and ended.get("reason"):
            reason = ended["reason"]
        elif ended:
            reason = f"ExitCode:{ended.get('exitCode', 0)}"
    if "deletionTimestamp" in obj["metadata"]:
        return "Unknown" if state.get("reason") == "NodeLost" else "Terminating"
    return reason


def _restarts(obj: Object, _: datetime) -> str:
    statuses = dig(obj, "status", "containerStatuses", default=())
    return str(sum(one.get("restartCount", 0) for one in statuses))


def _node_status(obj: Object, _: datetime) -> str:
    ready = [c for c in dig(obj, "status", "conditions", default=()) if c["type"] == "Ready"]
    said = ("Ready" if ready[0]["status"] == "True" else "NotReady") if ready else "Unknown"
    return said + (",SchedulingDisabled" if dig(obj, "spec", "unschedulable") else "")


def _roles(obj: Object, _: datetime) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = obj["metadata"].get("labels") or {}
    return ",".join(sorted(k[len(prefix) :] for k in labels if k.startswith(prefix))) or _NONE


def _internal_ip(obj: Object, _: datetime) -> str:
    addresses = dig(obj, "status", "addresses", default=())
    return next((a["address"] for a in addresses if a["type"] == "InternalIP"), _NONE)


def _deployment_ready(obj: Object, _: datetime) -> str:
    ready = dig(obj, "status", "readyReplicas", default=0)
    return f"{ready}/{dig(obj, 'spec', 'replicas', default=1)}"


def _job_status(obj: Object, _: datetime) -> str:
    conditions = dig(obj, "status", "conditions", default=())
    held = {one["type"] for one in conditions if one["status"] == "True"}
    return next((kind for kind in ("Complete", "Failed", "Suspended") if kind in held), "Running")


def _completions(obj: Object, _: datetime) -> str:
    done = dig(obj, "status", "succeeded", default=0)
    return f"{done}/{dig(obj, 'spec', 'completions', default=1)}"


def _job_duration(obj: Object, now: datetime) -> str:
    began = dig(obj, "status", "startTime")
    if not began:
        return ""
    ended = dig(obj, "status", "completionTime")
    return duration(((_moment(ended) if ended else now) - _moment(began)).total_seconds())


def _selector(obj: Object, _: datetime) -> str:
    chosen = dig(obj, "spec", "selector", default={})
    chosen = chosen.get("matchLabels", chosen)
    return ",".join(f"{key}={value}" for key, value in chosen.items()) or _NONE


def _node_selector(obj: Object, _: datetime) -> str:
    chosen = dig(obj, "spec", "template", "spec", "nodeSelector", default={})
    return ",".join(f"{key}={value}" for key, value in chosen.items()) or _NONE


def _ports(obj: Object, _: datetime) -> str:
    ports = dig(obj, "spec", "ports", default=())
    return ",".join(f"{port['port']}/{port.get('protocol', 'TCP')}" for port in ports) or _NONE


def _last_seen(obj: Object, now: datetime) -> str:
    seen = obj.get("lastTimestamp") or obj.get("eventTime")
    return _since(seen or obj["metadata"].get("creationTimestamp"), now)


def _involved(obj: Object, _: datetime) -> str:
    involved = obj.get("involvedObject") or {}
    return f"{str(involved.get('kind', '')).lower()}/{involved.get('name', '')}"


_NAME: Column = ("Name", 0, _get("metadata", "name"))
_AGE: Column = ("Age", 0, _age)
_DEFAULT: tuple[Column, ...] = (_NAME, ("Created At", 0, _get("metadata", "creationTimestamp")))
_COUNTS = {
    "Desired": ("status", "desiredNumberScheduled"),
    "Current": ("status", "currentNumberScheduled"),
    "Ready": ("status", "numberReady"),
    "Up-to-date": ("status", "updatedNumberScheduled"),
    "Available": ("status", "numberAvailable"),
}
_COLUMNS: dict[Resource, tuple[Column, ...]] = {
    PODS: (
        _NAME,
        ("Ready", 0, _ready),
        ("Status", 0, _pod_status),
        ("Restarts", 0, _restarts),
        _AGE,
        ("IP", 1, _get("status", "podIP")),
        ("Node", 1, _get("spec", "nodeName")),
        ("Nominated Node", 1, _get("status", "nominatedNodeName")),
        ("Readiness Gates", 1, lambda *_: _NONE),
    ),
    NODES: (
        _NAME,
        ("Status", 0, _node_status),
        ("Roles", 0, _roles),
        _AGE,
        ("Version", 0, _get("status", "nodeInfo", "kubeletVersion")),
        ("Internal-IP", 1, _internal_ip),
        ("OS-Image", 1, _get("status", "nodeInfo", "osImage")),
        ("Kernel-Version", 1, _get("status", "nodeInfo", "kernelVersion")),
        ("Container-Runtime", 1, _get("status", "nodeInfo", "containerRuntimeVersion")),
    ),
    NAMESPACES: (_NAME, ("Status", 0, _get("status", "phase")), _AGE),
    SERVICE_ACCOUNTS: (_NAME, ("Secrets", 0, _size("secrets")), _AGE),
    CONFIG_MAPS: (_NAME, ("Data", 0, _size("data", "binaryData")), _AGE),
    SECRETS: (_NAME, ("Type", 0, _get("type")), ("Data", 0, _size("data")), _AGE),
    DAEMON_SETS: (
        _NAME,
        *((title, 0, _get(*path, default=0)) for title, path in _COUNTS.items()),
        ("Node Selector", 0, _node_selector),
        _AGE,
    ),
    DEPLOYMENTS: (
        _NAME,
        ("Ready", 0, _deployment_ready),
        ("Up-to-date", 0, _get("status", "updatedReplicas", default=0)),
        ("Available", 0, _get("status", "availableReplicas", default=0)),
        _AGE,
        ("Selector", 1, _selector),
    ),
    REPLICA_SETS: (
        _NAME,
        ("Desired", 0, _get("spec", "replicas", default=0)),
        ("Current", 0, _get("status", "replicas", default=0)),
        ("Ready", 0, _get("status", "readyReplicas", default=0)),
        _AGE,
        ("Selector", 1, _selector),
    ),
    JOBS: (
        _NAME,
        ("Status", 0, _job_status),
        ("Completions", 0, _completions),
        ("Duration", 0, _job_duration),
        _AGE,
    ),
    SERVICES: (
        _NAME,
        ("Type", 0, _get("spec", "type")),
        ("Cluster-IP", 0, _get("spec", "clusterIP")),
        ("External-IP", 0, _get("spec", "externalName")),
        ("Port(s)", 0, _ports),
        _AGE,
        ("Selector", 1, _selector),
    ),
    EVENTS: (
        ("Last Seen", 0, _last_seen),
        ("Type", 0, _get("type")),
        ("Reason", 0, _get("reason")),
        ("Object", 0, _involved),
        ("Message", 0, _get("message", default="")),
        ("Name", 1, _get("metadata", "name")),
    ),
    LEASES: (_NAME, ("Holder", 0, _get("spec", "holderIdentity")), _AGE),
    MUTATING_WEBHOOKS: (_NAME, ("Webhooks", 0, _size("webhooks")), _AGE),
    VALIDATING_WEBHOOKS: (_NAME, ("Webhooks", 0, _size("webhooks")), _AGE),
}


def table(
    resource: Resource,
    objects: Sequence[Object],
    metadata: Object,
    now: datetime,
    include: str = "Metadata",
) -> Object:
    """`include` is the parameter `includeObject`: what of the object goes with its row."""
    columns = _COLUMNS.get(resource, _DEFAULT)
    definitions = [
        {
            "name": title,
            "type": "string",
            "format": "name" if title == "Name" else "",
            "description": title,
            "priority": priority,
        }
        for title, priority, _ in columns
    ]
    rows: list[Object] = []
    for obj in objects:
        row: Object = {"cells": [cell(obj, now) for _, _, cell in columns]}
        if include == "Object":
            row["object"] = obj
        elif include != "None":
            row["object"] = partial(obj)
        rows.append(row)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": definitions,
        "rows": rows,
    }


def partial(obj: Object) -> Object:
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": obj["metadata"],
    }
