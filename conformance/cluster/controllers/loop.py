"""
The loop that all controllers share: what changed, look at it, try again if it failed.

A controller looks at the whole state of one object, never at a single event, so a
missed or doubled event cannot lead it astray. Failures are tried again with growing
patience; nothing polls.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable

from conformance.cluster.apiserver.registry import Registry
from conformance.cluster.apiserver.status import ApiError
from conformance.cluster.apiserver.store import Change, Key

_LOG = logging.getLogger(__name__)
_FIRST_DELAY, _LONGEST_DELAY = 0.02, 2.0


class Controller(ABC):
    """Brings one kind of object to where its spec says."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.store = registry.store
        self._dirty: dict[Key, None] = {}
        self._failures: dict[Key, int] = {}
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()

    @abstractmethod
    def affected(self, change: Change) -> Iterable[Key]:
        """The keys to look at because of a change."""

    @abstractmethod
    def existing(self) -> Iterable[Key]:
        """The keys to look at when the controller starts."""

    @abstractmethod
    async def reconcile(self, key: Key) -> None:
        """Compare and act; may raise `ApiError`, and is then asked again."""

    def mark(self, key: Key) -> None:
        """Look at this key soon."""
        self._dirty[key] = None
        self._idle.clear()
        self._wake.set()

    @property
    def busy(self) -> bool:
        """Whether something is left to look at."""
        return not self._idle.is_set()

    async def settled(self) -> None:
        """Waits until nothing is left to look at."""
        await self._idle.wait()

    async def run(self) -> None:
        """Until cancelled."""
        self.store.listen(self._changed)
        try:
            for key in self.existing():
                self.mark(key)
            while True:
                await self._look_at_all()
                self._idle.set()
                self._wake.clear()
                await self._wake.wait()
        finally:
            self.store.unlisten(self._changed)

    def _changed(self, change: Change) -> None:
        for key in self.affected(change):
            self.mark(key)

    async def _look_at_all(self) -> None:
        while self._dirty:
            key = next(iter(self._dirty))
            del self._dirty[key]
            try:
                await self.reconcile(key)
            except ApiError as error:
                self._try_again(key, error)
            except Exception as error:  # noqa: BLE001  # one bad object must not stop the others
                _LOG.exception("%s: %s", type(self).__name__, key)
                self._try_again(key, error)
            else:
                self._failures.pop(key, None)

    def _try_again(self, key: Key, error: Exception) -> None:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay = min(_FIRST_DELAY * 2**failures, _LONGEST_DELAY)
        _LOG.debug("%s: %s: %s; again in %.2f s", type(self).__name__, key, error, delay)
        asyncio.get_running_loop().call_later(delay, self.mark, key)
