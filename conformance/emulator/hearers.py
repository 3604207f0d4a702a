"""
Parts that must know of a change before whoever made it goes on.

Clusters are told of faults and settings, all at once. The trap is one that does not
answer any more: it must not keep the others from being told, nor hang the call, but
whoever made the change has to hear that this part goes by the old.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")

WITHIN = 5.0
"""Seconds that a part has to take note; it does so in milliseconds."""


class Hearers(Generic[T]):
    """Who is told; `tell` says who could not be."""

    def __init__(self) -> None:
        self._hearers: dict[object, tuple[str, Callable[[T], Awaitable[None]]]] = {}

    def add(self, part: str, hear: Callable[[T], Awaitable[None]]) -> Callable[[], None]:
        """From now on `part` is told; returns what undoes it, which may be called twice."""
        key = object()
        self._hearers[key] = (part, hear)

        def forget() -> None:
            self._hearers.pop(key, None)

        return forget

    async def tell(self, what: T) -> dict[str, str]:
        """Returns when everyone knows or had their time: those who do not, each with why."""
        told = list(self._hearers.values())
        failures = await asyncio.gather(*(self._one(hear, what) for _, hear in told))
        return {part: why for (part, _), why in zip(told, failures, strict=True) if why}

    @staticmethod
    async def _one(hear: Callable[[T], Awaitable[None]], what: T) -> str:
        try:
            async with asyncio.timeout(WITHIN):
                await hear(what)
        except TimeoutError:
            return f"no answer within {WITHIN:g} s"
        except Exception as error:  # noqa: BLE001 -- however it fails, the others are told
            return f"{type(error).__name__}: {error}"
        return ""
