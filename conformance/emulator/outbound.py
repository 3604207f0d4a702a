"""
Nothing leaves the host: connections to anywhere but this machine fail.

ministack has features that fetch what a user names. They are not reachable, and if
one were, this would still stop it: an audit hook sees every connect of the process,
whatever library makes it. It cannot be removed again, which is the point; so it is
installed by the process only, never by a test that imports us.

Source: Python documentation, "Audit events table": socket.connect, socket.sendto,
socket.getaddrinfo.
"""

import sys
from ipaddress import ip_address
from typing import Any

_LOCAL_NAMES = frozenset({"localhost", "", "127.0.0.1", "::1"})


class OutboundRefusedError(ConnectionRefusedError):
    """The emulation tried to reach another host."""


def is_local(address: object) -> bool:
    """Unix socket paths, loopback addresses and `localhost`."""
    host = address[0] if isinstance(address, tuple) and address else address
    if not isinstance(host, str) or host.startswith(("/", "\0")) or host in _LOCAL_NAMES:
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
    elif event == "socket.getaddrinfo":
        address = arguments[0]
    else:
        return
    if isinstance(address, bytes):
        address = address.decode("latin-1")
    if not is_local(address):
        raise OutboundRefusedError(f"the emulation may not reach {address!r}")


def refuse() -> None:
    """From now on, for the whole life of this process."""
    sys.addaudithook(_audit)
