"""
What controllers of pods have in common: whose pod, made from which template, in what state.
"""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import Iterable, Sequence

from conformance.cluster.apiserver.admission import NAME_ALPHABET, random_suffix
from conformance.cluster.apiserver.deletion import timestamp
from conformance.cluster.apiserver.registry import Registry
from conformance.cluster.apiserver.resources import (
    EVENTS,
    PODS,
    Object,
    Resource,
    dig,
    name_of,
    namespace_of,
)
from conformance.cluster.apiserver.status import ApiError
from conformance.cluster.apiserver.store import Key, Store


def key_of(obj: Object) -> Key:
    return namespace_of(obj), name_of(obj)


def controller_of(obj: Object) -> Object:
    """The owner reference that manages the object; empty without one."""
    owners = obj["metadata"].get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), {})


def owner_key(obj: Object | None, resource: Resource) -> Iterable[Key]:
    """The owner of that resource, if there is one."""
    if obj is not None and (owner := controller_of(obj)).get("kind") == resource.kind:
        yield namespace_of(obj), owner["name"]


def owned(store: Store, resource: Resource, owner: Object) -> list[Object]:
    uid = owner["metadata"]["uid"]
    return [
        obj
        for obj in store.items(resource, namespace_of(owner))
        if controller_of(obj).get("uid") == uid
    ]


def owner_reference(owner: Object) -> Object:
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name_of(owner),
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def deleting(obj: Object) -> bool:
    return "deletionTimestamp" in obj["metadata"]


def phase(pod: Object) -> str:
    return str(dig(pod, "status", "phase", default=""))


def is_ready(pod: Object) -> bool:
    conditions = dig(pod, "status", "conditions", default=())
    return not deleting(pod) and any(
        one["type"] == "Ready" and one["status"] == "True" for one in conditions
    )


def template_hash(template: Object) -> str:
    """Ten letters that change when the template does."""
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
    return "".join(NAME_ALPHABET[byte % len(NAME_ALPHABET)] for byte in digest[:10])


def pod_of(owner: Object, template: Object, labels: dict[str, str] | None = None) -> Object:
    """A pod for `registry.create`, owned and named after its owner."""
    given = template.get("metadata") or {}
    meta: Object = {
        "generateName": f"{name_of(owner)}-",
        "labels": (given.get("labels") or {}) | (labels or {}),
        "ownerReferences": [owner_reference(owner)],
    }
    if annotations := given.get("annotations"):
        meta["annotations"] = annotations
    return {"metadata": meta, "spec": template["spec"]}


async def create_pods(registry: Registry, owner: Object, pods: Sequence[Object]) -> None:
    """All at once; raises the first `ApiError`."""

    async def create(pod: Object) -> None:
        try:
            made = await registry.create(PODS, namespace_of(owner), pod)
        except ApiError as error:
            said = f"Error creating: {error.message}"
            await record(registry, owner, "FailedCreate", said, kind="Warning")
            raise
        await record(registry, owner, "SuccessfulCreate", f"Created pod: {name_of(made)}")

    await asyncio.gather(*map(create, pods))


async def delete_pods(registry: Registry, owner: Object, pods: Iterable[Object]) -> None:
    for pod in pods:
        if not deleting(pod):
            await registry.delete(PODS, *key_of(pod))
            await record(registry, owner, "SuccessfulDelete", f"Deleted pod: {name_of(pod)}")


async def set_status(registry: Registry, resource: Resource, obj: Object, status: Object) -> None:
    """Write a status if it differs; an object that has gone meanwhile is nobody's concern."""
    if obj.get("status") == status:
        return
    with contextlib.suppress(ApiError):
        await registry.update(
            resource, *key_of(obj), lambda old: old | {"status": status}, subresource="status"
        )


def condition(kind: str, held: bool, reason: str, message: str, now: str) -> Object:
    return {
        "type": kind,
        "status": "True" if held else "False",
        "lastUpdateTime": now,
        "lastTransitionTime": now,
        "reason": reason,
        "message": message,
    }


async def record(
    registry: Registry,
    about: Object,
    reason: str,
    message: str,
    *,
    component: str = "",
    kind: str = "Normal",
) -> None:
    """An Event, for `kubectl describe`; where none can be written, none is."""
    now = timestamp(registry.now())
    namespace = namespace_of(about) or "default"
    component = component or f"{str(about['kind']).lower()}-controller"
    event = {
        "metadata": {"name": f"{name_of(about)}.{random_suffix()}{random_suffix()}"},
        "involvedObject": {
            "kind": about["kind"],
            "namespace": namespace_of(about),
            "name": name_of(about),
            "uid": about["metadata"]["uid"],
            "apiVersion": about["apiVersion"],
            "resourceVersion": about["metadata"].get("resourceVersion", ""),
        },
        "reason": reason,
        "message": message,
        "source": {"component": component},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
        "type": kind,
        "eventTime": None,
        "reportingComponent": component,
        "reportingInstance": "",
    }
    with contextlib.suppress(ApiError):
        await registry.create(EVENTS, namespace, event)
