"""Unix sockets that only their owner can use, from their first moment on."""

import os
import socket
from pathlib import Path


def private_socket(path: Path) -> socket.socket:
    """A listening one of mode 0600; raises `OSError` where it cannot be bound."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Between bind and chmod others could connect: the mask is set while binding.
    before = os.umask(0o177)
    try:
        listening.bind(str(path))
    finally:
        os.umask(before)
    listening.listen(64)
    return listening
