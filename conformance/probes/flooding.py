"""
More requests than the agent looks at, down one connection and without waiting for answers.

Runs inside the pod, beside `runner.py`, whose module it is handed. The trap: who waits for
each answer never asks a thousand times a second, and a thousand threads do not either.
"""

import os
import re
import socket
import threading
import time
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

SECONDS = 30.0
"""So long nothing may come; then nobody answers."""
READ_BYTES = 1 << 16

_ANSWER = re.compile(rb"HTTP/1\.1 (\d{3}) .*?\r\n\r\n((?:(?!HTTP/1\.1 ).)*)", re.DOTALL)


def flood(runner: Any, times: int) -> Any:
    """
    Ask so often for credentials, with no token; `runner` is the module of that name.

    Told is how many answers had which status, the first text of each, and how many seconds
    it took from the first request to the last answer.
    """
    given = urlsplit(os.environ[runner.FULL_URI])
    request = f"GET {given.path} HTTP/1.1\r\nHost: {given.netloc}\r\n\r\n"
    last = request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
    began = time.monotonic()
    try:
        address = (given.hostname or "", given.port or 80)
        with socket.create_connection(address, timeout=SECONDS) as connection:
            # Woken for each answer, a reader would take the processor from whoever answers.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, READ_BYTES)
            everything = (request * (times - 1) + last).encode()
            # Beside the reading: who only sends is stopped when nobody takes the answers.
            sending = threading.Thread(target=_send, args=(connection, everything), daemon=True)
            sending.start()
            said = b"".join(iter(lambda: connection.recv(READ_BYTES), b""))
    except OSError as error:
        return runner.Refusal("agent", 0, "", f"{type(error).__name__}: {error}")
    answers = [(status.decode(), text.decode()) for status, text in _ANSWER.findall(said)]
    return {
        "Seconds": round(time.monotonic() - began, 3),
        "Statuses": dict(Counter(status for status, _ in answers)),
        "Texts": dict(reversed(answers)),
    }


def _send(connection: socket.socket, everything: bytes) -> None:
    try:
        connection.sendall(everything)
    except OSError:
        # Whoever reads sees that the connection is gone.
        return
