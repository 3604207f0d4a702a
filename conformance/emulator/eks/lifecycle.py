"""
A cluster's life: CREATING, ACTIVE, DELETING, gone; or FAILED, with the reason.

The call that starts it has long been answered when it is ready, so whatever goes
wrong here must end in the cluster's health, where DescribeCluster and
Terraform look for it, and never only in a log.
"""

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from conformance.emulator.behaviour import Behaviour
from conformance.emulator.eks.cluster_folder import folder_of
from conformance.emulator.eks.clusterprocess import (
    ClusterFailedError,
    ClusterProcess,
    Config,
    start,
)
from conformance.emulator.eks.control import ControlError
from conformance.emulator.eks.store import Cluster, Issue, Store
from conformance.emulator.service import World

logger = logging.getLogger(__name__)


def begin(world: World, cluster: Cluster) -> None:
    """Start the cluster; returns at once."""
    store = world.state(Store)
    if not store.ends_with_world:
        store.ends_with_world = True
        world.on_stop(lambda: _stop_everything(store))
    store.spawn(_live(world, cluster))


async def _live(world: World, cluster: Cluster) -> None:
    part = f"cluster/{cluster.name}"
    config = _config(world, cluster)
    cluster.undo.append(world.on_health(part, lambda: _health(cluster)))
    try:
        process = await start(_folder(world, cluster), config)
    except (ClusterFailedError, OSError) as error:
        _fail(cluster, str(error))
        return
    try:
        close_hub = await _join(world, process, config)
    except (ControlError, OSError) as error:
        await process.stop()
        _fail(cluster, f"{type(error).__name__}: {error}")
        return
    deafen = (
        world.on_faults(part, process.control.put_faults),
        world.on_behaviour(part, partial(_tell, process)),
    )
    cluster.process = process
    cluster.status = "ACTIVE"
    last_words = await process.wait()
    for forget in deafen:
        forget()
    # Its pods are gone; the hub's network namespace goes with the last socket in it.
    await close_hub()
    if cluster.status != "DELETING":
        logger.error("cluster %s: %s", cluster.name, last_words)
        cluster.issues.append(Issue("ClusterUnreachable", last_words))


async def _join(
    world: World, process: ClusterProcess, config: Config
) -> Callable[[], Awaitable[None]]:
    """
    Let the cluster's pods reach us, and tell it what changed while it started.

    Returns what closes the way in again.
    """
    listening = await asyncio.to_thread(process.hub_socket)
    close_hub = _nothing if listening is None else await world.listen(listening)
    if world.faults.names != config.faults:
        await process.control.put_faults(world.faults.names)
    behaviour = world.behaviour
    told = behaviour.token_seconds != config.max_token_seconds
    if told or behaviour.agent_clock_seconds or behaviour.agent_elapsed_seconds:
        await _tell(process, behaviour)
    return close_hub


async def _nothing() -> None:
    """There is no hub to close."""


async def _tell(process: ClusterProcess, behaviour: Behaviour) -> None:
    await process.control.put_settings(
        max_token_seconds=behaviour.token_seconds,
        agent_clock_seconds=behaviour.agent_clock_seconds,
        agent_elapsed_seconds=behaviour.agent_elapsed_seconds,
    )


def _fail(cluster: Cluster, reason: str) -> None:
    logger.error("cluster %s: %s", cluster.name, reason)
    cluster.status = "FAILED"
    cluster.issues.append(Issue("InternalFailure", reason))


async def _health(cluster: Cluster) -> str:
    if cluster.issues:
        return "; ".join(issue.message for issue in cluster.issues)
    if cluster.process is None:
        return "ok"
    unwell = await cluster.process.control.health()
    return "; ".join(f"{part}: {said}" for part, said in unwell.items()) or "ok"


async def end(world: World, cluster: Cluster) -> None:
    """Stop a cluster that is DELETING; then it is gone with its folder and everything in it."""
    if cluster.process is not None:
        await cluster.process.stop()
    await asyncio.to_thread(shutil.rmtree, _folder(world, cluster), ignore_errors=True)
    for undo in cluster.undo:
        undo()
    world.state(Store).forget(cluster)


async def _stop_everything(store: Store) -> None:
    """Together, because there are 2 s for all; a cluster that still starts ends with its task."""
    running = [cluster for cluster in store.clusters.values() if cluster.process is not None]
    stops = [cluster.process.stop() for cluster in running if cluster.process is not None]
    for cluster in running:
        cluster.status = "DELETING"
    tasks = list(store.tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*stops, *tasks, return_exceptions=True)


def _folder(world: World, cluster: Cluster) -> Path:
    settings = world.settings
    home = (settings.account_id, settings.region)
    abroad = () if (cluster.account_id, cluster.region) == home else (cluster.arn,)
    return folder_of(settings.folder / "clusters", cluster.name, *abroad)


def _config(world: World, cluster: Cluster) -> Config:
    settings = world.settings
    return Config(
        name=cluster.name,
        arn=cluster.arn,
        region=cluster.region,
        account_id=cluster.account_id,
        version=cluster.version,
        ip_family=cluster.ip_family,
        issuer=cluster.issuer,
        network=settings.network,
        aws_port=settings.port,
        aws_socket=str(settings.folder / "aws.sock"),
        faults=world.faults.names,
        agent_version=world.behaviour.agent_version,
        max_token_seconds=world.behaviour.token_seconds,
    )
