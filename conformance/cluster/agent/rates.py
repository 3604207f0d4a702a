"""
Token buckets, as golang.org/x/time/rate fills and empties them.

The agent has two: one that turns requests away, one that holds renewals back.
Both must be counted on the agent's clock, or tests of an outage take hours.
"""

from conformance.cluster.agent.clock import Clock


class TokenBucket:
    """`per_second` tokens a second up to `burst`; starts full."""

    def __init__(self, per_second: float, burst: int, clock: Clock) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._at = clock.monotonic()

    def allow(self) -> bool:
        """Take a token if there is one."""
        self._fill()
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    async def wait(self) -> None:
        """Take a token, now or as soon as it is there."""
        self._fill()
        self._tokens -= 1
        if self._tokens < 0:
            await self._clock.sleep(-self._tokens / self._per_second)

    def _fill(self) -> None:
        now = self._clock.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_second)
        self._at = now
