"""
The network of last resort: nodes and pods share the host's loopback.

For machines where neither root nor user namespaces are to be had. Tokens,
webhook, EKS Auth and IAM are as real as elsewhere. What is lost: a node has no
agent of its own (the kernel picks one of those that listen), a pod can reach
everything that the host can, and 169.254.170.23 is 127.0.0.1. There is no instance
metadata service either: at its address a real one may answer. So no scenario that
needs `node-isolation` can be proved here.
"""

import socket
from collections.abc import Callable
from typing import TypeVar

from conformance.cluster.nodes.interface import NodeNetwork, PodNetwork, Tier, unconnected
from conformance.cluster.nodes.namespaces import NamespaceThread

LOOPBACK = "127.0.0.1"

T = TypeVar("T")


class LoopbackPod:
    """The host's network, as a pod or as a node."""

    address = LOOPBACK

    def __init__(self, spawner: NamespaceThread) -> None:
        self._spawner = spawner

    async def run(self, job: Callable[[], T]) -> T:
        return await self._spawner.run(job)

    def close(self) -> None:
        """Nothing is held."""


class LoopbackNode(LoopbackPod):
    """A node on 127.0.0.1; agents of all nodes share one port."""

    agent_addresses: tuple[str, ...] = (LOOPBACK,)

    def listen(self, address: str, port: int) -> socket.socket:
        listener = _reusable(address, port)
        listener.listen(512)
        return listener

    def outbound(self, family: int, kind: int) -> socket.socket:
        return unconnected(family, kind)

    async def add_pod(self) -> PodNetwork:
        return LoopbackPod(self._spawner)

    def host(self) -> PodNetwork:
        return LoopbackPod(self._spawner)

    def owns(self, address: str) -> bool:
        return address == LOOPBACK


class LoopbackNetwork:
    """No hub: AWS listens on loopback already."""

    tier: Tier = "loopback"
    hub_address = LOOPBACK
    ipv6 = False

    def __init__(self, spawner: NamespaceThread) -> None:
        self._spawner = spawner
        # Bound but never listening: keeps the agents' port ours until the end.
        self._reserved = _reusable(LOOPBACK, 0)
        self.agent_port: int = self._reserved.getsockname()[1]

    def listen_at_hub(self, port: int) -> socket.socket | None:  # noqa: ARG002 - as Network
        return None

    def listen_for_metadata(self) -> socket.socket | None:
        return None

    def listen_for_api(self) -> socket.socket | None:
        return None

    async def add_node(self) -> NodeNetwork:
        return LoopbackNode(self._spawner)

    def close(self) -> None:
        self._reserved.close()


def _reusable(address: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind((address, port))
    made.setblocking(False)
    return made
