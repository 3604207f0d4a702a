"""
The AWS endpoint's HTTP server.

aiohttp rather than the hypercorn that ministack brings: it parses in C, and it takes
further listening sockets while it runs, which is how a cluster gives us the address
that its pods reach.
"""

import logging
import socket
from collections.abc import Awaitable, Callable

from aiohttp import web

from conformance.emulator.router import Dropped, Router, Wire

LARGEST_BODY = 5 * 2**30
"""S3's limit for one PUT."""

logger = logging.getLogger(__name__)


class HttpServer:
    """
    Serves a router on any number of sockets.

    Each socket has a runner of its own, so that closing one ends the connections that
    came in by it: those of a cluster's pods keep its network namespace alive.
    """

    def __init__(self, router: Router) -> None:
        self._router = router
        self._runners: list[web.AppRunner] = []

    async def listen(self, listening: socket.socket) -> Callable[[], Awaitable[None]]:
        """Serve a bound socket from now on; awaiting what is returned ends that."""
        application = web.Application(client_max_size=LARGEST_BODY)
        application.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(
            application, access_log=None, shutdown_timeout=0.2, handle_signals=False
        )
        await runner.setup()
        self._runners.append(runner)
        await web.SockSite(runner, listening).start()

        async def close() -> None:
            if runner in self._runners:
                self._runners.remove(runner)
                await runner.cleanup()

        return close

    async def close(self) -> None:
        while self._runners:
            await self._runners.pop().cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        wire = Wire(
            method=request.method,
            target=request.raw_path,
            headers=tuple(request.raw_headers),
            body=await request.read(),
            peer=request.remote or "127.0.0.1",
        )
        try:
            answer = await self._router.answer(wire)
        except Dropped:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=503)
        except Exception:
            logger.exception("%s %s failed", request.method, request.path)
            return web.json_response({"message": "internal error of the emulation"}, status=500)
        headers = dict(answer.headers)
        if request.method == "HEAD" or answer.status in (204, 304):
            # The length of what GET would send stays; there is no body to measure.
            return web.Response(status=answer.status, headers=headers)
        for name in [n for n in headers if n.lower() in ("content-length", "transfer-encoding")]:
            del headers[name]
        return web.Response(status=answer.status, headers=headers, body=answer.body)
