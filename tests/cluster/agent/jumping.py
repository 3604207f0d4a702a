"""
A loop whose time jumps to the next timer whenever nobody has anything to do.

What a pod waits for in an outage is made of timeouts and pauses; here they are counted to
the millisecond, and none of them is waited for. Both ends of every connection must live on
the loop: what a thread or another process has yet to say would be overtaken.
"""

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from typing import Any

from conformance.cluster.agent.clock import SystemClock

_KERNEL_SECONDS = 0.002
"""What bytes on loopback may take from one end to the other."""


class _Selector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = time.monotonic()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(_KERNEL_SECONDS)
        if not ready:
            self.now += timeout
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _Selector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


class LoopClock(SystemClock):
    """The time of the loop that is running."""

    def __init__(self) -> None:
        super().__init__()
        self._base = time.time() - time.monotonic()

    def time(self) -> float:
        return self._base + self.monotonic()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


def jump(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Play a scene on such a loop."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(scene())
