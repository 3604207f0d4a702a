"""
What happens to an object between a request and the store.

Handlers and controllers both come through here, so a pod of a DaemonSet meets the same
admission and webhooks as one that a person makes. The trap is time: a webhook takes
milliseconds in which the world moves, so whatever was checked before is checked again
after the last await, and from there to the store nothing waits.
"""

import uuid
from collections.abc import Callable
from datetime import datetime

from conformance.cluster.apiserver import defaults, deletion, pod_validation, status, validation
from conformance.cluster.apiserver.admission import Admission, Admitted, random_suffix
from conformance.cluster.apiserver.apply import Ownership
from conformance.cluster.apiserver.deletion import Deletion, timestamp
from conformance.cluster.apiserver.resources import (
    JOBS,
    NAMESPACES,
    NODES,
    PODS,
    Object,
    Resource,
    dig,
)
from conformance.cluster.apiserver.store import Store
from conformance.cluster.apiserver.tokens import User
from conformance.cluster.apiserver.webhooks import Webhooks

CONTROLLERS = User("system:kube-controller-manager", ("system:masters", "system:authenticated"))
_OWN_FIELDS = (
    # The server's, whatever a request says.
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "selfLink",
    "managedFields",
)
_ROOM_FOR_SUFFIX = 58
_MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


class Registry:
    """Creates, changes and deletes; see the module. Every method raises `ApiError`."""

    def __init__(
        self,
        store: Store,
        admission: Admission,
        webhooks: Webhooks,
        now: Callable[[], datetime],
        shortest_token: int,
    ) -> None:
        self.store = store
        self.now = now
        self.ownership = Ownership()
        self._admission = admission
        self._webhooks = webhooks
        self.shortest_token = shortest_token

    async def create(
        self,
        resource: Resource,
        namespace: str,
        obj: Object,
        *,
        user: User = CONTROLLERS,
        dry_run: bool = False,
    ) -> Object:
        """Returns what was stored (or would be)."""
        obj = _sent(resource, namespace, obj)
        name = obj["metadata"].get("name", "")
        request = Admitted("CREATE", resource, "", namespace, name, obj, None, user, dry_run)
        obj = await self._admission.mutate(request)
        obj = await self._webhooks.mutate(request.with_object(obj))
        obj = self._born(resource, obj)
        validation.check(resource, obj, None, self.shortest_token)
        await self._webhooks.validate(request.with_object(obj))
        self._admission.check_namespace(request)
        name = obj["metadata"]["name"]
        existing = self.store.find(resource, namespace, name)
        if existing is not None:
            deleting = resource is NAMESPACES and "deletionTimestamp" in existing["metadata"]
            why = "object is being deleted" if deleting else ""
            raise status.already_exists(resource.plural, name, resource.group, why)
        return obj if dry_run else self.store.put(resource, obj)

    def _born(self, resource: Resource, obj: Object) -> Object:
        meta = obj["metadata"] | {
            "uid": str(uuid.uuid4()),
            "creationTimestamp": timestamp(self.now()),
        }
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"][:_ROOM_FOR_SUFFIX] + random_suffix()
        if resource.generation:
            meta["generation"] = 1
        obj = obj | {"metadata": meta}
        if resource is PODS:
            status_now = {"phase": "Pending", "qosClass": defaults.qos_class(obj["spec"])}
            return obj | {"status": status_now}
        if resource in {JOBS, NAMESPACES}:
            return defaults.apply(resource, obj)  # these need the name and the uid
        return obj

    async def update(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        change: Callable[[Object], Object],
        *,
        user: User = CONTROLLERS,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Object:
        """
        Replace the object by `change` of it; again when it moved meanwhile.

        `change` must not alter what it is given. A resource version in its result must
        be the current one.
        """
        while True:
            old = self.store.get(resource, namespace, name)
            new = self._changed(resource, old, change(old), subresource)
            if new == old:
                return old
            request = Admitted(
                "UPDATE", resource, subresource, namespace, name, new, old, user, dry_run
            )
            new = await self._admission.mutate(request)
            new = await self._webhooks.mutate(request.with_object(new))
            self._check_change(resource, new, old, subresource)
            await self._webhooks.validate(request.with_object(new))
            if self.store.find(resource, namespace, name) is old:
                break
        new = _generation(resource, new, old)
        if dry_run:
            return new
        if deletion.is_finished(resource, new):
            self.ownership.forget(old["metadata"]["uid"])
            self.store.remove(resource, new)
            return new
        return self.store.put(resource, new)

    def _changed(self, resource: Resource, old: Object, new: Object, subresource: str) -> Object:
        was, meta = old["metadata"], dict(new.get("metadata") or {})
        if meta.get("name", was["name"]) != was["name"]:
            raise status.bad_request(
                f"the name of the object ({meta['name']}) does not match the name on the URL "
                f"({was['name']})"
            )
        if resource.namespaced and meta.get("namespace", was["namespace"]) != was["namespace"]:
            raise status.bad_request(
                "the namespace of the provided object does not match the namespace sent on the "
                "request"
            )
        self._check_identity(resource, old, meta)
        for field in _OWN_FIELDS:
            meta.pop(field, None)
            if field in was:
                meta[field] = was[field]
        meta |= {key: was[key] for key in ("name", "namespace", "resourceVersion") if key in was}
        new = {"kind": old["kind"], "apiVersion": old["apiVersion"]} | new | {"metadata": meta}
        if subresource:
            kept = {"kind", "apiVersion", "metadata", subresource}
            body = {key: value for key, value in old.items() if key not in kept}
            return {key: value for key, value in new.items() if key in kept} | body
        if "status" in resource.subresources:
            new.pop("status", None)
            if "status" in old:
                new["status"] = old["status"]
        return defaults.apply(resource, new)

    def _check_identity(self, resource: Resource, old: Object, meta: Object) -> None:
        was = old["metadata"]
        uid, version = meta.get("uid"), meta.get("resourceVersion")
        if uid and uid != was["uid"]:
            key = "/".join(
                ["/registry", resource.plural, *([was["namespace"]] if resource.namespaced else [])]
            )
            raise status.conflict(
                resource.plural,
                was["name"],
                f"StorageError: invalid object, Code: 4, Key: {key}/{was['name']}, "
                "ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in "
                f"precondition: {uid}, UID in object meta: {was['uid']}",
                resource.group,
            )
        if not version or version == "0" or version == was["resourceVersion"]:
            return
        if not str(version).isdecimal():
            raise status.ApiError(
                500,
                "",
                f'resourceVersion: Invalid value: "{version}": strconv.ParseUint: parsing '
                f'"{version}": invalid syntax',
            )
        raise status.conflict(resource.plural, was["name"], _MODIFIED, resource.group)

    def _check_change(self, resource: Resource, new: Object, old: Object, subresource: str) -> None:
        validation.check(resource, new, old, self.shortest_token)
        if resource is PODS and not subresource:
            pod_validation.check_pod_update(new, old)
        validation.check_immutable(resource, new, old)

    async def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        options: Deletion | None = None,
        *,
        user: User = CONTROLLERS,
    ) -> tuple[Object, bool]:
        """The last state, and whether it is gone; it stays for finalizers and for its grace."""
        options = options or Deletion()
        self._admission.check_delete(resource, name)
        old = self.store.get(resource, namespace, name)
        request = Admitted("DELETE", resource, "", namespace, name, {}, old, user, options.dry_run)
        await self._webhooks.mutate(request)
        await self._webhooks.validate(request)
        old = self.store.get(resource, namespace, name)
        deletion.check_preconditions(resource, old, options)
        grace = deletion.grace_of(resource, old, options)
        meta = old["metadata"]
        marked = deletion.marked(resource, old, grace, self.now())
        if options.policy == "Orphan":
            finalizers = [*(meta.get("finalizers") or ()), "orphan"]
            marked["metadata"]["finalizers"] = sorted(set(finalizers))
        gone = deletion.is_finished(resource, marked)
        if options.dry_run:
            return marked, gone
        if gone:
            self.ownership.forget(meta["uid"])
            last = self.store.remove(resource, marked if resource is PODS else old)
            return last, True
        if marked["metadata"] == old["metadata"]:
            return old, False
        return self.store.put(resource, marked), False


def _sent(resource: Resource, namespace: str, obj: Object) -> Object:
    """The object of a creation, without what only the server may say."""
    meta = {key: value for key, value in obj["metadata"].items() if key not in _OWN_FIELDS}
    if meta.pop("resourceVersion", ""):
        raise status.ApiError(500, "", "resourceVersion should not be set on objects to be created")
    sent = meta.pop("namespace", "")
    if resource.namespaced:
        if sent and sent != namespace:
            raise status.bad_request(
                "the namespace of the provided object does not match the namespace sent on the "
                "request"
            )
        meta["namespace"] = namespace
    obj = {"kind": resource.kind, "apiVersion": resource.api_version} | obj | {"metadata": meta}
    if "status" in resource.subresources and resource is not NODES:
        obj.pop("status", None)
    return defaults.apply(resource, obj)


def _generation(resource: Resource, new: Object, old: Object) -> Object:
    if not resource.generation or dig(new, *resource.spec_path) == dig(old, *resource.spec_path):
        return new
    meta = new["metadata"]
    return new | {"metadata": meta | {"generation": meta.get("generation", 0) + 1}}
