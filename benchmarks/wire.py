"""
HTTP as cheap as it gets, so that what is measured is the server.

An ordinary client costs more than the servers here. This one sends bytes that were
made before and reads a length; one connection asks one thing at a time.
"""

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Where a server is; with `tls` it speaks HTTPS."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes


def message(
    method: str, path: str, host: str, headers: Mapping[str, str], body: bytes = b""
) -> bytes:
    """A request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers.items() if name.lower() != "host"]
    if body and "content-length" not in {name.lower() for name in headers}:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


class Connection:
    """Kept alive; opened again when the server closed it."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, raw: bytes) -> Reply | None:
        """None when the server closes the connection without an answer."""
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(
                self._place.host, self._place.port, ssl=self._place.tls
            )
        try:
            self._writer.write(raw)
            head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
            length = 0
            _, found, rest = head.partition(b"content-length: ")
            if found:
                length = int(rest.partition(b"\r\n")[0])
            reply = Reply(int(head.split(b" ", 2)[1]), await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            await self.close()
            return None
        if b"\nconnection: close" in head:
            await self.close()
        return reply

    async def close(self) -> None:
        writer, self._reader, self._writer = self._writer, None, None
        if writer is not None:
            writer.close()
            try:
                await writer.wait_closed()
            except (ConnectionError, ssl.SSLError):
                return


async def burst(place: Place, raws: list[bytes], *, connections: int, status: int) -> None:
    """All of them, as fast as they are answered; every answer must have this status."""
    left = iter(raws)

    async def work() -> None:
        connection = Connection(place)
        for raw in left:
            reply = await connection.ask(raw)
            assert reply is not None  # noqa: S101 -- a number without an answer means nothing
            assert reply.status == status, reply  # noqa: S101 -- same
        await connection.close()

    await asyncio.gather(*(work() for _ in range(connections)))


async def steady(
    place: Place, raw: bytes, *, per_second: int, seconds: float, connections: int
) -> list[float]:
    """
    Seconds that each answer took, at a rate that does not wait for answers.

    What is late because the one before it was slow counts from when it was due:
    otherwise a server that stalls would only be asked less.
    """
    took: list[float] = []
    each = connections / per_second
    began = time.perf_counter() + 0.1

    async def work(number: int) -> None:
        connection = Connection(place)
        for turn in range(int(seconds / each)):
            due = began + number * each / connections + turn * each
            # What is waited for is the moment at which this request is due.
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            reply = await connection.ask(raw)
            assert reply is not None  # noqa: S101 -- as in burst
            assert reply.status == 200, reply  # noqa: S101 -- as in burst
            took.append(time.perf_counter() - due)
        await connection.close()

    await asyncio.gather(*(work(number) for number in range(connections)))
    return took
