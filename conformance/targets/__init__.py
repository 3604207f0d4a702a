"""
Where promises are checked. A target starts, or finds, an environment.

A target is data and a few functions; what one cannot do is a missing capability
with a sentence, never an `if target == ...` in a scenario.
"""

from pathlib import Path
from typing import Protocol

from conformance.emulator.admin import AdminClient
from conformance.environment import Environment
from conformance.errors import UsageError
from conformance.events import EnvironmentReady, EventLog
from conformance.targets import eks, embedded
from conformance.targets.options import TargetOptions

__all__ = ["TARGETS", "Target", "TargetOptions", "attach", "lost", "start", "stop"]


class Target(Protocol):
    """Somewhere Pod Identity runs."""

    DESCRIPTION: str

    def start(self, options: TargetOptions, log: EventLog, *, lifeline: bool) -> Environment: ...

    def lost(self, environment: Environment) -> str: ...

    def stop(self, environment: Environment, log: EventLog) -> None: ...


TARGETS: dict[str, Target] = {"embedded": embedded, "eks": eks}


def start(
    name: str, options: TargetOptions, log: EventLog, *, lifeline: bool = True
) -> Environment:
    """
    Start an environment, or take the one that the options name.

    With `lifeline` it ends when this process ends, however that happens. Raises
    `UsageError` for an unknown target or an option it refuses, `HarnessError`
    when it does not come up.
    """
    target = _target(name)
    if options.faults and name != "embedded":
        raise UsageError(
            f"--fault {options.faults[0]}: target {name} is not emulated",
            saw=f"--target {name}",
            try_="--target embedded; nothing real is ever broken on purpose",
        )
    if "agent_version" in options.behaviour.model_fields_set and name != "embedded":
        raise UsageError(
            f"--agent-version {options.behaviour.agent_version}: target {name} has its own agents",
            saw=f"--target {name}",
            try_="--target embedded, or an update of the cluster's add-on",
        )
    environment = target.start(options, log, lifeline=lifeline)
    log.append(_ready(environment, list(options.faults), attached=False))
    return environment


def attach(path: Path, log: EventLog) -> Environment:
    """
    Use an environment that is there already; it is left alone at the end.

    Its faults, if it has any, go into the report: whoever reads that some promise is
    broken must see that it was broken on purpose. Raises `HarnessError` when the
    emulation does not answer.
    """
    environment = Environment.read(path)
    socket = environment.admin_socket
    faults = AdminClient(socket).faults() if socket is not None else []
    log.append(_ready(environment, faults, attached=True))
    return environment


def lost(environment: Environment) -> str:
    """
    One sentence that names the part of the environment that has ended; empty when none has.

    Costs no more than two connections, so it may be asked whenever something went wrong:
    what a scenario saw then says nothing about Pod Identity.
    """
    return _target(environment.target).lost(environment)


def stop(environment: Environment, log: EventLog) -> None:
    """End an environment and everything that it started; twice does no harm."""
    _target(environment.target).stop(environment, log)


def _target(name: str) -> Target:
    if name not in TARGETS:
        raise UsageError(f"--target {name}: no such target", try_=f"one of: {', '.join(TARGETS)}")
    return TARGETS[name]


def _ready(environment: Environment, faults: list[str], *, attached: bool) -> EnvironmentReady:
    return EnvironmentReady(
        target=environment.target,
        capabilities=sorted(environment.capabilities),
        parts=environment.parts,
        attached=attached,
        faults=faults,
    )
