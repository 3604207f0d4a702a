"""
What the agent is given from outside: sockets, credentials, keys, settings.

The agent never opens a listening socket and never decides which network its
calls leave through. Both are handed in, because a node is a network namespace
and a socket belongs to the namespace it was made in.
"""

import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from aiohttp import AddrInfoType

IPV4_HOST = "169.254.170.23"
IPV6_HOST = "fd00:ec2::23"


@dataclass(frozen=True, repr=False)
class NodeCredentials:
    """What the node's role gave the node; signs calls to EKS Auth. Has no repr: it is secret."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None


class NodeCredentialsError(Exception):
    """The node has no credentials; the text goes into the agent's answer and log."""


class Listener(NamedTuple):
    """One bind host, with a socket that is bound and listening; the agent closes it."""

    host: str
    """As the real agent's `--bind-hosts` names it: 169.254.170.23 or [fd00:ec2::23]."""
    socket: socket.socket


ConnectSocket = Callable[[AddrInfoType], socket.socket]
"""Makes an unconnected socket, for `getaddrinfo`'s five values, in the node's network."""

NodeCredentialsProvider = Callable[[], Awaitable[NodeCredentials]]
"""Asked once for each call to EKS Auth; raises `NodeCredentialsError`."""

KeySet = Callable[[], Awaitable[dict[str, Any]]]
"""The API server's /openid/v1/jwks; raises `OSError` when it cannot be had."""

LogLine = Callable[[str], None]
"""Takes one line without its end, as the real agent writes it to standard output."""


@dataclass(frozen=True)
class Settings:
    """The flags of the agent's `server` command that change answers; defaults are its own."""

    max_credential_retention_seconds: float = 3 * 3600.0
    max_cache_size: int = 2000
    max_service_qps: int = 3
    extra_hosts: tuple[str, ...] = ()
    """Further values of `Host` that are accepted; for networks without 169.254.170.23."""
