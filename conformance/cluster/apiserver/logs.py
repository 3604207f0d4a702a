"""
What `pods/log` asks of whoever holds the logs.

A real API server passes the request on to the kubelet of the pod's node. Here the
nodes live in the same process as the API server, so a function takes that place;
everything else between nodes and API server is HTTPS.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class LogRequest:
    """One `GET .../pods/NAME/log`, checked: pod and container exist, the container has started."""

    namespace: str
    pod: str
    pod_uid: str
    node: str
    container: str
    follow: bool = False
    """Keep sending until the container ends."""
    previous: bool = False
    """The container before its last restart."""
    timestamps: bool = False
    """Each line begins with its RFC 3339 time (nanoseconds) and a space."""
    tail_lines: int | None = None
    limit_bytes: int | None = None
    since: datetime | None = None
    """Leave out lines that were written before this."""


LogSource = Callable[[LogRequest], AsyncIterator[bytes]]
"""
Yields the log in pieces of any size, and ends when it is over.

The generator is closed when the reader hangs up. It may raise `ApiError` (see
`status`) before its first piece; the reader is then answered with that.
"""
