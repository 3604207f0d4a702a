"""
A provider of its own for each connection.

Terraform opens one connection for each provider block, and a new one for each of its
walks. On a socket of Unix nothing tells one connection from another once gRPC has
it, and a provider keeps one configuration: two blocks, for two accounts say, would
overwrite each other. So a connection is taken here, before gRPC sees it, and led to
a server that nobody else talks to. That costs a few milliseconds.
"""

import itertools
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import grpc

_PIECE: Final = 1 << 16
_STOP_SECONDS: Final = 5.0


class Doorman:
    """Listens on the socket `place`; `make` gives a server that is not listening yet."""

    def __init__(self, place: str, make: Callable[[], grpc.Server]) -> None:
        self._place = place
        self._make = make
        self._numbers = itertools.count(1)
        self._servers: dict[int, grpc.Server] = {}
        self._lock = threading.Lock()
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listening.bind(place)
        self._listening.listen(16)
        self._door = threading.Thread(target=self._admit, name="provider doorman", daemon=True)
        self._door.start()

    def close(self) -> None:
        """Take nobody in any more, and let what is under way end."""
        # Wakes the thread that accepts; close alone would leave it waiting. Whoever it is
        # just letting in needs the folder, which goes after this.
        self._listening.shutdown(socket.SHUT_RDWR)
        self._door.join()
        self._listening.close()
        with self._lock:
            ending = [server.stop(_STOP_SECONDS) for server in self._servers.values()]
        for each in ending:
            each.wait()

    def _admit(self) -> None:
        while True:
            try:
                outside, _ = self._listening.accept()
            except OSError:
                return
            number = next(self._numbers)
            place = f"{self._place}.{number}"
            server = self._make()
            server.add_insecure_port(f"unix:{place}")
            server.start()
            with self._lock:
                self._servers[number] = server
            inside = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            inside.connect(place)
            # It is connected, and nobody else is to find it.
            os.unlink(place)  # noqa: PTH108  # a text, as sockets have them
            for pair in ((outside, inside), (inside, outside)):
                threading.Thread(target=self._carry, args=(number, *pair), daemon=True).start()

    def _carry(self, number: int, source: socket.socket, target: socket.socket) -> None:
        """Everything from one to the other; the first end of file ends both."""
        with suppress(OSError):
            while piece := source.recv(_PIECE):
                target.sendall(piece)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            source.shutdown(socket.SHUT_RDWR)
        with self._lock:
            server = self._servers.pop(number, None)
            if server is None:
                # The other direction ended before; nobody uses the sockets any more.
                source.close()
                target.close()
        if server is not None:
            server.stop(None)
