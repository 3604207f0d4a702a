"""
What a node's containers need of the cluster process, and how an image becomes a program.

A container is given as Kubernetes describes it; out comes something that runs and
can be waited for: a sandboxed program, the agent inside this process, or nothing
at all that holds the pod open.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from conformance.cluster import images
from conformance.cluster.apiserver.execution import Streams
from conformance.cluster.images import Image
from conformance.cluster.nodes.api import Object
from conformance.cluster.nodes.entering import Execution, enter
from conformance.cluster.nodes.interface import NodeNetwork, PodNetwork
from conformance.cluster.nodes.logs import ContainerLog
from conformance.cluster.nodes.processes import Mount, Process, Program, Sandbox
from conformance.cluster.nodes.variables import ConfigurationError, expand
from conformance.errors import HarnessError

_PIPES_BOUND_SECONDS = 2.0
_NOT_FOUND_BY_BWRAP = "bwrap: execvp"


class Started(Protocol):
    """A run of a container."""

    async def wait(self) -> int:
        """Its exit code; what it wrote is in the log when this returns."""
        ...

    def terminate(self) -> None: ...

    def kill(self) -> None: ...

    async def execute(self, command: list[str], streams: Streams) -> Execution:
        """Start a second program beside it; raises `StartError`."""
        ...


class StartError(Exception):
    """The container's program could not be started; the text is what a node reports."""


ExecuteBeside = Callable[[list[str], Streams], Awaitable[Execution]]
"""Starts a second program; raises `StartError`."""

StartAgent = Callable[["NodePlace", list[str], ContainerLog], Awaitable[Started]]
"""Starts the agent of a node with the arguments of its container; raises `StartError`."""


@dataclass(frozen=True)
class NodePlace:
    """Where a node's pods run."""

    name: str
    network: NodeNetwork
    role_arn: str
    instance_id: str


@dataclass(frozen=True, repr=False)
class Order:
    """One run that is wanted. No repr: the environment may hold secrets."""

    container: Object
    pod: Object
    image: Image
    environment: dict[str, str]
    mounts: tuple[Mount, ...]
    hostname: str
    network: PodNetwork
    place: NodePlace


class Runtime:
    """Runs containers for all nodes of a cluster."""

    def __init__(
        self,
        sandbox: Sandbox,
        aws_endpoint: str,
        start_agent: StartAgent,
        api_address: tuple[str, int],
        *,
        own_network: bool,
    ) -> None:
        """`api_address` is where pods reach the API server."""
        self._sandbox = sandbox
        self._api_address = api_address
        self._aws_endpoint = aws_endpoint
        self._start_agent = start_agent
        self._own_network = own_network

    def brought_by(self, image: Image, hostname: str) -> dict[str, str]:
        """The variables that are there before the container's own."""
        brought = images.environment(image, self._aws_endpoint, own_network=self._own_network)
        host, port = self._api_address
        # A kubelet tells every container of the service `kubernetes`, whatever
        # enableServiceLinks says (pkg/kubelet/kubelet_pods.go, getServiceEnvVarMap).
        service = {
            "KUBERNETES_SERVICE_HOST": host,
            "KUBERNETES_SERVICE_PORT": str(port),
            "KUBERNETES_SERVICE_PORT_HTTPS": str(port),
            "KUBERNETES_PORT": f"tcp://{host}:{port}",
        }
        return {**brought, "HOSTNAME": hostname, **service}

    async def start(self, order: Order, log: ContainerLog) -> Started:
        """Raises `ConfigurationError` or `StartError`."""
        if order.image.runs == "nothing":
            return Pause()
        argv = argv_of(order)
        if order.image.runs == "agent":
            return await self._start_agent(order.place, argv, log)
        if not argv:
            raise StartError("no command specified")
        program = program_of(order, argv)
        try:
            process = await order.network.run(partial(self._sandbox.start, program))
        except HarnessError as error:
            raise StartError(str(error)) from error
        outside = self._sandbox.outside

        async def execute(command: list[str], streams: Streams) -> Execution:
            inner = await process.inner_process()
            if inner is None:
                raise StartError("container is not running")
            wanted = outside(program_of(order, command))
            try:
                return await enter(inner, wanted, streams)
            except OSError as error:
                raise StartError(f"exec failed: {error.strerror or error}") from error

        return LoggedProcess(process, log, execute)


def argv_of(order: Order) -> list[str]:
    """`command` replaces the image's entrypoint and command, `args` its command."""
    container, image = order.container, order.image
    command = container.get("command")
    arguments = container.get("args")
    if command:
        argv = [*command, *(arguments or ())]
    else:
        argv = [*image.entrypoint, *(image.command if arguments is None else arguments)]
    return [expand(argument, order.environment) for argument in argv]


def user_of(container: Object, pod: Object, image: Image) -> tuple[int, int]:
    """User and group; raises `ConfigurationError` for root where the pod forbids it."""
    context = {
        **(pod["spec"].get("securityContext") or {}),
        **(container.get("securityContext") or {}),
    }
    user = context.get("runAsUser")
    if user is None:
        user = image.user
        group = context.get("runAsGroup", image.user)
    else:
        group = context.get("runAsGroup", 0)
    if context.get("runAsNonRoot") and user == 0:
        raise ConfigurationError(
            "container has runAsNonRoot and image will run as root "
            f'(container: {container["name"]}, pod: "{pod["metadata"]["name"]}")'
        )
    return int(user), int(group)


def program_of(order: Order, argv: list[str]) -> Program:
    """The program in its sandbox; raises `ConfigurationError`."""
    user, group = user_of(order.container, order.pod, order.image)
    security = order.container.get("securityContext") or {}
    return Program(
        argv=tuple(argv),
        environment=order.environment,
        user=user,
        group=group,
        working_directory=order.container.get("workingDir") or order.image.working_directory,
        hostname=order.hostname,
        mounts=order.mounts,
        read_only_root=bool(security.get("readOnlyRootFilesystem")),
    )


class LoggedProcess:
    """A program whose output goes into its log."""

    def __init__(self, process: Process, log: ContainerLog, execute: ExecuteBeside) -> None:
        self._process = process
        self._execute = execute
        self._pumps = asyncio.gather(
            log.pump(process.output, "stdout"), log.pump(process.errors, "stderr")
        )

    async def wait(self) -> int:
        code = await self._process.wait()
        # What outlives a program without sandbox may hold its pipes open.
        await asyncio.wait({self._pumps}, timeout=_PIPES_BOUND_SECONDS)
        if not self._pumps.done():
            self._process.kill()
            await self._pumps
        return code

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    async def execute(self, command: list[str], streams: Streams) -> Execution:
        return await self._execute(command, streams)


class Pause:
    """Runs until it is told to end."""

    def __init__(self) -> None:
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        return await asyncio.shield(self._code)

    def terminate(self) -> None:
        self._end(0)

    def kill(self) -> None:
        self._end(128 + signal.SIGKILL)

    async def execute(self, command: list[str], streams: Streams) -> Execution:  # noqa: ARG002
        raise nothing_to_execute(command)

    def _end(self, code: int) -> None:
        if not self._code.done():
            self._code.set_result(code)


def nothing_to_execute(command: list[str]) -> StartError:
    """What exec is answered for images that hold one program and no shell."""
    return StartError(f'exec failed: exec: "{command[0]}": executable file not found in $PATH')


def start_failure(log: Path, exit_code: int) -> str:
    """What bwrap said if it could not execute the program at all, else empty."""
    if exit_code != 1:
        return ""
    with log.open("rb") as file:
        said = file.read(1000).decode(errors="replace")
    _, found, rest = said.partition(_NOT_FOUND_BY_BWRAP)
    return f"exec:{rest.splitlines()[0]}" if found else ""
