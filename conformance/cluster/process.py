"""
The cluster process from start to end.

Ready means: the API server answers, the webhook is registered, the control socket
and the hub socket are there. The end comes as end of file on the lifeline, as a
signal or as `POST /stop`, and is one: kill every pod, remove the folder, leave. It
leaves by os._exit: what is left then are threads and namespaces, and the kernel
takes both.
"""

import asyncio
import base64
import gc
import json
import os
import socket
from functools import partial
from pathlib import Path
from typing import NoReturn

from aiohttp import web

from conformance.cluster.cluster import Cluster
from conformance.cluster.control import Control
from conformance.cluster.nodes.interface import Tier
from conformance.cluster.nodes.tiers import open_network
from conformance.cluster.settings import Settings
from conformance.lifeline import end_with, leave
from conformance.private_socket import private_socket

LAST_SECOND = 1.5
"""Whatever still stops after these seconds is ended by the kernel instead."""


def serve(settings: Settings, folder: Path, tier: Tier, lifeline: int | None) -> None:
    """
    Run one cluster until told to end; never returns.

    `tier` is what this process has entered. Raises `HarnessError` if it cannot start.
    """
    # What is imported now stays: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    asyncio.run(_serve(settings, folder, tier, lifeline))


async def _serve(settings: Settings, folder: Path, tier: Tier, lifeline: int | None) -> None:
    ended = asyncio.Event()
    end_with(lifeline, ended)
    parent = os.getppid()
    cluster = Cluster(settings, folder, *open_network(tier))
    await cluster.start()
    control = web.AppRunner(Control(cluster, ended.set).application(), access_log=None)
    await control.setup()
    await web.SockSite(control, private_socket(folder / "control.sock")).start()
    hub = cluster.hub_listener()
    giving = (
        asyncio.create_task(give_out(hub, private_socket(folder / "hub.sock"))) if hub else None
    )
    _announce(cluster)
    await ended.wait()
    # From here on a process that cannot stop must still be gone in time.
    last = partial(_leave, folder, settings.aws_socket.parent, parent)
    asyncio.get_running_loop().call_later(LAST_SECOND, last)
    if giving is not None:
        giving.cancel()
    await cluster.stop()
    last()


def _leave(folder: Path, environment: Path, parent: int) -> NoReturn:
    leave(folder, *([environment] if orphaned(environment, parent) else []))


def orphaned(environment: Path, parent: int) -> bool:
    """
    Whether the AWS process died without a chance to remove its folder (`kill -9`).

    `parent` is who started us. The folder is removed only if it says that it is theirs,
    and they are gone: a process whose parent died has another one, even while the dead
    one still waits to be collected.
    """
    try:
        announced = json.loads((environment / "aws.json").read_bytes())
        return bool(announced["pid"] == parent) and os.getppid() != parent
    except (OSError, ValueError, KeyError, TypeError):
        return False


async def give_out(hub: socket.socket, door: socket.socket) -> None:
    """Send a descriptor of `hub` to everyone who connects to `door`; for ever."""
    loop = asyncio.get_running_loop()
    door.setblocking(False)
    with door, hub:
        while True:
            visitor, _ = await loop.sock_accept(door)
            with visitor:
                socket.send_fds(visitor, [b"hub"], [hub.fileno()])


def _announce(cluster: Cluster) -> None:
    """The ready line. It holds the admin token: standard output is a pipe to the parent."""
    announced = {
        "endpoint": cluster.api_server.endpoint,
        "ca": base64.b64encode(cluster.api_server.ca_pem.encode()).decode(),
        "network": cluster.network.tier,
        "admin_token": cluster.api_server.admin_token,
        "aws_endpoint": cluster.aws_endpoint,
    }
    print(json.dumps(announced), flush=True)
