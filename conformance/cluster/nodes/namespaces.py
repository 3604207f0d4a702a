"""
Linux namespaces, and the one thread that works inside them.

A socket belongs to the network namespace of the thread that made it and a child
process to that of the thread that forked it. So one thread goes from namespace
to namespace, makes what must live there, and the rest of the process stays on
the host's loopback.

The trap: `PR_SET_PDEATHSIG`, on which bubblewrap's `--die-with-parent` rests, is
tied to the life of the *thread* that forked (prctl(2)). A pod started by a
short-lived thread dies with it. Hence a thread of our own that lives as long as
the process, and no pool that may shrink.
"""

import asyncio
import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from conformance.errors import HarnessError

CLONE_NEWNET = 0x40000000
CLONE_NEWUSER = 0x10000000

_libc = ctypes.CDLL(None, use_errno=True)

T = TypeVar("T")


def _unshare(flags: int) -> None:
    if _libc.unshare(flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"unshare: {os.strerror(number)}")


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")


def enter_user_namespace() -> None:
    """
    Put this process into a user namespace of its own, where it is root.

    The process keeps its network namespace, and with it the host's loopback; it
    may now make namespaces that it owns. Must run while the process has a single
    thread (unshare(2)). Raises `OSError` where user namespaces are not allowed.
    """
    uid, gid = os.geteuid(), os.getegid()
    _unshare(CLONE_NEWUSER)
    # An unprivileged process may write gid_map only after giving up setgroups(2);
    # see user_namespaces(7).
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1", encoding="ascii")


class NamespaceThread:
    """The long-lived thread; jobs run one after another, in order of submission."""

    def __init__(self, name: str = "namespaces") -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    def call(self, job: Callable[[], T], namespace: int | None = None) -> T:
        """
        Run `job` on the thread, inside `namespace` if one is given, and wait for it.

        Blocks the caller; for what takes microseconds, such as making a socket.
        Raises what the job raises.
        """
        return self._executor.submit(_inside, namespace, job).result()

    async def run(self, job: Callable[[], T], namespace: int | None = None) -> T:
        """As `call`, without blocking the event loop."""
        future = self._executor.submit(_inside, namespace, job)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """End the thread; sandboxes that it started die with it."""
        self._executor.shutdown(wait=True, cancel_futures=True)


def _inside(namespace: int | None, job: Callable[[], T]) -> T:
    if namespace is not None:
        _enter(namespace)
    return job()


def make_network_namespace() -> int:
    """
    Move the calling thread into a new network namespace and return a descriptor of it.

    The namespace lives as long as a descriptor, socket or process holds it. Raises
    `OSError` without the right to make one.
    """
    _unshare(CLONE_NEWNET)
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def set_sysctl(name: str, value: str) -> None:
    """
    Set a `net.` sysctl of the calling thread's namespace; `name` uses slashes.

    /proc/sys/net shows the namespace of the thread that opens it. Raises
    `HarnessError` where /proc/sys is read-only, as in an unprivileged container.
    """
    path = Path("/proc/sys/net") / name
    try:
        path.write_text(value, encoding="ascii")
    except OSError as error:
        raise HarnessError(
            f"node network: {path} cannot be set to {value} in a namespace of our own",
            saw=error.strerror or str(error),
            try_="--network loopback, or mount /proc/sys writable in the container that runs this",
        ) from error
