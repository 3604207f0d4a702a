"""
One container of a pod over all its runs, and the status a kubelet reports of it.

Restarts wait as a kubelet's do: not at all the first time, then 10 s, doubling up
to five minutes. A container may have a policy of its own, and rules by exit code
(KEP-5307), which win over the pod's.
Source: pkg/kubelet/kuberuntime/kuberuntime_manager.go, doBackOff.
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from conformance.cluster import images
from conformance.cluster.apiserver.execution import Streams
from conformance.cluster.nodes.api import Object
from conformance.cluster.nodes.entering import NO_INPUT, Execution
from conformance.cluster.nodes.logs import ContainerLog
from conformance.cluster.nodes.runs import Run, Tell
from conformance.cluster.nodes.runtime import Order, Runtime, StartError, start_failure
from conformance.cluster.nodes.variables import ConfigurationError

RestartPolicy = Literal["Always", "OnFailure", "Never"]

FIRST_BACKOFF_SECONDS = 10.0
LAST_BACKOFF_SECONDS = 300.0
_CONFIGURATION_RETRY_SECONDS = 1.0
_MESSAGE_LIMIT = 4096

MakeOrder = Callable[[Object, images.Image, Path], Awaitable[Order]]
"""
Resolves environment and mounts of a container, given the file for its last words.

Raises `ConfigurationError`.
"""


def restarts(spec: Object, policy: RestartPolicy, code: int) -> bool:
    """Whether a container that ended with `code` runs again; `policy` is its pod's."""
    for rule in spec.get("restartPolicyRules") or ():
        codes = rule.get("exitCodes") or {}
        named = code in (codes.get("values") or ())
        if rule.get("action") == "Restart" and named is (codes.get("operator") == "In"):
            return True
    chosen = spec.get("restartPolicy") or policy
    return bool(chosen == "Always" or (chosen == "OnFailure" and code != 0))


def now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


class Container:
    """A container; `changed` is called whenever its status is another."""

    def __init__(
        self,
        spec: Object,
        uid: str,
        folder: Path,
        *,
        runtime: Runtime,
        make_order: MakeOrder,
        changed: Callable[[], None],
        tell: Tell,
        backoff_seconds: float = FIRST_BACKOFF_SECONDS,
    ) -> None:
        """`folder` is the container's own and takes its logs; `uid` is the pod's."""
        folder.mkdir(mode=0o700, parents=True)
        self.spec = spec
        self.name: str = spec["name"]
        self.log: ContainerLog | None = None
        self.previous_log: ContainerLog | None = None
        self.restarts = 0
        self.state: Object = {"waiting": {"reason": "ContainerCreating"}}
        self._uid = uid
        self._folder = folder
        # What the program may write its last words to.
        self._termination_log = folder / "termination-log"
        self._runtime = runtime
        self._make_order = make_order
        self._changed = changed
        self._tell = tell
        self._backoff = backoff_seconds
        self._image = images.find(spec["image"])
        self._last_state: Object = {}
        self._run: Run | None = None
        self._stopping = asyncio.Event()
        self._exit_code: int | None = None
        self.up = asyncio.Event()
        """Set when the container has started for the first time, as its probe sees it."""

    @property
    def running(self) -> bool:
        return "running" in self.state

    @property
    def started(self) -> bool:
        """It runs, and its startup probe has succeeded if it has one."""
        return self.running and self._run is not None and self._run.probes.started

    @property
    def ready(self) -> bool:
        """It has started, and its readiness probe says so if it has one."""
        return self.running and self._run is not None and self._run.probes.ready

    @property
    def exit_code(self) -> int | None:
        """None while the container has not ended for good; between restarts as well."""
        return self._exit_code

    def status(self) -> Object:
        """The ContainerStatus."""
        digest = hashlib.sha256(self.spec["image"].encode()).hexdigest()
        status: Object = {
            "name": self.name,
            "image": self.spec["image"],
            "imageID": f"{self.spec['image'].partition('@')[0]}@sha256:{digest}",
            "ready": self.ready,
            "started": self.started,
            "restartCount": self.restarts,
            "state": self.state,
            "lastState": self._last_state,
        }
        if self._image is None:
            status["imageID"] = ""
        if self.log is not None:
            status["containerID"] = self._container_id()
        return status

    def _container_id(self) -> str:
        unique = f"{self._uid}/{self.name}/{self.restarts}"
        return f"containerd://{hashlib.sha256(unique.encode()).hexdigest()}"

    async def run(self, policy: RestartPolicy) -> int:
        """Run, and run again as `policy` says; the last exit code. Ends early by `stop` only."""
        self._exit_code = await self._run_until_done(policy)
        self._changed()
        return self._exit_code

    async def _run_until_done(self, policy: RestartPolicy) -> int:
        backoff = 0.0
        while True:
            code = await self._run_once()
            if self._stopping.is_set() or not restarts(self.spec, policy, code):
                return code
            self._last_state = self.state
            if backoff and await self._wait_to_restart(backoff):
                self._set(self._last_state)
                return code
            backoff = min(backoff * 2, LAST_BACKOFF_SECONDS) or self._backoff
            self.restarts += 1

    async def _wait_to_restart(self, seconds: float) -> bool:
        said = f"restarting failed container {self.name}"
        self._tell("Warning", "BackOff", f"Back-off {said} in pod {self._uid}")
        return await self._wait("CrashLoopBackOff", f"back-off {seconds:.0f}s {said}", seconds)

    async def stop(self, grace_seconds: float) -> None:
        """The hook, SIGTERM, SIGKILL when the grace is over; `run` returns when it is done."""
        self._stopping.set()
        if self._run is not None:
            self._tell("Normal", "Killing", f"Stopping container {self.name}")
            await self._run.stop(grace_seconds)

    def kill(self) -> None:
        """SIGKILL at once."""
        self._stopping.set()
        if self._run is not None:
            self._run.kill()

    async def execute(self, command: list[str], streams: Streams = NO_INPUT) -> Execution:
        """A second program in the container. Raises `StartError`, also when it does not run."""
        if self._run is None or not self.running:
            raise StartError(f"container not found ({json.dumps(self.name)})")
        return await self._run.execute(command, streams)

    def close(self) -> None:
        for log in (self.log, self.previous_log):
            if log is not None:
                log.close()

    def _set(self, state: Object) -> None:
        if state != self.state:
            self.state = state
            self._is_changed()

    def _is_changed(self) -> None:
        if self.started:
            self.up.set()
        self._changed()

    async def _wait(self, reason: str, message: str, seconds: float) -> bool:
        """Wait for a time or to be stopped; True if it was the latter."""
        self._set({"waiting": {"reason": reason, "message": message}})
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return False
        return True

    async def _run_once(self) -> int:
        image = await self._pull()
        if image is None:
            return self._never_ran("the pod was stopped before its image was there")
        while not self._stopping.is_set():
            try:
                order = await self._make_order(self.spec, image, self._termination_log)
                return await self._execute(order)
            except ConfigurationError as error:
                self._tell("Warning", "Failed", f"Error: {error}")
                await self._wait(
                    "CreateContainerConfigError", str(error), _CONFIGURATION_RETRY_SECONDS
                )
        return self._never_ran("the pod was stopped before the container could be made")

    async def _pull(self) -> images.Image | None:
        reference = self.spec["image"]
        lacking = (
            f'failed to resolve reference "{reference}": {reference}: not found'
            if self._image is None
            else images.why_missing(self._image)
        )
        if not lacking:
            said = f'Container image "{reference}" already present on machine'
            self._tell("Normal", "Pulled", said)
            return self._image
        self._tell("Warning", "Failed", f'Failed to pull image "{reference}": {lacking}')
        self._tell("Warning", "Failed", "Error: ErrImagePull")
        await self._wait("ErrImagePull", lacking, self._backoff)
        self._tell("Normal", "BackOff", f'Back-off pulling image "{reference}"')
        self._set(
            {
                "waiting": {
                    "reason": "ImagePullBackOff",
                    "message": f'Back-off pulling image "{reference}": ErrImagePull: {lacking}',
                }
            }
        )
        await self._stopping.wait()
        return None

    def _never_ran(self, why: str) -> int:
        self._set(
            {"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown", "message": why}}
        )
        return 137

    async def _execute(self, order: Order) -> int:
        if self.log is not None:
            self.log.close()
            self.previous_log = self.log
        path = self._folder / f"{self.restarts}.log"
        self.log = log = ContainerLog(path)
        self._termination_log.write_bytes(b"")
        began = now()
        try:
            self._tell("Normal", "Created", f"Created container: {self.name}")
            started = await self._runtime.start(order, log)
            self._run = Run(order, started, changed=self._is_changed, tell=self._tell)
            self._tell("Normal", "Started", f"Started container {self.name}")
            self._set({"running": {"startedAt": began}})
            if self._stopping.is_set():
                self._run.kill()
            code = await self._run.wait()
            failure = start_failure(path, code)
        except StartError as error:
            code, failure = 1, str(error)
        finally:
            self._run = None
            log.close()
        if failure:
            code = 128
            self._tell("Warning", "Failed", f"Error: {failure}")
        self._set({"terminated": self._ended(code, failure, began)})
        return code

    def _ended(self, code: int, failure: str, began: str) -> Object:
        reason = "StartError" if failure else "Completed" if code == 0 else "Error"
        with self._termination_log.open("rb") as file:
            said = failure or file.read(_MESSAGE_LIMIT).decode(errors="replace")
        ended = {
            "exitCode": code,
            "reason": reason,
            "startedAt": began,
            "finishedAt": now(),
            "containerID": self._container_id(),
        }
        return ended | ({"message": said} if said else {})
