"""
An environment that one scenario file has for itself.

Scenarios that break parts, shorten lives or take the agent away would disturb everyone
who shares an environment, and those who attached to one by `--environment FILE` most of
all. So such a file says `OWN = OwnEnvironment(...)` and gets one like the run's beside
it: the same target, network, provider and release of the agent, and the same faults, or
`--fault` would prove nothing there. It ends with the file, or with the process that runs
the file, however that ends.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from conformance import targets
from conformance.emulator.admin import AdminClient
from conformance.emulator.behaviour import Behaviour
from conformance.environment import Capability, Environment
from conformance.errors import HarnessError
from conformance.events import EventLog
from conformance.targets.options import TargetOptions


@dataclass(frozen=True)
class OwnEnvironment:
    """What a file declares as `OWN`, beside its `SPEC`."""

    behaviour: Behaviour = field(default_factory=Behaviour)
    """Settings from the first second; `world.own.behave` changes them later."""
    nodes: int = 1


@contextmanager
def own_environment(
    wanted: OwnEnvironment, *, beside: Environment, run: str, log: EventLog
) -> Iterator[Environment]:
    """
    Start an environment like `beside`, and end it after the block; takes 2 to 3 s.

    Raises `HarnessError` when it does not come up, or where none can be started.
    """
    if Capability.OWN_ENVIRONMENT not in beside.capabilities or beside.admin_socket is None:
        raise HarnessError(
            "no environment can be started beside this one",
            saw=f"target {beside.target}",
            try_=f"the capability {Capability.OWN_ENVIRONMENT}, without which a file is skipped",
        )
    target = targets.TARGETS[beside.target]
    admin = AdminClient(beside.admin_socket)
    behaviour = wanted.behaviour
    if "agent_version" not in behaviour.model_fields_set:
        behaviour = behaviour.changed({"agent_version": admin.settings().agent_version})
    options = TargetOptions(
        run=run,
        provider=beside.provider,
        faults=tuple(admin.faults()),
        network=beside.network,
        nodes=wanted.nodes,
        region=beside.aws.region,
        probe_image=beside.probe_image,
        behaviour=behaviour,
    )
    environment = target.start(options, log, lifeline=True)
    try:
        yield environment
    finally:
        target.stop(environment, log)
