"""
Probes of a running container: has it started, is it ready, is it still alive.

Nothing else is asked before the startup probe has succeeded once. Without a
readiness probe a container is ready when it runs; with one it is not until asked.
Source: pkg/kubelet/prober/worker.go.
"""

import asyncio
from collections.abc import Callable

from conformance.cluster.nodes.api import Object
from conformance.cluster.nodes.checks import Checked, CheckFailedError, check

KINDS = ("startupProbe", "readinessProbe", "livenessProbe")
_NAMES = {"startupProbe": "Startup", "readinessProbe": "Readiness", "livenessProbe": "Liveness"}
_DEFAULTS = {
    "initialDelaySeconds": 0,
    "periodSeconds": 10,
    "timeoutSeconds": 1,
    "successThreshold": 1,
    "failureThreshold": 3,
}

Warn = Callable[[str, str], None]
"""Takes reason and message of an Event."""


class Probes:
    """All probes of one run of a container."""

    def __init__(
        self,
        on: Checked,
        *,
        changed: Callable[[], None],
        warn: Warn,
        failed: Callable[[str], None],
    ) -> None:
        """`failed` is told which probe gave the container up."""
        self.started = "startupProbe" not in on.spec
        self._is_ready = "readinessProbe" not in on.spec
        self._on = on
        self._changed = changed
        self._warn = warn
        self._failed = failed

    @property
    def ready(self) -> bool:
        return self.started and self._is_ready

    async def run(self) -> None:
        """Ask until cancelled, or until there is nothing to ask any more."""
        spec = self._on.spec
        if not self.started:
            if not await self._until_started(spec["startupProbe"]):
                return
            self.started = True
            self._changed()
        asking = [self._ask_for_ever(kind) for kind in KINDS[1:] if kind in spec]
        await asyncio.gather(*asking)

    async def _until_started(self, probe: Object) -> bool:
        settings = _DEFAULTS | probe
        await asyncio.sleep(settings["initialDelaySeconds"])
        for attempt in range(settings["failureThreshold"]):
            if attempt:
                await asyncio.sleep(settings["periodSeconds"])
            if await self._succeeds("startupProbe", settings):
                return True
        self._failed("startup")
        return False

    async def _ask_for_ever(self, kind: str) -> None:
        settings = _DEFAULTS | self._on.spec[kind]
        await asyncio.sleep(settings["initialDelaySeconds"])
        in_a_row, last = 0, None
        while True:
            good = await self._succeeds(kind, settings)
            in_a_row = in_a_row + 1 if good == last else 1
            last = good
            if in_a_row == settings["successThreshold" if good else "failureThreshold"]:
                if kind == "readinessProbe":
                    self._set_ready(good)
                elif not good:
                    self._failed("liveness")
                    return
            await asyncio.sleep(settings["periodSeconds"])

    def _set_ready(self, ready: bool) -> None:
        if ready != self._is_ready:
            self._is_ready = ready
            self._changed()

    async def _succeeds(self, kind: str, settings: Object) -> bool:
        try:
            await check(settings, self._on, settings["timeoutSeconds"])
        except CheckFailedError as error:
            self._warn("Unhealthy", f"{_NAMES[kind]} probe failed: {error}")
            return False
        return True
