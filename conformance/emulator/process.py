"""
The AWS process from start to end.

Ready means: the endpoint answers, the admin socket answers, aws.json is written.
The end comes in four ways (lifeline, signal, POST /stop, a failed start) and is one:
stop what services started, remove the folder, leave, within 3 s. It leaves by
os._exit because ministack keeps threads that nobody can ask to stop.
"""

import asyncio
import gc
import json
import os
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

from aiohttp import web

from conformance.emulator import borrowed, cloudtrail, corrections, eks_auth, outbound
from conformance.emulator.admin_api import AdminApi
from conformance.emulator.aws import Aws
from conformance.emulator.behaviour import Behaviour
from conformance.emulator.checkup import Checkup
from conformance.emulator.eks import service
from conformance.emulator.http_server import HttpServer
from conformance.emulator.organizations import founded
from conformance.emulator.router import Router
from conformance.emulator.service import Handler, Settings
from conformance.faults import ActiveFaults
from conformance.lifeline import end_with, leave
from conformance.private_socket import private_socket

LAST_SECOND = 2.7
"""Whatever still stops after these seconds is left behind; its own lifeline ends it."""


@dataclass(frozen=True)
class Options:
    """The command line; see docs/architecture.md."""

    settings: Settings
    listening: socket.socket
    """Bound to the port of `settings`, on 127.0.0.1."""
    behaviour: Behaviour
    faults: tuple[str, ...] = ()
    lifeline: int | None = None


def serve(options: Options) -> None:
    """
    Run until told to end; returns only by raising, when the start fails.

    The process must be its own: nothing that is set up here is undone.
    """
    outbound.refuse()
    borrowed.check()
    # What is imported now stays: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    asyncio.run(_serve(options))


async def _serve(options: Options) -> None:
    ended = asyncio.Event()
    end_with(options.lifeline, ended)

    aws = Aws(options.settings, ActiveFaults(options.faults), options.behaviour)
    corrections.install(aws)
    router = Router(aws, services())
    Checkup(aws, router).install()
    server = HttpServer(router)
    aws.serve = server.listen
    await server.listen(options.listening)
    api = AdminApi(aws, stop=ended.set, outlive=partial(_outlive, options.lifeline))
    admin = web.AppRunner(api.application(), access_log=None)
    await admin.setup()
    await web.SockSite(admin, private_socket(options.settings.folder / "aws.sock")).start()
    _announce(aws)
    await ended.wait()
    # From here on a process that cannot stop must still be gone in time.
    asyncio.get_running_loop().call_later(LAST_SECOND, leave, options.settings.folder)
    await aws.stop()
    await server.close()
    await admin.cleanup()
    # Still on the loop: without it a signal would end us before the folder is gone.
    leave(options.settings.folder)


def _outlive(lifeline: int | None) -> None:
    """Hold our own lifeline: it never ends then, and a sweep sees that somebody holds it."""
    if lifeline is not None:
        os.open(f"/proc/self/fd/{lifeline}", os.O_WRONLY)


def services() -> dict[str, Handler]:
    """Our own services by signing name; everything else is ministack's."""
    return {"eks": service.handle, "eks-auth": eks_auth.handle, "cloudtrail": cloudtrail.handle}


def other_account(account_id: str) -> str:
    """The id of the second account, for what goes across accounts: the next number."""
    return f"{(int(account_id) + 1) % 10**12:012d}"


def _announce(aws: Aws) -> None:
    """Write aws.json so that a reader sees all of it or nothing, then say `ready`."""
    settings = aws.settings
    key, secret = aws.mint.root(settings.account_id)
    other = other_account(settings.account_id)
    other_key, other_secret = aws.mint.root(other)
    announced = {
        "pid": os.getpid(),
        "endpoint": f"http://127.0.0.1:{settings.port}",
        "region": settings.region,
        "account_id": settings.account_id,
        "access_key_id": key,
        "secret_access_key": secret,
        "organization": founded(settings.account_id, settings.region),
        "other": {
            "account_id": other,
            "access_key_id": other_key,
            "secret_access_key": other_secret,
        },
        "parts": {"ministack": version("ministack"), "python": sys.version.split()[0]},
    }
    draft = settings.folder / ".aws.json"
    with open(draft, "w", encoding="utf-8", opener=partial(os.open, mode=0o600)) as file:
        json.dump(announced, file, indent=2)
    draft.replace(settings.folder / "aws.json")
    # A parent that died meanwhile does not listen; the lifeline says so in its way.
    with suppress(BrokenPipeError):
        print("ready", flush=True)
