"""
A node: registers itself, beats, and does what the API server says about its pods.

Everything goes through the API server, under the node's own identity, as a real
kubelet's does. So the same code makes nodes of a real kube-apiserver.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from conformance.cluster.apiserver.execution import ExecRequest
from conformance.cluster.apiserver.logs import LogRequest
from conformance.cluster.nodes.api import ApiClient, Object, Refused
from conformance.cluster.nodes.containers import FIRST_BACKOFF_SECONDS
from conformance.cluster.nodes.entering import Execution
from conformance.cluster.nodes.events import EventRecorder
from conformance.cluster.nodes.interface import NodeNetwork
from conformance.cluster.nodes.metadata_options import MetadataOptions
from conformance.cluster.nodes.node_object import NodeIdentity, lease, node_object, node_status
from conformance.cluster.nodes.pods import PodOnNode
from conformance.cluster.nodes.runtime import NodePlace, Runtime, StartError

_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_HEARTBEAT_SECONDS = 10.0
_OVER = ("Succeeded", "Failed")


class Kubelet:
    """One node of the cluster."""

    def __init__(
        self,
        identity: NodeIdentity,
        network: NodeNetwork,
        api: ApiClient,
        runtime: Runtime,
        folder: Path,
        *,
        version: str,
        backoff_seconds: float = FIRST_BACKOFF_SECONDS,
    ) -> None:
        """`folder` is the node's own. `network` and `api` are closed with the node."""
        self.identity = identity
        self._network = network
        self._api = api
        self._runtime = runtime
        self._folder = folder
        self._version = version
        self._backoff_seconds = backoff_seconds
        self.launched = datetime.now(UTC)
        self.metadata_options = MetadataOptions.of(identity.labels)
        self._place = NodePlace(identity.name, network, identity.role_arn, identity.instance_id)
        self._events = EventRecorder(api, identity.name)
        self._pods: dict[str, PodOnNode] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._endings: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Register; the node is Ready when this returns. Raises `Refused`."""
        await self._api.create_or_replace(
            "/api/v1/nodes", node_object(self.identity, self._version)
        )
        # A node is born with a taint that a controller takes away once its status says Ready.
        await self._api.patch(
            f"/api/v1/nodes/{self.identity.name}/status",
            {"status": node_status(self.identity, self._version)},
        )
        self._tasks = [
            asyncio.create_task(self._beat(), name=f"lease of {self.identity.name}"),
            asyncio.create_task(self._watch(), name=f"pods of {self.identity.name}"),
            asyncio.create_task(self._events.run(), name=f"events of {self.identity.name}"),
        ]

    async def relabel(self, labels: dict[str, str]) -> None:
        """The group's labels are these now: the Node gets them, and the metadata options."""
        before = self.identity.labels
        if labels == before:
            return
        self.metadata_options = MetadataOptions.of(labels)
        self.identity = replace(self.identity, labels=labels)
        gone = dict.fromkeys(set(before) - set(labels))
        await self._api.patch(
            f"/api/v1/nodes/{self.identity.name}", {"metadata": {"labels": gone | labels}}
        )

    def owns(self, address: str) -> bool:
        """Whether traffic from this address comes from the node or one of its pods."""
        return self._network.owns(address)

    async def stop(self) -> None:
        """Kill every pod and leave; nothing of the node runs when this returns."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(pod.end() for pod in self._pods.values()), *self._endings)
        self._pods.clear()
        self._network.close()
        await self._api.close()

    def log(self, request: LogRequest) -> AsyncIterator[bytes] | None:
        """A container's log; None when this node has none."""
        pod = self._pods.get(request.pod_uid)
        return None if pod is None else pod.log(request)

    async def execute(self, request: ExecRequest) -> Execution:
        """`kubectl exec`; raises `StartError`."""
        pod = self._pods.get(request.pod_uid)
        if pod is None:
            raise StartError(f"pod {request.pod} is not on this node")
        return await pod.execute(request.container, list(request.command), request.streams)

    async def _beat(self) -> None:
        while True:
            moment = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
            with contextlib.suppress(Refused, aiohttp.ClientError, TimeoutError):
                await self._api.create_or_replace(_LEASES, lease(self.identity.name, moment))
            await asyncio.sleep(_HEARTBEAT_SECONDS)

    async def _watch(self) -> None:
        query = {"fieldSelector": f"spec.nodeName={self.identity.name}"}
        async for kind, item in self._api.follow("/api/v1/pods", query):
            if kind == "SYNC":
                there = item.get("items") or []
                for pod in there:
                    self._changed(pod)
                for uid in set(self._pods) - {pod["metadata"]["uid"] for pod in there}:
                    self._removed(uid)
            elif kind == "DELETED":
                self._removed(item["metadata"]["uid"])
            else:
                self._changed(item)

    def _changed(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        known = self._pods.get(uid)
        if known is not None:
            known.seen(pod)
            return
        if (pod.get("status") or {}).get("phase") in _OVER:
            return
        known = self._pods[uid] = PodOnNode(
            pod,
            self._place,
            self._api,
            self._runtime,
            self._folder / uid,
            events=self._events.of(pod),
            backoff_seconds=self._backoff_seconds,
        )
        # A pod that is being deleted before it was ever seen still has to be let go.
        known.seen(pod)

    def _removed(self, uid: str) -> None:
        pod = self._pods.pop(uid, None)
        if pod is not None:
            ending = asyncio.create_task(pod.end())
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)
