"""
The server's side of a connection: requests one after the other, and their end.

A handler may answer at once or hand back a coroutine. A cached answer takes the
first way and costs no task, which is what keeps the agent under a millisecond.
When the client hangs up, the coroutine is cancelled, and with it the call to
EKS Auth, as the real agent does (aws/eks-pod-identity-agent#50).
"""

import asyncio
import re
import socket
from collections.abc import Callable, Coroutine

from conformance.cluster.agent.http_messages import (
    MAX_HEADER_BYTES,
    TOO_LARGE,
    Answer,
    BadRequestError,
    Framing,
    Request,
    read_request,
)

READ_SECONDS = 30.0
"""ReadTimeout and WriteTimeout of the agent's servers."""
LINGER_SECONDS = 0.5
"""How long the rest of a refused request is read, so that its sender sees the answer."""
BACKLOG = 1024

Handler = Callable[[Request], Answer | Coroutine[None, None, Answer]]

_HEAD_END = re.compile(rb"\n\r?\n")


class HandlerPanicError(Exception):
    """Go's handler would panic: the connection is closed without an answer."""


class Server:
    """Serves one handler on one listening socket; owns the socket."""

    def __init__(self, handler: Handler, listening: socket.socket) -> None:
        self.handler = handler
        self.connections: set[_Connection] = set()
        self._listening = listening
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._listening.setblocking(False)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self), sock=self._listening, backlog=BACKLOG
        )

    async def close(self) -> None:
        """Stop listening, end every connection and what was under way for it."""
        if self._server is None:
            self._listening.close()
            return
        self._server.close()
        tasks = [connection.abort() for connection in list(self.connections)]
        await asyncio.gather(*(task for task in tasks if task), return_exceptions=True)
        await self._server.wait_closed()


class _Connection(asyncio.Protocol):
    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._searched = 0
        self._pending: tuple[Request, Framing] | None = None
        self._task: asyncio.Task[Answer] | None = None
        self._ending = False
        self._skip_blank = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - narrows asyncio's type
        self._transport = transport
        self._peer = _peer(transport)
        self._since = self._loop.time()
        self._timer = self._loop.call_later(READ_SECONDS, self._expire)
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio calls it
        self._timer.cancel()
        self._server.connections.discard(self)
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        if self._ending:
            return
        self._buffer += data
        if self._pending is not None and len(self._buffer) > MAX_HEADER_BYTES:
            self._transport.pause_reading()
        self._advance()

    def abort(self) -> asyncio.Task[Answer] | None:
        task = self._task
        self._transport.abort()
        if task is not None:
            task.cancel()
        return task

    def _advance(self) -> None:
        """Handle what has arrived whole, unless an answer is still being made."""
        while self._task is None and not self._ending:
            try:
                if self._pending is None and not self._take_head():
                    return
            except BadRequestError as refusal:
                self._refuse(refusal)
                return
            if self._pending is None or len(self._buffer) < self._pending[1].body_bytes:
                return
            del self._buffer[: self._pending[1].body_bytes]
            self._handle(self._pending[0])

    def _take_head(self) -> bool:
        if self._skip_blank:
            # RFC 7230 3.5: some clients end a POST with a line too many.
            while self._buffer.startswith((b"\r", b"\n")):
                del self._buffer[:1]
        if self._buffer.startswith((b"\n", b"\r\n")):
            raise BadRequestError
        end = _HEAD_END.search(self._buffer, max(0, self._searched - 2))
        if end is None or end.start() > MAX_HEADER_BYTES:
            self._searched = len(self._buffer)
            if self._searched > MAX_HEADER_BYTES:
                raise TOO_LARGE
            return False
        head = bytes(self._buffer[: end.start()])
        del self._buffer[: end.end()]
        self._searched = 0
        self._pending = read_request(head, self._peer)
        self._skip_blank = self._pending[0].method == "POST"
        return True

    def _handle(self, request: Request) -> None:
        outcome = self._server.handler(request)
        if isinstance(outcome, Answer):
            self._answer(outcome)
            return
        self._since = self._loop.time()
        self._task = self._loop.create_task(outcome)
        self._task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Answer]) -> None:
        self._task = None
        if task.cancelled() or self._transport.is_closing():
            return
        error = task.exception()
        if error is None:
            self._answer(task.result())
            self._advance()
            return
        self._transport.abort()
        if not isinstance(error, HandlerPanicError):
            raise error

    def _answer(self, answer: Answer) -> None:
        if self._pending is None:
            return
        request, framing = self._pending
        self._pending = None
        self._since = self._loop.time()
        self._transport.write(answer.wire(request.method, framing))
        if not framing.keep_alive:
            self._end()
        elif not self._transport.is_closing():
            self._transport.resume_reading()

    def _refuse(self, refusal: BadRequestError) -> None:
        self._transport.write(refusal.wire())
        self._end()

    def _end(self) -> None:
        """Say that nothing follows; read what still comes, so that no reset overtakes us."""
        self._ending = True
        self._buffer.clear()
        if self._transport.is_closing():
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._timer.cancel()
        self._timer = self._loop.call_later(LINGER_SECONDS, self._transport.close)

    def _expire(self) -> None:
        left = self._since + READ_SECONDS - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._expire)
        else:
            self._transport.abort()


def _peer(transport: asyncio.Transport) -> str:
    name = transport.get_extra_info("peername")
    if not isinstance(name, tuple):
        return "@"
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"
