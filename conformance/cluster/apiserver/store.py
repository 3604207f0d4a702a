"""
Objects in memory, with one revision counter and a log of what happened.

etcd's promise that clients build on is the log: a watch that begins at revision N
sees every change after N, once and in order. Watches, pages of a list and
`resourceVersionMatch=Exact` are all answered from it. Stored objects are never
changed in place, so a reader needs no copy and no lock.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from conformance.cluster.apiserver import status
from conformance.cluster.apiserver.resources import Object, Resource, name_of, namespace_of

Key = tuple[str, str]
"""Namespace (empty for cluster-wide objects) and name."""


@dataclass(frozen=True, eq=False)
class Change:
    """One entry of the log; `old` is None for a creation, `new` for a deletion."""

    revision: int
    resource: Resource
    key: Key
    old: Object | None
    new: Object | None
    last: Object | None = None
    """For a deletion: the last state, at the revision of the deletion."""


@dataclass(eq=False)
class Subscription:
    """Changes of one resource (or all) from now on, in order."""

    resource: Resource | None
    pending: deque[Change] = field(default_factory=deque)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, change: Change) -> None:
        if self.resource is None or self.resource is change.resource:
            self.pending.append(change)
            self._arrived.set()

    async def next(self) -> Change:
        """Waits until there is a change."""
        while not self.pending:
            self._arrived.clear()
            await self._arrived.wait()
        return self.pending.popleft()


class Store:
    """
    Every object of one cluster.

    `window` is how many changes the log keeps: a watch or page that needs older
    ones gets 410 Expired, as after a compaction of etcd.
    """

    def __init__(self, window: int = 20_000) -> None:
        self.revision = 1
        self._window = window
        self._objects: dict[Resource, dict[Key, Object]] = {}
        self._log: deque[Change] = deque()
        self._forgotten = 1
        self._listeners: set[Callable[[Change], None]] = set()
        self._advanced = asyncio.Event()

    @property
    def oldest(self) -> int:
        """The oldest revision from which the log is whole."""
        return self._forgotten

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """Raises `ApiError` 404 when it is not there."""
        found = self.find(resource, namespace, name)
        if found is None:
            raise status.not_found(resource.plural, name, resource.group)
        return found

    def find(self, resource: Resource, namespace: str, name: str) -> Object | None:
        return self._objects.get(resource, {}).get((namespace, name))

    def items(self, resource: Resource, namespace: str = "") -> list[Object]:
        """In the order of etcd's keys; all namespaces when `namespace` is empty."""
        return self._in_order(self._objects.get(resource, {}), namespace)

    def items_at(self, resource: Resource, namespace: str, revision: int) -> list[Object]:
        """The list as it was at a revision; raises `KeyError` when the log is too short."""
        if revision < self._forgotten:
            raise KeyError(revision)
        objects = dict(self._objects.get(resource, {}))
        for change in reversed(self._log):
            if change.revision <= revision:
                break
            if change.resource is not resource:
                continue
            if change.old is None:
                objects.pop(change.key, None)
            else:
                objects[change.key] = change.old
        return self._in_order(objects, namespace)

    @staticmethod
    def _in_order(objects: dict[Key, Object], namespace: str) -> list[Object]:
        keys = sorted(key for key in objects if not namespace or key[0] == namespace)
        return [objects[key] for key in keys]

    def __iter__(self) -> Iterator[tuple[Resource, Object]]:
        for resource, objects in list(self._objects.items()):
            for obj in list(objects.values()):
                yield resource, obj

    def put(self, resource: Resource, obj: Object) -> Object:
        """
        Create or replace; the stored object carries the new resource version.

        The caller has checked that this is allowed: nothing here may await, so the
        check and the write cannot be parted by another request.
        """
        key = (namespace_of(obj), name_of(obj))
        objects = self._objects.setdefault(resource, {})
        self.revision += 1
        stored = obj | {"metadata": obj["metadata"] | {"resourceVersion": str(self.revision)}}
        change = Change(self.revision, resource, key, objects.get(key), stored)
        objects[key] = stored
        self._record(change)
        return stored

    def remove(self, resource: Resource, obj: Object) -> Object:
        """Returns the last state, at the revision of the removal."""
        key = (namespace_of(obj), name_of(obj))
        old = self._objects[resource].pop(key)
        self.revision += 1
        last = obj | {"metadata": obj["metadata"] | {"resourceVersion": str(self.revision)}}
        self._record(Change(self.revision, resource, key, old, None, last))
        return last

    def _record(self, change: Change) -> None:
        self._log.append(change)
        if len(self._log) > self._window:
            self._forgotten = self._log.popleft().revision
        for listener in self._listeners:
            listener(change)
        self._advanced.set()

    def compact(self) -> None:
        """Forget the log up to now, as etcd does every five minutes on EKS."""
        self._log.clear()
        self._forgotten = self.revision

    def subscribe(self, resource: Resource | None = None, since: int | None = None) -> Subscription:
        """
        Changes after `since`, or from now on.

        Raises `KeyError` when the log no longer reaches back that far. End it with
        `unsubscribe`.
        """
        if since is not None and since < self._forgotten:
            raise KeyError(since)
        subscription = Subscription(resource)
        if since is not None:
            for change in self._log:
                if change.revision > since:
                    subscription.offer(change)
        self.listen(subscription.offer)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        self.unlisten(subscription.offer)

    def listen(self, listener: Callable[[Change], None]) -> None:
        """Call `listener` with every change from now on; it must neither wait nor write."""
        self._listeners.add(listener)

    def unlisten(self, listener: Callable[[Change], None]) -> None:
        self._listeners.discard(listener)

    async def reached(self, revision: int) -> None:
        """Waits until the counter has come to a revision."""
        while self.revision < revision:
            self._advanced.clear()
            await self._advanced.wait()
