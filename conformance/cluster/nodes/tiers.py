"""
Which network this machine allows, found by trying.

Capabilities and sysctls tell half of it: a container may have CAP_SYS_ADMIN and
a read-only /proc/sys, a distribution may allow user namespaces and take their
capabilities away (Ubuntu's AppArmor). So a forked child really tries, and the
process commits itself only to what worked.
"""

import os
from typing import Literal

from conformance.cluster.nodes.interface import Network, Tier
from conformance.cluster.nodes.namespaces import (
    NamespaceThread,
    enter_user_namespace,
    make_network_namespace,
    set_sysctl,
)
from conformance.cluster.nodes.network import NamespaceNetwork
from conformance.errors import HarnessError

Wanted = Literal["auto", "root", "userns", "loopback"]


def _try_namespace() -> None:
    make_network_namespace()
    set_sysctl("ipv4/ip_forward", "1")


def _try_user_namespace() -> None:
    enter_user_namespace()
    _try_namespace()


_ATTEMPTS = {"root": _try_namespace, "userns": _try_user_namespace}


def why_not(tier: Literal["root", "userns"]) -> str:
    """
    Empty if this machine allows `tier`, otherwise the reason.

    Forks: only for a process that has a single thread.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        reason = ""
        try:
            _ATTEMPTS[tier]()
        except (OSError, HarnessError) as error:
            reason = getattr(error, "saw", "") or str(error)
        finally:
            os.write(writer, reason.encode())
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as answer:
        reason = answer.read()
    os.waitpid(child, 0)
    return reason


def enter_tier(wanted: Wanted) -> tuple[Tier, dict[str, str]]:
    """
    Commit this single-threaded process to a tier; also why better ones are not possible.

    With `auto` the best that works. Raises `HarnessError` when a tier that was
    named does not work here.
    """
    reasons: dict[str, str] = {}
    candidates: tuple[Literal["root", "userns"], ...] = ("root", "userns")
    for tier in candidates:
        if wanted not in ("auto", tier):
            continue
        reason = why_not(tier)
        if not reason:
            if tier == "userns":
                enter_user_namespace()
            return tier, reasons
        reasons[tier] = reason
        if wanted == tier:
            raise HarnessError(
                f"node network: --network {tier} does not work on this machine",
                saw=reason,
                try_="--network auto, which takes the best that works",
            )
    return "loopback", reasons


def open_network(tier: Tier) -> tuple[Network, NamespaceThread]:
    """The networks of a process that has entered `tier`, and the thread that starts its pods."""
    spawner = NamespaceThread("spawner")
    if tier == "loopback":
        from conformance.cluster.nodes.loopback import LoopbackNetwork  # noqa: PLC0415

        return LoopbackNetwork(spawner), spawner
    return NamespaceNetwork(tier, spawner, NamespaceThread("sockets")), spawner
