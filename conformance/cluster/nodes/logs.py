"""
Container logs: what a container wrote, each line with its time and stream.

The files have the format of the container runtime interface
(`TIME STREAM F LINE`, F for a full line and P for one without its end), so a
reader can be given times, or lines since a moment, long after they were written.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from time import time_ns
from typing import IO

from conformance.cluster.apiserver.logs import LogRequest

_CHUNK = 1 << 16


class ContainerLog:
    """The log of one run of a container: written line by line, read while it grows."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)
        self._path = path
        self._changed = asyncio.Event()
        self.ended = False

    def write(self, lines: list[bytes], stream: str, tag: str = "F") -> None:
        """Append lines, given without their ends; of `tag` P the line goes on."""
        prefix = f"{_now()} {stream} {tag} ".encode()
        self._file.write(b"".join(prefix + line + b"\n" for line in lines))
        self._notify()

    def close(self) -> None:
        """Nothing more is written; followers come to their end."""
        if not self.ended:
            self.ended = True
            self._file.close()
            self._notify()

    def _notify(self) -> None:
        # Whoever waits holds the old event; those who come later wait for the next change.
        self._changed.set()
        self._changed = asyncio.Event()

    async def pump(self, pipe: IO[bytes], stream: str) -> None:
        """Copy a pipe into the log until its end."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_CHUNK)
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        rest = b""
        try:
            while piece := await reader.read(_CHUNK):
                *lines, rest = (rest + piece).split(b"\n")
                if lines:
                    self.write(lines, stream)
            if rest:
                self.write([rest], stream, "P")
        finally:
            transport.close()

    async def read(self, request: LogRequest) -> AsyncIterator[bytes]:
        """The log as `pods/log` gives it; with `follow` until the container ends."""
        left = request.limit_bytes
        async for piece in self._lines(request):
            if left is None:
                yield piece
                continue
            yield piece[:left]
            left -= len(piece)
            if left <= 0:
                return

    async def _lines(self, request: LogRequest) -> AsyncIterator[bytes]:
        since = None
        if request.since is not None:
            since = _stamp(request.since.astimezone(UTC)).encode()
        tail: deque[bytes] | None = None
        if request.tail_lines is not None:
            tail = deque(maxlen=request.tail_lines)
        with self._path.open("rb") as file:
            while True:
                changed, ended = self._changed, self.ended
                lines = _shown(file.readlines(), since, timestamps=request.timestamps)
                if tail is not None:
                    # Only what was there at first is cut; then the reader follows.
                    tail.extend(lines)
                    lines, tail = list(tail), None
                if lines:
                    yield b"".join(lines)
                if ended or not request.follow:
                    return
                await changed.wait()


def _shown(raw: list[bytes], since: bytes | None, *, timestamps: bool) -> list[bytes]:
    shown = []
    for entry in raw:
        stamp, _, tag, line = entry.split(b" ", 3)
        if since is None or stamp >= since:
            text = line if tag == b"F" else line[:-1]
            shown.append(stamp + b" " + text if timestamps else text)
    return shown


def _now() -> str:
    nanoseconds = time_ns()
    moment = datetime.fromtimestamp(nanoseconds // 10**9, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds % 10**9:09d}Z"


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond * 1000:09d}Z"
