"""
What the rest of a node knows of its network, whichever tier it is.
"""

import socket
from collections.abc import Callable
from typing import Literal, Protocol, TypeVar

Tier = Literal["root", "userns", "loopback"]

T = TypeVar("T")


class PodNetwork(Protocol):
    """Where the containers of a pod run."""

    address: str
    """The pod's IP."""

    async def run(self, job: Callable[[], T]) -> T:
        """Run `job`, which starts a process, inside the pod's network."""
        ...

    def close(self) -> None:
        """Let go of the network; it ends with the last process in it."""
        ...


class NodeNetwork(Protocol):
    """The network of a node."""

    address: str
    agent_addresses: tuple[str, ...]
    """Addresses on which the agent serves this node's pods."""

    async def run(self, job: Callable[[], T]) -> T: ...

    def listen(self, address: str, port: int) -> socket.socket:
        """A listening TCP socket in the node's network. Raises `OSError` as bind(2) does."""
        ...

    def outbound(self, family: int, kind: int) -> socket.socket:
        """An unconnected, non-blocking socket for outbound traffic of the node."""
        ...

    async def add_pod(self) -> PodNetwork: ...

    def host(self) -> PodNetwork:
        """The node's own network, as a pod with `hostNetwork` sees it."""
        ...

    def owns(self, address: str) -> bool:
        """Whether traffic from this address comes from the node or one of its pods."""
        ...

    def close(self) -> None: ...


class Network(Protocol):
    """All networks of a cluster."""

    tier: Tier
    hub_address: str
    """The address at which pods reach AWS."""
    agent_port: int
    """The port of the agents' addresses."""
    ipv6: bool
    """Whether agents have an address of IPv6, too."""

    def listen_at_hub(self, port: int) -> socket.socket | None:
        """A listening socket at the hub; None where pods share the host's loopback."""
        ...

    def listen_for_metadata(self) -> socket.socket | None:
        """Where the instance metadata service listens; None without own networks."""
        ...

    def listen_for_api(self) -> socket.socket | None:
        """Where pods reach the API server; None where pods share the host's loopback."""
        ...

    async def add_node(self) -> NodeNetwork: ...

    def close(self) -> None: ...


def listen(address: str, port: int) -> socket.socket:
    """A non-blocking TCP socket that listens in the calling thread's namespace."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        listener.bind((address, port))
    except OSError:
        listener.close()
        raise
    listener.listen(512)
    listener.setblocking(False)
    return listener


def unconnected(family: int, kind: int) -> socket.socket:
    """A non-blocking socket of the calling thread's namespace, for an outbound connection."""
    made = socket.socket(family, kind)
    made.setblocking(False)
    return made
