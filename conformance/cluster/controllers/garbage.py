"""
Garbage: what belonged to something that is gone goes after it.

By uid, not by name: a new owner of the same name does not inherit. Deletion with
`Orphan` cuts the ties first; `Foreground` is treated as `Background`, since nobody here
waits for children.
"""

import contextlib
from collections.abc import Iterable

from conformance.cluster.apiserver.registry import Registry
from conformance.cluster.apiserver.resources import Object, Resource
from conformance.cluster.apiserver.status import ApiError
from conformance.cluster.apiserver.store import Change, Key
from conformance.cluster.controllers.loop import Controller
from conformance.cluster.controllers.workloads import deleting

_ORPHAN = "orphan"


class Garbage(Controller):
    """Keys are uids of owners: `("", uid)`."""

    def __init__(self, registry: Registry) -> None:
        super().__init__(registry)
        self._alive: dict[str, tuple[Resource, Key]] = {}
        self._children: dict[str, set[tuple[Resource, Key]]] = {}

    def existing(self) -> Iterable[Key]:
        for resource, obj in self.store:
            meta = obj["metadata"]
            self._note(resource, (meta.get("namespace", ""), meta["name"]), obj)
        return [("", uid) for uid in self._children]

    def _note(self, resource: Resource, key: Key, obj: Object) -> None:
        self._alive[obj["metadata"]["uid"]] = (resource, key)
        for owner in _owners(obj):
            self._children.setdefault(owner["uid"], set()).add((resource, key))

    def affected(self, change: Change) -> Iterable[Key]:
        place = (change.resource, change.key)
        if change.new is None:
            gone = change.old or {}
            uid = gone["metadata"]["uid"]
            self._alive.pop(uid, None)
            for owner in _owners(gone):
                self._children.get(owner["uid"], set()).discard(place)
            if self._children.get(uid):
                yield "", uid
            return
        self._note(change.resource, change.key, change.new)
        for owner in _owners(change.new):
            if owner["uid"] not in self._alive:
                yield "", owner["uid"]  # its owner went before it came
        if deleting(change.new) and _ORPHAN in (change.new["metadata"].get("finalizers") or ()):
            yield "", change.new["metadata"]["uid"]

    async def reconcile(self, key: Key) -> None:
        uid = key[1]
        children = sorted(
            self._children.get(uid, ()), key=lambda place: (place[0].plural, place[1])
        )
        owner = self._alive.get(uid)
        if owner is not None:
            await self._orphan(uid, owner, children)
            return
        for resource, place in children:
            child = self.store.find(resource, *place)
            if child is None or deleting(child):
                continue
            if any(one["uid"] in self._alive for one in _owners(child)):
                continue
            with contextlib.suppress(ApiError):
                await self.registry.delete(resource, *place)
        self._children.pop(uid, None)

    async def _orphan(
        self,
        uid: str,
        owner: tuple[Resource, Key],
        children: list[tuple[Resource, Key]],
    ) -> None:
        resource, key = owner
        obj = self.store.find(resource, *key)
        if obj is None or _ORPHAN not in (obj["metadata"].get("finalizers") or ()):
            return
        for child_resource, place in children:
            with contextlib.suppress(ApiError):
                await self.registry.update(
                    child_resource, *place, lambda old: _without_owner(old, uid)
                )
        self._children.pop(uid, None)
        await self.registry.update(resource, *key, _without_orphan)


def _owners(obj: Object) -> list[Object]:
    return obj["metadata"].get("ownerReferences") or []


def _without_owner(obj: Object, uid: str) -> Object:
    left = [owner for owner in _owners(obj) if owner["uid"] != uid]
    return obj | {"metadata": obj["metadata"] | {"ownerReferences": left}}


def _without_orphan(obj: Object) -> Object:
    left = [one for one in obj["metadata"]["finalizers"] if one != _ORPHAN]
    return obj | {"metadata": obj["metadata"] | {"finalizers": left}}
