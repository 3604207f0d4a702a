"""
Events of pods, as a kubelet records them: Pulled, Created, Started, Killing, BackOff.

People look here first when a pod does not start. A node writes them one after the
other in the background, so that no container waits for its own story. What is said
again is counted, not repeated. Source: client-go tools/record.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from time import time_ns

import aiohttp

from conformance.cluster.nodes.api import ApiClient, Object, Refused
from conformance.cluster.nodes.containers import now

_UNSENT = 1000
"""Events that may wait; what comes on top is lost, as with client-go."""


@dataclass
class _Said:
    path: str
    count: int = 1


@dataclass
class PodEvents:
    """The events of one pod."""

    pod: Object
    recorder: "EventRecorder"
    _said: dict[tuple[str, str, str], _Said] = field(default_factory=dict)

    def record(self, kind: str, reason: str, message: str, container: str = "") -> None:
        """`kind` is Normal or Warning; `container` is a field path such as `containers{main}`."""
        key = (reason, message, container)
        known = self._said.get(key)
        if known is not None:
            known.count += 1
            again = {"count": known.count, "lastTimestamp": now()}
            self.recorder.send("PATCH", known.path, again)
            return
        metadata = self.pod["metadata"]
        name = f"{metadata['name']}.{self.recorder.serial():016x}"
        collection = f"/api/v1/namespaces/{metadata['namespace']}/events"
        self._said[key] = _Said(f"{collection}/{name}")
        about = {
            "apiVersion": "v1",
            "kind": "Pod",
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        }
        if container:
            about["fieldPath"] = f"spec.{container}"
        moment = now()
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": metadata["namespace"]},
            "involvedObject": about,
            "type": kind,
            "reason": reason,
            "message": message,
            "source": {"component": "kubelet", "host": self.recorder.node},
            "reportingComponent": "kubelet",
            "reportingInstance": self.recorder.node,
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "count": 1,
        }
        self.recorder.send("POST", collection, event)


class EventRecorder:
    """Writes the events of all pods of one node."""

    def __init__(self, api: ApiClient, node: str) -> None:
        self.node = node
        self._api = api
        self._unsent: asyncio.Queue[tuple[str, str, Object]] = asyncio.Queue(_UNSENT)
        self._serial = 0

    def of(self, pod: Object) -> PodEvents:
        return PodEvents(pod, self)

    def serial(self) -> int:
        """A number that no other event of this node has; it sorts by time."""
        self._serial = max(self._serial + 1, time_ns())
        return self._serial

    def send(self, method: str, path: str, body: Object) -> None:
        with suppress(asyncio.QueueFull):
            self._unsent.put_nowait((method, path, body))

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            method, path, body = await self._unsent.get()
            with suppress(Refused, aiohttp.ClientError, TimeoutError):
                if method == "PATCH":
                    await self._api.patch(path, body)
                else:
                    await self._api.create(path, body)
