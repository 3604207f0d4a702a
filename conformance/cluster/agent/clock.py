"""
Time as the agent sees it.

Credentials live for hours and the agent looks at its cache once a minute, so
nothing in here may ask the operating system for the time: tests hand over a
clock that they move, and hours pass in microseconds.
"""

import asyncio
import time
from contextlib import suppress
from typing import Protocol


class Clock(Protocol):
    """What the agent needs to know about time."""

    def time(self) -> float:
        """Seconds since the epoch; what expiry dates are compared with."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards; what rates and durations are measured in."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return when that many seconds have passed."""
        ...


class SystemClock:
    """
    The machine's own time, or that of a machine whose clock is so many seconds ahead.

    Hours may pass at once as well: then whoever sleeps has slept for so long.
    """

    def __init__(self) -> None:
        self.ahead = 0.0
        self._elapsed = 0.0
        self._slept = 0.0
        """Seconds that ever elapsed at once; they are never taken back from who sleeps."""
        self._later = asyncio.Event()

    def elapse(self, seconds: float) -> None:
        """Let it be so much later than it is, in all."""
        self._slept += max(0.0, seconds - self._elapsed)
        self._elapsed = seconds
        self._later.set()
        self._later = asyncio.Event()

    def time(self) -> float:
        return time.time() + self.ahead + self._elapsed

    def monotonic(self) -> float:
        return time.monotonic() + self._slept

    async def sleep(self, seconds: float) -> None:
        due = self.monotonic() + seconds
        while (left := due - self.monotonic()) > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._later.wait(), left)
