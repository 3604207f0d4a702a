"""
One run of a container: its program, its probes, and its hooks.

The hook before the end is part of the grace: what it takes, the program has not. At
least two seconds are left to a program whose hook took too long, as on a kubelet.
Source: pkg/kubelet/kuberuntime/kuberuntime_container.go, killContainer.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable

from conformance.cluster.apiserver.execution import Streams
from conformance.cluster.nodes.api import Object
from conformance.cluster.nodes.checks import Checked, CheckFailedError, check
from conformance.cluster.nodes.entering import NO_INPUT, Execution
from conformance.cluster.nodes.probing import KINDS, Probes
from conformance.cluster.nodes.runtime import Order, Started

Tell = Callable[[str, str, str], None]
"""Records an Event of the container: type, reason, message."""

_LEAST_GRACE_SECONDS = 2.0


class Run:
    """A program that was started for a container."""

    def __init__(
        self, order: Order, started: Started, *, changed: Callable[[], None], tell: Tell
    ) -> None:
        self._spec = order.container
        self._started = started
        self._tell = tell
        self._grace = float(order.pod["spec"].get("terminationGracePeriodSeconds", 30))
        self._on = Checked(
            order.container, order.network.address, order.place.network, self.execute
        )
        self.probes = Probes(
            self._on,
            changed=changed,
            warn=lambda reason, said: tell("Warning", reason, said),
            failed=self._give_up,
        )
        accompanied = any(key in self._spec for key in (*KINDS, "lifecycle"))
        self._tasks = [asyncio.create_task(self._accompany())] if accompanied else []

    async def wait(self) -> int:
        """The exit code."""
        try:
            return await self._started.wait()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def stop(self, grace_seconds: float) -> None:
        """The hook, SIGTERM, and SIGKILL when the grace is over; it has ended when this returns."""
        ending = asyncio.ensure_future(self._started.wait())
        left = await self._hook_before_end(grace_seconds, ending)
        self._started.terminate()
        await asyncio.wait({ending}, timeout=left)
        if not ending.done():
            self._started.kill()
            await ending

    def kill(self) -> None:
        """SIGKILL at once, without the hook."""
        self._started.kill()

    async def execute(self, command: list[str], streams: Streams = NO_INPUT) -> Execution:
        """A second program in the container; raises `StartError`."""
        return await self._started.execute(command, streams)

    async def _accompany(self) -> None:
        hook = (self._spec.get("lifecycle") or {}).get("postStart")
        if hook:
            try:
                await check(hook, self._on, None)
            except CheckFailedError as error:
                self._tell("Warning", "FailedPostStartHook", f"PostStartHook failed: {error}")
                self._end("FailedPostStartHook", self._grace)
                return
        await self.probes.run()

    async def _hook_before_end(self, grace_seconds: float, ending: "asyncio.Future[int]") -> float:
        """Runs the hook; what is left of the grace."""
        hook = (self._spec.get("lifecycle") or {}).get("preStop")
        if not hook or grace_seconds <= 0 or ending.done():
            return grace_seconds
        began = time.monotonic()
        try:
            await check(hook, self._on, grace_seconds)
        except CheckFailedError as error:
            self._tell("Warning", "FailedPreStopHook", f"PreStopHook failed: {error}")
        return max(grace_seconds - (time.monotonic() - began), _LEAST_GRACE_SECONDS)

    def _give_up(self, probe: str) -> None:
        settings: Object = self._spec.get(f"{probe}Probe") or {}
        grace = float(settings.get("terminationGracePeriodSeconds", self._grace))
        self._end(f"failed {probe} probe, will be restarted", grace)

    def _end(self, why: str, grace: float) -> None:
        self._tell("Normal", "Killing", f"Container {self._spec['name']} {why}")

        async def end() -> None:
            with contextlib.suppress(asyncio.CancelledError):
                await self.stop(grace)

        self._tasks.append(asyncio.create_task(end()))
