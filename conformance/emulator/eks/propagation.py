"""
From an association to its effect.

EKS stores an association at once; the webhook and EKS Auth learn of it later
("may take several seconds to be effective", EKS user guide, pod-id-association).
Here both learn of it before the call is answered, unless the settings say
otherwise. They always learn together, and never something older than before.
"""

import asyncio
import random

from conformance.emulator.behaviour import Behaviour
from conformance.emulator.eks.control import ControlError
from conformance.emulator.eks.errors import ServiceError
from conformance.emulator.eks.store import Cluster, Store
from conformance.emulator.service import World


class Delays:
    """Random delays: the same seed and bounds, however often they are set, give the same ones."""

    def __init__(self) -> None:
        self._for: tuple[float, float, int] | None = None
        self._chance = random.Random()  # noqa: S311 -- no secret

    def next(self, behaviour: Behaviour) -> float:
        """Seconds that the next change takes to be effective; 0 for at once."""
        shortest, longest = behaviour.propagation_shortest, behaviour.propagation_longest
        asked = (shortest, longest, behaviour.propagation_seed)
        if asked != self._for:
            self._for = asked
            self._chance.seed(behaviour.propagation_seed)
        return self._chance.uniform(shortest, longest) if longest else 0.0


async def announce(world: World, cluster: Cluster) -> None:
    """
    Make the associations as they are now effective.

    Raises ServerException when the cluster cannot be told.
    """
    cluster.changes += 1
    delay = world.state(Delays).next(world.behaviour)
    if delay:
        world.state(Store).spawn(_later(cluster, cluster.changes, delay))
        return
    try:
        await _tell(cluster, cluster.changes)
    except ControlError as error:
        raise ServiceError(
            "ServerException", f"cluster {cluster.name} could not be told: {error}"
        ) from error


async def _later(cluster: Cluster, change: int, delay: float) -> None:
    # What is waited for is the delay itself: it is what was asked for.
    await asyncio.sleep(delay)
    if cluster.process is not None and cluster.process.ended is None:
        await _tell(cluster, change)


async def _tell(cluster: Cluster, change: int) -> None:
    async with cluster.telling:
        if cluster.told >= change or cluster.process is None:
            return
        known, told = tuple(cluster.associations.values()), cluster.changes
        await cluster.process.control.put_identities(
            [{"namespace": a.namespace, "serviceAccount": a.service_account} for a in known]
        )
        cluster.effective, cluster.told = known, told
