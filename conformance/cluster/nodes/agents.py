"""
The image `eks-pod-identity-agent`: AWS's command line in front of our agent.

The agent runs inside the cluster process but lives on its node: its listening and
outbound sockets belong to the node's network, its lines are its pod's log, and a
flag it does not know or an address it cannot bind ends its container, as on EKS.
"""

import argparse
import asyncio
import json
import re
import socket
from collections.abc import Callable
from typing import NoReturn

from aiohttp import AddrInfoType

from conformance.cluster.agent.agent import Agent
from conformance.cluster.agent.clock import Clock
from conformance.cluster.agent.interface import (
    IPV4_HOST,
    KeySet,
    Listener,
    NodeCredentialsProvider,
    Settings,
)
from conformance.cluster.agent.profiles import AgentProfile
from conformance.cluster.apiserver.execution import Streams
from conformance.cluster.nodes.entering import Execution
from conformance.cluster.nodes.interface import NodeNetwork
from conformance.cluster.nodes.logs import ContainerLog
from conformance.cluster.nodes.network import AGENT_ADDRESS
from conformance.cluster.nodes.runtime import NodePlace, Started, nothing_to_execute
from conformance.faults import ActiveFaults

_DEFAULTS = Settings()
_LOOPBACK = "127.0.0.1"
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_FOR_CONTAINERS = ("/go-runner", "/eks-pod-identity-agent", "eks-pod-identity-agent")

CredentialsOf = Callable[[str, str], NodeCredentialsProvider]
"""The credentials of a node, by the ARN of its role and its instance's id."""


class _UsageError(Exception):
    """The command line that the real agent would refuse."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _UsageError(message)


def _duration(text: str) -> float:
    """Go's notation, such as 3h or 1m30s, in seconds."""
    parts = _DURATION.findall(text)
    if "".join(number + unit for number, unit in parts) != text or not text:
        raise argparse.ArgumentTypeError(f'time: invalid duration "{text}"')
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _parser() -> _Parser:
    """The flags of `server` in 0.1.37; those without effect here are accepted."""
    parser = _Parser(prog="eks-pod-identity-agent", add_help=False, allow_abbrev=False)
    parser.add_argument("-c", "--cluster-name", required=True)
    parser.add_argument("-p", "--port", type=int, default=80)
    parser.add_argument("-b", "--bind-hosts", action="append")
    parser.add_argument("--probe-port", type=int, default=2703)
    parser.add_argument("--metrics-address", default="0.0.0.0")  # noqa: S104 - of the node's own network
    parser.add_argument("--metrics-port", type=int, default=2705)
    parser.add_argument("--max-cache-size", type=int, default=_DEFAULTS.max_cache_size)
    parser.add_argument("--max-service-qps", type=int, default=_DEFAULTS.max_service_qps)
    parser.add_argument(
        "--max-credential-retention-before-renewal",
        type=_duration,
        default=_DEFAULTS.max_credential_retention_seconds,
    )
    parser.add_argument("--endpoint", default="")
    parser.add_argument("--rotate-credentials", nargs="?", const="true", default="false")
    parser.add_argument("-v", "--verbosity", default="info")
    return parser


class AgentImage:
    """Starts agents for the nodes of one cluster."""

    def __init__(
        self,
        profile: AgentProfile,
        *,
        region: str,
        eks_auth_endpoint: str,
        credentials_of: CredentialsOf,
        faults: ActiveFaults,
        agent_port: int,
        jwks: KeySet,
        clock: Clock | None = None,
    ) -> None:
        """`agent_port` is 80, or what stands for it where nodes share the host's loopback."""
        self._clock = clock
        self._profile = profile
        self._region = region
        self._endpoint = eks_auth_endpoint
        self._credentials_of = credentials_of
        self._faults = faults
        self._agent_port = agent_port
        self._jwks = jwks

    async def start(self, place: NodePlace, argv: list[str], log: ContainerLog) -> Started:
        """Run `argv` on a node; what the real one does not survive, ours does not either."""

        def say(line: str) -> None:
            if not log.ended:
                log.write([line.encode()], "stdout")

        command, *arguments = [one for one in argv if one not in _FOR_CONTAINERS] or [""]
        if command == "initialize":
            # The node's addresses are there: see network.py.
            return Ended(0)
        if command != "server":
            log.write([f"Error: unknown command {json.dumps(command)}".encode()], "stderr")
            return Ended(1)
        try:
            agent = self._agent(place, _parser().parse_args(arguments), say)
        except _UsageError as error:
            log.write([f"Error: {error}".encode()], "stderr")
            return Ended(1)
        except OSError as error:
            say(json.dumps({"level": "fatal", "msg": f"Unable to start server: {error}"}))
            return Ended(1)
        await agent.start()
        return RunningAgent(agent)

    def _agent(
        self, place: NodePlace, flags: argparse.Namespace, say: Callable[[str], None]
    ) -> Agent:
        network = place.network
        shared = network.address == _LOOPBACK
        opened: list[socket.socket] = []

        def listen(address: str, port: int) -> socket.socket:
            opened.append(network.listen(address, port))
            return opened[-1]

        try:
            if shared:
                listeners = [Listener(IPV4_HOST, listen(_LOOPBACK, self._agent_port))]
                probe = metrics = None
            else:
                listeners = [
                    Listener(host, listen(host.strip("[]"), flags.port))
                    for host in flags.bind_hosts or _default_hosts(network)
                ]
                probe = listen(_LOOPBACK, flags.probe_port)
                metrics = listen(flags.metrics_address, flags.metrics_port)
        except OSError:
            for made in opened:
                made.close()
            raise

        def connect(address: AddrInfoType) -> socket.socket:
            return network.outbound(address[0], address[1])

        return Agent(
            self._profile,
            cluster_name=flags.cluster_name,
            region=self._region,
            eks_auth_endpoint=flags.endpoint or self._endpoint,
            node_credentials=self._credentials_of(place.role_arn, place.instance_id),
            listeners=listeners,
            connect=connect,
            log=say,
            faults=self._faults,
            probe=probe,
            metrics=metrics,
            jwks=self._jwks,
            clock=self._clock,
            settings=Settings(
                max_credential_retention_seconds=flags.max_credential_retention_before_renewal,
                max_cache_size=flags.max_cache_size,
                max_service_qps=flags.max_service_qps,
                extra_hosts=(_LOOPBACK,) if shared else (),
            ),
        )


def _default_hosts(network: NodeNetwork) -> list[str]:
    return [a if a == AGENT_ADDRESS else f"[{a}]" for a in network.agent_addresses]


class RunningAgent:
    """An agent as a run of its container."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._stopping = asyncio.Event()
        self._code = 0
        self._closing = asyncio.create_task(self._close())

    async def _close(self) -> None:
        await self._stopping.wait()
        await self._agent.close()

    async def wait(self) -> int:
        await asyncio.shield(self._closing)
        return self._code

    def terminate(self) -> None:
        self._stopping.set()

    def kill(self) -> None:
        self._code = 137
        self._stopping.set()

    async def execute(self, command: list[str], streams: Streams) -> Execution:  # noqa: ARG002
        raise nothing_to_execute(command)


class Ended:
    """A program that has ended before anyone could look."""

    def __init__(self, code: int) -> None:
        self._code = code

    async def wait(self) -> int:
        return self._code

    def terminate(self) -> None:
        """It has ended."""

    def kill(self) -> None:
        """It has ended."""

    async def execute(self, command: list[str], streams: Streams) -> Execution:  # noqa: ARG002
        raise nothing_to_execute(command)
