"""
Node groups: how many nodes there are, and where they come from.

What EC2, the auto scaling group and EKS do between `CreateNodegroup` and a node
that is Ready: an instance with an address and a role, a name made of its address,
an identity at the API server.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from conformance.cluster.apiserver.execution import ExecRequest
from conformance.cluster.apiserver.logs import LogRequest
from conformance.cluster.nodes.api import ApiClient, Object
from conformance.cluster.nodes.containers import FIRST_BACKOFF_SECONDS
from conformance.cluster.nodes.entering import Execution
from conformance.cluster.nodes.interface import Network, NodeNetwork
from conformance.cluster.nodes.kubelet import Kubelet
from conformance.cluster.nodes.metadata_options import MetadataOptions
from conformance.cluster.nodes.metadata_service import Instance
from conformance.cluster.nodes.node_object import NodeIdentity
from conformance.cluster.nodes.runtime import Runtime, StartError

_SHARED_ADDRESS = "127.0.0.1"
_NOW = {"gracePeriodSeconds": 0}

ConnectAs = Callable[[str], ApiClient]
"""A client with the identity of the node of that name."""


class NodeGroups:
    """All nodes of a cluster, by the group they belong to."""

    def __init__(
        self,
        network: Network,
        admin: ApiClient,
        connect_as: ConnectAs,
        runtime: Runtime,
        folder: Path,
        *,
        region: str,
        version: str,
        backoff_seconds: float = FIRST_BACKOFF_SECONDS,
    ) -> None:
        self._network = network
        self._admin = admin
        self._connect_as = connect_as
        self._runtime = runtime
        self._folder = folder
        self._region = region
        self._version = version
        self._backoff_seconds = backoff_seconds
        self._groups: dict[str, list[Kubelet]] = {}
        self._serial = count(2)
        self._changing = asyncio.Lock()

    @property
    def nodes(self) -> list[Kubelet]:
        return [node for group in self._groups.values() for node in group]

    async def scale(
        self,
        group: str,
        desired: int,
        role_arn: str,
        labels: dict[str, str],
        taints: Sequence[Object] = (),
    ) -> None:
        """
        Add or remove nodes until the group has `desired`; new ones are Ready.

        Labels and taints are those of nodes that are there already, too.
        """
        async with self._changing:
            MetadataOptions.of(labels)  # refused before anything is made
            nodes = self._groups.setdefault(group, [])
            while len(nodes) > desired:
                await self._remove(nodes.pop())
            for node in nodes:
                await node.relabel(labels)
                await self._retaint(node, tuple(taints))
            missing = desired - len(nodes)
            made = await asyncio.gather(
                *(self._add(group, role_arn, labels, tuple(taints)) for _ in range(missing)),
                return_exceptions=True,
            )
            nodes += [node for node in made if isinstance(node, Kubelet)]
            for failed in made:
                if isinstance(failed, BaseException):
                    raise failed

    async def remove(self, group: str) -> None:
        """The group's nodes are gone, with their pods; a group that is not there is fine."""
        async with self._changing:
            await asyncio.gather(*(self._remove(node) for node in self._groups.pop(group, [])))

    async def stop(self) -> None:
        """Kill every pod of every node, without a word to the API server."""
        await asyncio.gather(*(node.stop() for node in self.nodes))
        self._groups.clear()

    def log(self, request: LogRequest) -> AsyncIterator[bytes] | None:
        """A container's log from whichever node has it."""
        for node in self.nodes:
            if node.identity.name == request.node:
                return node.log(request)
        return None

    async def execute(self, request: ExecRequest) -> Execution:
        """`kubectl exec` on whichever node has the pod; raises `StartError`."""
        for node in self.nodes:
            if node.identity.name == request.node:
                return await node.execute(request)
        raise StartError(f"node {request.node} is not there")

    def instance_of(self, address: str) -> Instance | None:
        """The node that traffic from this address comes from."""
        for node in self.nodes:
            if node.owns(address):
                return Instance(node.identity, node.metadata_options, node.launched)
        return None

    async def _retaint(self, node: Kubelet, taints: tuple[Object, ...]) -> None:
        """The group's taints are these now; what others tainted the node with stays."""
        before = node.identity.taints
        if taints == before:
            return
        node.identity = replace(node.identity, taints=taints)
        path = f"/api/v1/nodes/{node.identity.name}"
        now = (await self._admin.get(path))["spec"].get("taints") or []
        ours = {(taint["key"], taint["effect"]) for taint in (*before, *taints)}
        kept = [taint for taint in now if (taint["key"], taint["effect"]) not in ours]
        await self._admin.patch(path, {"spec": {"taints": [*kept, *taints]}})

    async def _add(
        self, group: str, role_arn: str, labels: dict[str, str], taints: tuple[Object, ...]
    ) -> Kubelet:
        network = await self._network.add_node()
        identity = NodeIdentity(
            name=self._name(network),
            address=network.address,
            instance_id=f"i-{secrets.token_hex(9)[:17]}",
            region=self._region,
            node_group=group,
            role_arn=role_arn,
            labels=labels,
            taints=taints,
        )
        node = Kubelet(
            identity,
            network,
            self._connect_as(identity.name),
            self._runtime,
            self._folder / identity.instance_id,
            version=self._version,
            backoff_seconds=self._backoff_seconds,
        )
        try:
            await node.start()
        except BaseException:
            await node.stop()
            raise
        return node

    def _name(self, network: NodeNetwork) -> str:
        """As EKS names nodes: after their private address."""
        address = network.address
        if address == _SHARED_ADDRESS:
            serial = next(self._serial)
            address = f"100.64.{serial >> 8}.{serial & 255}"
        return f"ip-{address.replace('.', '-')}.{self._region}.compute.internal"

    async def _remove(self, node: Kubelet) -> None:
        name = node.identity.name
        # First the node: a DaemonSet would replace its pod on a node that is still there.
        await self._admin.delete(f"/api/v1/nodes/{name}")
        await self._delete_pods(name)
        await node.stop()
        await self._delete_pods(name)
        await self._admin.delete(
            f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}"
        )

    async def _delete_pods(self, node: str) -> None:
        listed = await self._admin.call(
            "GET", "/api/v1/pods", query={"fieldSelector": f"spec.nodeName={node}"}
        )
        for pod in listed.get("items") or []:
            metadata = pod["metadata"]
            path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
            await self._admin.delete(path, _NOW)
