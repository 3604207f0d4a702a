"""
What this machine allows, found by building a hub, a node and a pod and using them.

Run as a child process (`python -m conformance.cluster.nodes.preflight`), because
entering a user namespace cannot be undone.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TypedDict, cast

from conformance.cluster.images import ImageStore
from conformance.cluster.nodes.interface import Tier
from conformance.cluster.nodes.sandbox import try_bubblewrap
from conformance.cluster.nodes.tiers import Wanted, enter_tier, open_network
from conformance.errors import HarnessError

_PORT = 4566
_BOUND_SECONDS = 30


class Findings(TypedDict):
    """What pods can have on this machine."""

    tier: Tier
    reasons: dict[str, str]
    """Better tiers, and why each is not possible."""
    bubblewrap: str
    """Path of the `bwrap` that works; empty when none does."""
    bubblewrap_reason: str
    """Why there is no sandbox; empty when there is one."""


def detect(wanted: Wanted = "auto") -> Findings:
    """
    Try this machine in a child process; takes about half a second.

    Raises `HarnessError` when the trial itself dies, or when a tier that was named
    does not work.
    """
    try:
        trial = subprocess.run(
            [sys.executable, "-m", "conformance.cluster.nodes.preflight", wanted],
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_BOUND_SECONDS,
            check=True,
        )
    except subprocess.TimeoutExpired as error:
        raise HarnessError(
            f"preflight: no answer in {_BOUND_SECONDS} s", saw=str(error.stderr or "")
        ) from error
    except subprocess.CalledProcessError as error:
        raise HarnessError("preflight: the trial died", saw=error.stderr[-2000:]) from error
    answer = json.loads(trial.stdout)
    if "error" in answer:
        raise HarnessError(**answer["error"])
    return cast(Findings, answer)


async def _try_everything(wanted: Wanted, entered: tuple[Tier, dict[str, str]]) -> Findings:
    tier, reasons = entered
    with tempfile.TemporaryDirectory() as folder:
        try:
            sandbox, reason = await _try_pod(tier, Path(folder))
        except (OSError, HarnessError) as error:
            if wanted == tier:
                raise
            reasons[tier] = str(error)
            tier = "loopback"
            sandbox, reason = await _try_pod(tier, Path(folder))
    return {
        "tier": tier,
        "reasons": reasons,
        "bubblewrap": sandbox,
        "bubblewrap_reason": reason,
    }


async def _try_pod(tier: Tier, folder: Path) -> tuple[str, str]:
    network, spawner = open_network(tier)
    node = await network.add_node()
    pod = await node.add_pod()
    for address in node.agent_addresses:
        with node.listen(address, network.agent_port):
            await pod.run(partial(_connect, address, network.agent_port))
    hub = network.listen_at_hub(_PORT)
    if hub is not None:
        with hub:
            await pod.run(partial(_connect, network.hub_address, _PORT))
    sandbox, reason = await try_bubblewrap(ImageStore(folder / tier), spawner)
    pod.close()
    node.close()
    network.close()
    spawner.close()
    return (sandbox.path if sandbox else ""), reason


def _connect(address: str, port: int) -> None:
    socket.create_connection((address, port), timeout=2).close()


def main() -> None:
    wanted = cast(Wanted, sys.argv[1] if len(sys.argv) > 1 else "auto")
    try:
        # Before the event loop: a user namespace is entered by a single thread only.
        answer: object = asyncio.run(_try_everything(wanted, enter_tier(wanted)))
    except HarnessError as error:
        answer = {"error": {"wanted": error.wanted, "saw": error.saw, "try_": error.try_}}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
