"""
Watches: every change after a revision, once, in order, until someone hangs up.

A watch that is too old is answered 200 and one ERROR event, not 410: clients look for
it there. With a selector, an object that begins to match is ADDED and one that ceases
to is DELETED, whatever happened in the store.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping

from conformance.cluster.apiserver import reading, status
from conformance.cluster.apiserver.resources import Object, Resource
from conformance.cluster.apiserver.selectors import Selection
from conformance.cluster.apiserver.store import Change, Store, Subscription

_BOOKMARK_EVERY = 60.0
"""Seconds between bookmarks, for those who want them."""
_INITIAL_END = {"k8s.io/initial-events-end": "true"}

Event = tuple[str, Object]
"""Type and object."""


class Watch:
    """One request to watch, checked: raises `ApiError` when made, not later."""

    def __init__(
        self, store: Store, resource: Resource, namespace: str, query: Mapping[str, str]
    ) -> None:
        reading.check_list_options(query)
        self._store = store
        self._resource = resource
        self._namespace = namespace
        self._chosen = Selection.parse(
            query.get("labelSelector", ""), query.get("fieldSelector", ""), resource
        )
        self._since = reading.version(query.get("resourceVersion", ""), watching=True)
        self._initial = query.get("sendInitialEvents") == "true"
        self._bookmarks = query.get("allowWatchBookmarks") in {"true", "1"}
        self.seconds = float(query.get("timeoutSeconds") or 0)
        """How long it shall last; 0 for as long as someone listens."""

    async def events(self) -> AsyncGenerator[Event, None]:
        """Endless, but for an ERROR, which is the last."""
        from_now = not self._since or self._initial
        try:
            changes = self._store.subscribe(self._resource, None if from_now else self._since)
        except KeyError:
            said = f"too old resource version: {self._since} ({self._store.oldest})"
            yield "ERROR", status.expired(said).body()
            return
        try:
            if from_now:
                revision = self._store.revision
                for obj in self._store.items(self._resource, self._namespace):
                    if self._chosen.matches(obj):
                        yield "ADDED", obj
                if self._initial and self._bookmarks:
                    yield "BOOKMARK", self._bookmark(revision, _INITIAL_END)
            async for event in self._changes(changes):
                yield event
        finally:
            self._store.unsubscribe(changes)

    async def _changes(self, changes: Subscription) -> AsyncIterator[Event]:
        while True:
            try:
                async with asyncio.timeout(_BOOKMARK_EVERY):
                    change = await changes.next()
            except TimeoutError:
                if self._bookmarks:
                    yield "BOOKMARK", self._bookmark(self._store.revision)
                continue
            # A watch of the future keeps silent until that time has come.
            if change.revision > (self._since or 0) and (event := self._event(change)):
                yield event

    def _event(self, change: Change) -> Event | None:
        if self._namespace and change.key[0] != self._namespace:
            return None
        before = change.old is not None and self._chosen.matches(change.old)
        if change.new is None:
            return ("DELETED", change.last or {}) if before else None
        now = self._chosen.matches(change.new)
        if now:
            return ("MODIFIED" if before else "ADDED"), change.new
        if not before or change.old is None:
            return None
        # It left the selection: the old state, at the revision of the change.
        meta = change.old["metadata"] | {"resourceVersion": str(change.revision)}
        return "DELETED", change.old | {"metadata": meta}

    def _bookmark(self, revision: int, annotations: Mapping[str, str] | None = None) -> Object:
        meta: Object = {"resourceVersion": str(revision)}
        if annotations:
            meta["annotations"] = dict(annotations)
        return {
            "kind": self._resource.kind,
            "apiVersion": self._resource.api_version,
            "metadata": meta,
        }
