"""
What makes a cluster alive: the controllers of kube-controller-manager and the scheduler.

They work in the process of the API server, through its registry: what they create
meets the same admission and webhooks as what people create.
"""

import asyncio

from conformance.cluster.apiserver.server import ApiServer
from conformance.cluster.controllers.daemonsets import DaemonSets
from conformance.cluster.controllers.deployments import Deployments
from conformance.cluster.controllers.evictions import Evictions
from conformance.cluster.controllers.garbage import Garbage
from conformance.cluster.controllers.jobs import Jobs
from conformance.cluster.controllers.loop import Controller
from conformance.cluster.controllers.namespaces import Namespaces
from conformance.cluster.controllers.nodes import Nodes
from conformance.cluster.controllers.replicasets import ReplicaSets
from conformance.cluster.controllers.scheduler import Scheduler

__all__ = ["Controllers"]


class Controllers:
    """
    All of them, for one API server that has been started.

    Without `scheduler` pods wait for someone to bind them.
    """

    def __init__(self, server: ApiServer, *, scheduler: bool = True) -> None:
        registry = server.registry
        self._controllers: tuple[Controller, ...] = (
            Namespaces(registry, server.ca_pem),
            Nodes(registry),
            Evictions(registry),
            *((Scheduler(registry),) if scheduler else ()),
            Garbage(registry),
            DaemonSets(registry),
            ReplicaSets(registry),
            Deployments(registry),
            Jobs(registry),
        )
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """They run until `close`; the system namespaces have their default accounts."""
        self._tasks = [
            asyncio.create_task(controller.run(), name=type(controller).__name__)
            for controller in self._controllers
        ]
        await self.settled()

    async def settled(self) -> None:
        """Waits until every controller has looked at everything that it knows of."""
        while any(controller.busy for controller in self._controllers):
            await asyncio.gather(*(controller.settled() for controller in self._controllers))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
