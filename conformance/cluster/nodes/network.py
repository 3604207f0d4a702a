"""
The networks of hub, nodes and pods.

    hub (100.64.0.1) ──── node N (100.64.0.N+1) ──── pod P (100.64.N.P)
     AWS, for pods         pod-id-link0:              default route through
     169.254.169.254       169.254.170.23              its node
     10.100.0.1            fd00:ec2::23

Every node really has its own 169.254.170.23, as on EKS, so a pod can only ask
the agent of its own node. The hub holds what lies before a node in a VPC: the
instance metadata service, one hop from a node and two from its pods, and the address
of the service `kubernetes`. Nothing has an uplink: the internet is unreachable however
a pod tries. All is held by file descriptors, without names, so parallel environments
never meet and the kernel removes everything when the process ends.

The shape is that of the VPC CNI: a pod has a /32 and one neighbour, its node.
The agent makes a link of type dummy for its addresses; kernels without that type
accept a bridge without ports instead (eks-pod-identity-agent, pkg/initalizer).
"""

import os
import socket
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any, TypeVar

from conformance.cluster.nodes.interface import Tier, listen, unconnected
from conformance.cluster.nodes.namespaces import (
    NamespaceThread,
    make_network_namespace,
    set_sysctl,
)
from conformance.errors import HarnessError

HUB_ADDRESS = "100.64.0.1"
AGENT_ADDRESS = "169.254.170.23"
AGENT_ADDRESS_6 = "fd00:ec2::23"
AGENT_LINK = "pod-id-link0"
METADATA_ADDRESS = "169.254.169.254"
API_ADDRESS = "10.100.0.1"
"""The first address of EKS's default service network, which the service `kubernetes` has."""
API_PORT = 443

_GATEWAY = "169.254.1.1"
_GATEWAY_6 = "fe80::1"
_NODE_SIDE_MAC = "02:00:00:00:00:01"
_BRIDGE = "nodes"
_SERVICES = "10.100.0.0/16"
_LOOPBACK_LINK = 1
_SCOPE_LINK = 253
_NODAD = 0x02  # IFA_F_NODAD: the address is usable at once, nobody else can have it
_LAST_NODE = 253
_LAST_POD = 254

T = TypeVar("T")


def _open_routes() -> Any:
    """A netlink socket of the calling thread's namespace; it stays there and on the thread."""
    # Imported late: it costs 0.2 s, and the loopback tier never needs it.
    from pyroute2 import IPRoute  # noqa: PLC0415 - see above

    return IPRoute()


def _index(routes: Any, name: str) -> int:
    (index,) = routes.link_lookup(ifname=name)
    return int(index)


def _quiet_namespace() -> int:
    """A new namespace with loopback up, forwarding on and no duplicate address detection."""
    namespace = make_network_namespace()
    set_sysctl("ipv4/ip_forward", "1")
    if Path("/proc/sys/net/ipv6").exists():
        set_sysctl("ipv6/conf/all/forwarding", "1")
        set_sysctl("ipv6/conf/default/accept_dad", "0")
    return namespace


def _has_ipv6() -> bool:
    return Path("/proc/net/if_inet6").exists()


class _Numbers:
    """Numbers from 1 on, going round: one just given back is not the next one taken."""

    def __init__(self, last: int) -> None:
        self._last = last
        self._next = cycle(range(1, last + 1))
        self._taken: set[int] = set()

    def take(self) -> int:
        if len(self._taken) == self._last:
            raise HarnessError("node network: no address is left", saw=f"{self._last} are in use")
        number = next(n for n in self._next if n not in self._taken)
        self._taken.add(number)
        return number

    def give_back(self, number: int) -> None:
        self._taken.discard(number)


class NamespaceNetwork:
    """Hub, nodes and pods as network namespaces: the tiers `root` and `userns`."""

    def __init__(self, tier: Tier, spawner: NamespaceThread, sockets: NamespaceThread) -> None:
        """
        Make the hub. Raises `OSError` or `HarnessError` where that is not allowed.

        `spawner` builds namespaces and starts processes; `sockets` is a second
        thread, so that the agent's outbound sockets never wait for a pod.
        """
        self.tier = tier
        self.hub_address = HUB_ADDRESS
        self.agent_port = 80
        self.ipv6 = _has_ipv6()
        self._numbers = _Numbers(_LAST_NODE)
        self._spawner = spawner
        self._sockets = sockets
        self._namespace, self._routes = spawner.call(self._build)

    @staticmethod
    def _build() -> tuple[int, Any]:
        namespace = _quiet_namespace()
        routes = _open_routes()
        routes.link("set", index=_LOOPBACK_LINK, state="up")
        routes.link("add", ifname=_BRIDGE, kind="bridge")
        routes.link("set", index=_index(routes, _BRIDGE), state="up")
        bridge = _index(routes, _BRIDGE)
        routes.addr("add", index=bridge, address=HUB_ADDRESS, prefixlen=24)
        for address in (METADATA_ADDRESS, API_ADDRESS):
            routes.addr("add", index=bridge, address=address, prefixlen=32)
        return namespace, routes

    def listen_at_hub(self, port: int) -> socket.socket:
        return self._listen(HUB_ADDRESS, port)

    def listen_for_metadata(self) -> socket.socket:
        return self._listen(METADATA_ADDRESS, 80)

    def listen_for_api(self) -> socket.socket:
        return self._listen(API_ADDRESS, API_PORT)

    def _listen(self, address: str, port: int) -> socket.socket:
        return self._sockets.call(lambda: listen(address, port), self._namespace)

    async def add_node(self) -> "NamespaceNode":
        number = self._numbers.take()

        def build() -> NamespaceNode:
            node = NamespaceNode(number, self._spawner, self._sockets, self._numbers.give_back)
            try:
                node.join(self._namespace, self._routes)
            except BaseException:
                node.close_here()
                raise
            return node

        return await self._spawner.run(build)

    def close(self) -> None:
        self._spawner.call(self._routes.close)
        self._sockets.close()
        os.close(self._namespace)


class NamespaceNode:
    """A node's namespace. Made, and its routes used, on the spawner thread only."""

    def __init__(
        self,
        number: int,
        spawner: NamespaceThread,
        sockets: NamespaceThread,
        give_back: Callable[[int], None],
    ) -> None:
        self.number = number
        self.address = f"100.64.0.{number + 1}"
        self._spawner = spawner
        self._sockets = sockets
        self._give_back = give_back
        self._pods = _Numbers(_LAST_POD)
        self._namespace = _quiet_namespace()
        self._routes = _open_routes()
        self.ipv6 = _has_ipv6()
        self.agent_addresses: tuple[str, ...] = (
            (AGENT_ADDRESS, AGENT_ADDRESS_6) if self.ipv6 else (AGENT_ADDRESS,)
        )

    def join(self, hub: int, hub_routes: Any) -> None:
        """Connect to the hub, and put the agent's addresses on the node."""
        routes = self._routes
        routes.link("set", index=_LOOPBACK_LINK, state="up")
        far_end = f"node{self.number}"
        routes.link("add", ifname="eth0", kind="veth", peer={"ifname": far_end, "net_ns_fd": hub})
        eth0 = _index(routes, "eth0")
        routes.addr("add", index=eth0, address=self.address, prefixlen=24)
        routes.link("set", index=eth0, state="up")
        hub_routes.link(
            "set", index=_index(hub_routes, far_end), master=_index(hub_routes, _BRIDGE), state="up"
        )
        # Pods of other nodes are reached through the hub. There is no default route.
        routes.route("add", dst="100.64.0.0/16", gateway=HUB_ADDRESS)
        routes.route("add", dst=_SERVICES, gateway=HUB_ADDRESS)
        routes.route("add", dst=f"{METADATA_ADDRESS}/32", oif=eth0, scope=_SCOPE_LINK)
        hub_routes.route("add", dst=f"100.64.{self.number}.0/24", gateway=self.address)
        self._add_agent_link()

    def _add_agent_link(self) -> None:
        from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415 - see _open_routes

        routes = self._routes
        try:
            routes.link("add", ifname=AGENT_LINK, kind="dummy")
        except NetlinkError:
            routes.link("add", ifname=AGENT_LINK, kind="bridge")
        link = _index(routes, AGENT_LINK)
        routes.link("set", index=link, state="up")
        routes.addr("add", index=link, address=AGENT_ADDRESS, prefixlen=32)
        if self.ipv6:
            routes.addr("add", index=link, address=AGENT_ADDRESS_6, prefixlen=128, flags=_NODAD)

    def add_pod_here(self) -> "NamespacePod":
        """Build a pod's network; on the spawner thread."""
        number = self._pods.take()
        address, address_6 = (
            f"100.64.{self.number}.{number}",
            f"fd00:64:{self.number:x}::{number:x}",
        )
        namespace = make_network_namespace()
        try:
            with _open_routes() as inside:
                self._connect(namespace, inside, f"pod{number}", address, address_6)
        except BaseException:
            os.close(namespace)
            self._pods.give_back(number)
            raise
        return NamespacePod(address, namespace, self._spawner, lambda: self._pods.give_back(number))

    def _connect(
        self, namespace: int, inside: Any, near_end: str, address: str, address_6: str
    ) -> None:
        outside = self._routes
        outside.link(
            "add",
            ifname=near_end,
            kind="veth",
            address=_NODE_SIDE_MAC,
            peer={"ifname": "eth0", "net_ns_fd": namespace},
        )
        near = _index(outside, near_end)
        eth0 = _index(inside, "eth0")
        inside.link("set", index=_LOOPBACK_LINK, state="up")
        inside.addr("add", index=eth0, address=address, prefixlen=32)
        inside.link("set", index=eth0, state="up")
        outside.link("set", index=near, state="up")
        outside.route("add", dst=f"{address}/32", oif=near, scope=_SCOPE_LINK)
        inside.neigh("add", ifindex=eth0, dst=_GATEWAY, lladdr=_NODE_SIDE_MAC, state="permanent")
        inside.route("add", dst=f"{_GATEWAY}/32", oif=eth0, scope=_SCOPE_LINK)
        inside.route("add", dst="0.0.0.0/0", gateway=_GATEWAY, oif=eth0)
        if self.ipv6:
            inside.addr("add", index=eth0, address=address_6, prefixlen=128, flags=_NODAD)
            inside.neigh(
                "add", ifindex=eth0, dst=_GATEWAY_6, lladdr=_NODE_SIDE_MAC, state="permanent"
            )
            # No default route: an unreachable IPv6 address is only noticed after a second.
            for reached in (f"{AGENT_ADDRESS_6}/128", "fd00:64::/32"):
                inside.route("add", dst=reached, gateway=_GATEWAY_6, oif=eth0)
            outside.route("add", dst=f"{address_6}/128", oif=near)

    async def add_pod(self) -> "NamespacePod":
        return await self._spawner.run(self.add_pod_here)

    async def run(self, job: Callable[[], T]) -> T:
        return await self._spawner.run(job, self._namespace)

    def listen(self, address: str, port: int) -> socket.socket:
        return self._sockets.call(lambda: listen(address, port), self._namespace)

    def outbound(self, family: int, kind: int) -> socket.socket:
        return self._sockets.call(lambda: unconnected(family, kind), self._namespace)

    def host(self) -> "NamespacePod":
        return NamespacePod(self.address, os.dup(self._namespace), self._spawner, lambda: None)

    def owns(self, address: str) -> bool:
        return address == self.address or address.startswith(f"100.64.{self.number}.")

    def close_here(self) -> None:
        """As `close`, on the spawner thread."""
        self._routes.close()
        os.close(self._namespace)
        self._give_back(self.number)

    def close(self) -> None:
        self._spawner.call(self.close_here)


class NamespacePod:
    """A pod's namespace, held by its descriptor and by the processes in it."""

    def __init__(
        self,
        address: str,
        namespace: int,
        spawner: NamespaceThread,
        give_up_address: Callable[[], None],
    ) -> None:
        self.address = address
        self._namespace = namespace
        self._spawner = spawner
        self._give_up_address = give_up_address

    async def run(self, job: Callable[[], T]) -> T:
        return await self._spawner.run(job, self._namespace)

    def close(self) -> None:
        os.close(self._namespace)
        self._give_up_address()
