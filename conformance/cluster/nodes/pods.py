"""
One pod on its node, from binding to its end.

The pod's life is one task: network and files, init containers in order, then the
containers beside each other. Deletion does not cancel that task but stops the
containers, so that their last status is reported before the object goes; only then
is the object deleted for good, by whom it is deleted on a real node: the kubelet.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import aiohttp

from conformance.cluster.apiserver.execution import Streams
from conformance.cluster.apiserver.logs import LogRequest
from conformance.cluster.images import Image, find
from conformance.cluster.nodes.api import ApiClient, Object, Refused
from conformance.cluster.nodes.containers import (
    FIRST_BACKOFF_SECONDS,
    Container,
    RestartPolicy,
    now,
)
from conformance.cluster.nodes.entering import Execution
from conformance.cluster.nodes.events import PodEvents
from conformance.cluster.nodes.interface import PodNetwork
from conformance.cluster.nodes.pod_files import PodFiles
from conformance.cluster.nodes.pod_status import Failure, PodFacts, is_sidecar, status_of
from conformance.cluster.nodes.runtime import NodePlace, Order, Runtime, StartError, user_of
from conformance.cluster.nodes.variables import ConfigurationError, environment_of
from conformance.errors import HarnessError

_DEFAULT_GRACE_SECONDS = 30.0
_RETRY_SECONDS = 0.1
_RETRY_LIMIT_SECONDS = 2.0
_SERVER_ERROR = 500


class PodOnNode:
    """A pod that is bound to a node of ours."""

    def __init__(
        self,
        pod: Object,
        place: NodePlace,
        api: ApiClient,
        runtime: Runtime,
        folder: Path,
        *,
        events: PodEvents,
        backoff_seconds: float = FIRST_BACKOFF_SECONDS,
    ) -> None:
        """`folder` is the pod's own and is made here; it goes with `end`."""
        metadata, spec = pod["metadata"], pod["spec"]
        self.pod = pod
        self.uid: str = metadata["uid"]
        self._path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        self._place = place
        self._api = api
        self._runtime = runtime
        self._policy: RestartPolicy = spec.get("restartPolicy") or "Always"
        self._files = PodFiles(pod, folder, api)
        self._hostname = str(spec.get("hostname") or metadata["name"])[:63].rstrip("-.")
        if spec.get("hostNetwork"):
            self._hostname = place.name[:63]
        self._network: PodNetwork | None = None
        self._address = ""
        self._began = now()
        self._failure: Failure | None = None
        self._changed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._leaving = asyncio.Event()
        self._gone = False
        self._grace = 30.0
        self._events = events
        self._warned: set[str] = set()
        self._due = datetime.now(UTC)

        def made(kind: str) -> list[Container]:
            return [
                Container(
                    spec=one,
                    uid=self.uid,
                    folder=folder / kind / one["name"],
                    runtime=runtime,
                    make_order=self._make_order,
                    changed=self._changed.set,
                    tell=partial(self._tell, f"{kind}{{{one['name']}}}"),
                    backoff_seconds=backoff_seconds,
                )
                for one in spec.get(kind) or []
            ]

        self._init = made("initContainers")
        self._containers = made("containers")
        self._life = asyncio.create_task(self._live())

    def seen(self, pod: Object) -> None:
        """The object changed; a deletion stops the containers within its grace."""
        self.pod = self._files.pod = pod
        if pod["metadata"].get("deletionTimestamp"):
            grace = pod["metadata"].get("deletionGracePeriodSeconds")
            self._grace = _DEFAULT_GRACE_SECONDS if grace is None else float(grace)
            self._stopping.set()
            self._leaving.set()

    async def end(self) -> None:
        """The object is gone or the node is: kill everything and leave nothing behind."""
        self._gone = True
        self._grace = 0.0
        for container in self._all:
            container.kill()
        self._stopping.set()
        self._leaving.set()
        await asyncio.wait({self._life})
        self._files.remove()

    def log(self, request: LogRequest) -> AsyncIterator[bytes] | None:
        """The log of a container, None when it has not written one."""
        for container in self._all:
            if container.name == request.container:
                log = container.previous_log if request.previous else container.log
                return None if log is None else log.read(request)
        return None

    @property
    def _all(self) -> list[Container]:
        return [*self._init, *self._containers]

    async def execute(self, container: str, command: list[str], streams: Streams) -> Execution:
        """A second program in one of its containers; raises `StartError`."""
        for one in self._all:
            if one.name == container:
                return await one.execute(command, streams)
        raise StartError(f"container not found ({container})")

    async def _live(self) -> None:
        reporting = asyncio.create_task(self._report())
        try:
            await self._run()
        finally:
            reporting.cancel()
            for container in self._all:
                container.close()
            if self._network is not None:
                self._network.close()
        await self._send_status()
        # A pod that has ended is kept, with its logs, until someone deletes it.
        await self._leaving.wait()
        if not self._gone:
            with contextlib.suppress(Refused, aiohttp.ClientError, TimeoutError):
                await self._api.delete(
                    self._path, {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}}
                )

    async def _run(self) -> None:
        work = asyncio.create_task(self._work())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait(
            {work, stopping},
            timeout=self.pod["spec"].get("activeDeadlineSeconds"),
            return_when=asyncio.FIRST_COMPLETED,
        )
        if not work.done():
            if not stopping.done():
                self._failure = Failure(
                    "DeadlineExceeded", "Pod was active on the node longer than specified"
                )
                self._stopping.set()
            await self._stop()
        stopping.cancel()
        await work

    async def _stop(self) -> None:
        """The containers; then the sidecars, last one first, in what is left of the grace."""
        began = time.monotonic()
        others = [one for one in self._init if not is_sidecar(one.spec)]
        await asyncio.gather(*(one.stop(self._grace) for one in (*others, *self._containers)))
        await self._stop_sidecars(self._grace - (time.monotonic() - began))

    async def _stop_sidecars(self, grace: float) -> None:
        until = time.monotonic() + grace
        for one in reversed([one for one in self._init if is_sidecar(one.spec)]):
            await one.stop(max(until - time.monotonic(), 0))

    async def _work(self) -> None:
        if not await self._set_up():
            return
        refreshing = asyncio.create_task(self._files.keep_fresh(self._due))
        sidecars: list[asyncio.Task[int]] = []
        try:
            if await self._initialize(sidecars):
                await asyncio.gather(*(c.run(self._policy) for c in self._containers))
            await self._stop_sidecars(self._grace)
            await asyncio.gather(*sidecars)
        finally:
            refreshing.cancel()

    async def _initialize(self, sidecars: list[asyncio.Task[int]]) -> bool:
        """Init containers, one after the other; False when one failed for good."""
        for container in self._init:
            if is_sidecar(container.spec):
                task = asyncio.create_task(container.run("Always"))
                up = asyncio.create_task(container.up.wait())
                sidecars.append(task)
                await asyncio.wait({task, up}, return_when=asyncio.FIRST_COMPLETED)
                up.cancel()
            elif await container.run("Never" if self._policy == "Never" else "OnFailure"):
                return False
        return True

    async def _set_up(self) -> bool:
        """Network and files, tried until they are there; False if the pod is stopped before."""
        delay = _RETRY_SECONDS
        while not self._stopping.is_set():
            try:
                await self._join_network()
                self._due = await self._files.write()
            except (ConfigurationError, HarnessError, OSError, aiohttp.ClientError) as error:
                self._warn("FailedMount", str(error))
            else:
                return True
            self._changed.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._stopping.wait()
            delay = min(delay * 2, _RETRY_LIMIT_SECONDS)
        return False

    async def _join_network(self) -> None:
        if self._network is not None:
            return
        spec, network = self.pod["spec"], self._place.network
        self._network = network.host() if spec.get("hostNetwork") else await network.add_pod()
        self._address = self._network.address
        users = []
        for one in [*(spec.get("initContainers") or []), *spec["containers"]]:
            image = find(one["image"])
            if image is not None:
                with contextlib.suppress(ConfigurationError):
                    users.append(user_of(one, self.pod, image))
        self._files.write_etc(self._address, self._hostname, users)

    async def _make_order(self, container: Object, image: Image, termination_log: Path) -> Order:
        if self._network is None:
            raise ConfigurationError("the pod has no network yet")
        # What the status will say: `fieldRef` may ask before it is reported.
        shown = self.pod | {"status": self._status()}
        variables = await environment_of(
            container,
            shown,
            self._runtime.brought_by(image, self._hostname),
            self._files.fetch,
        )
        return Order(
            container=container,
            pod=shown,
            image=image,
            environment=variables,
            mounts=self._files.mounts(container, termination_log),
            hostname=self._hostname,
            network=self._network,
            place=self._place,
        )

    def _status(self) -> Object:
        return status_of(
            PodFacts(
                pod=self.pod,
                init=self._init,
                containers=self._containers,
                host_ip=self._place.network.address,
                pod_ip=self._address,
                started=self._began,
                failure=self._failure,
            )
        )

    async def _report(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            if not await self._send_status():
                self._changed.set()
                await asyncio.sleep(_RETRY_LIMIT_SECONDS)

    async def _send_status(self) -> bool:
        """False if it has to be tried again."""
        if self._gone:
            return True
        try:
            answer = await self._api.patch(f"{self._path}/status", {"status": self._status()})
        except Refused as refused:
            return refused.code < _SERVER_ERROR
        except (aiohttp.ClientError, TimeoutError):
            return False
        if answer["metadata"]["uid"] == self.uid:
            self.pod = self._files.pod = self.pod | {"status": answer["status"]}
        return True

    def _warn(self, reason: str, message: str) -> None:
        """An Event of the pod, once for each message."""
        if message not in self._warned:
            self._warned.add(message)
            self._events.record("Warning", reason, message)

    def _tell(self, container: str, kind: str, reason: str, message: str) -> None:
        self._events.record(kind, reason, message, container)
