"""
From an HTTP request to the service that answers it, with the caller known.

Nothing reaches a service unsigned: not EKS, not ministack with its debugging and
reset pages, its host names and its anonymous ways in. What ministack reads twice in
different ways (a query parameter here, the form there) is reduced to one reading
first, so that what was decided is what is done.
"""

import logging
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import ministack.app
from ministack.core.iam_evaluator import pin_request_origin
from ministack.core.responses import request_scope

from conformance.emulator import request_keys, web_identity
from conformance.emulator.authentication import Incoming, Verified, scope_service, verify
from conformance.emulator.aws import Aws
from conformance.emulator.borrowed import SERVED
from conformance.emulator.cloudtrail.calls import Served, called
from conformance.emulator.cloudtrail.operations import understand
from conformance.emulator.corrections.enforcement import serving
from conformance.emulator.refusals import not_emulated, unauthenticated, with_request_id
from conformance.emulator.service import Handler, Request, Response, Unauthenticated
from conformance.faults import EKS_AUTH_DOWN

# Pages of ministack itself; no bucket name begins like this.
_HIDDEN = re.compile(r"/_|/health(/|$)")
_QUERY_SERVICES = frozenset({"iam", "sts"})

logger = logging.getLogger(__name__)


class Dropped(Exception):  # noqa: N818 -- asked for by a fault
    """The connection is to be closed without an answer."""


@dataclass(frozen=True)
class Wire:
    """A request as the HTTP server hands it over."""

    method: str
    target: str
    """Path and query as sent."""
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    peer: str


class Router:
    """Verifies, routes, and answers in each service's own wire format."""

    def __init__(self, aws: Aws, services: Mapping[str, Handler]) -> None:
        self._aws = aws
        self._services = services

    async def answer(self, wire: Wire) -> Response:
        """Raises `Dropped`; every other trouble is an answer."""
        request_id = str(uuid.uuid4())
        # Not urlsplit: it would read `//bucket` as a host.
        raw_path, _, query = wire.target.partition("?")
        headers = _headers(wire)
        incoming = Incoming(
            method=wire.method,
            raw_path=raw_path,
            query=parse_qs(query, keep_blank_values=True),
            headers=headers,
            body=wire.body,
        )
        path = unquote(incoming.raw_path)
        if _HIDDEN.match(path) or not _is_ours(headers.get("host", "")):
            return Response(404, {"x-amzn-requestid": request_id})
        claimed = scope_service(incoming)
        if claimed == "eks-auth" and EKS_AUTH_DOWN in self._aws.faults:
            raise Dropped
        if refused := web_identity.refusal(incoming, request_id):
            return refused
        try:
            verified = verify(incoming)
        except Unauthenticated as failure:
            return unauthenticated(failure, headers, request_id)
        # As for ministack, see `_unambiguous`.
        pin_request_origin(wire.peer, True)
        request_keys.pin(headers)
        operation = understand(verified.service, incoming, path)
        handler = self._services.get(verified.service)
        if handler is not None:
            response = await self._serve(handler, verified, incoming, path, request_id)
        elif verified.service in SERVED:
            with serving(verified, path, operation.name if operation else ""):
                response = await _ask_ministack(
                    _unambiguous(wire, verified.service, raw_path, query)
                )
            response = with_request_id(response, verified.service, request_id)
        else:
            return not_emulated(verified.service, headers, request_id)
        if operation is not None:
            self._record(Served(verified, operation, incoming, path, wire.peer, response))
        return response

    async def _serve(
        self,
        handler: Handler,
        verified: Verified,
        incoming: Incoming,
        path: str,
        request_id: str,
    ) -> Response:
        request = Request(
            method=incoming.method,
            path=path,
            raw_path=incoming.raw_path,
            query=incoming.query,
            headers=incoming.headers,
            body=incoming.body,
            service=verified.service,
            region=verified.region,
            caller=verified.caller,
            request_id=request_id,
        )
        with request_scope(verified.caller.account_id, verified.region):
            response = await handler(request, self._aws)
        return Response(
            response.status,
            {**response.headers, "x-amzn-requestid": request_id},
            response.body,
        )

    def _record(self, served: Served) -> None:
        """What was done was done: a call that cannot be told of is answered all the same."""
        try:
            with request_scope(served.verified.caller.account_id, served.verified.region):
                self._aws.trail.add(*called(served))
        except Exception:
            logger.exception("%s is not in the trail", served.operation.name)


def _headers(wire: Wire) -> dict[str, str]:
    """Names in lower case; lines of one name joined as SigV4 signs them."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in wire.headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("utf-8", "replace")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def _is_ours(host: str) -> bool:
    """
    An address, `localhost`, or one label before it (a bucket, or S3 Control's account).

    ministack serves other things (functions, gateways, load balancers) by host name.
    """
    name = urlsplit(f"//{host}").hostname or ""
    try:
        ip_address(name)
    except ValueError:
        return re.fullmatch(r"([a-z0-9-]+\.)?localhost", name) is not None
    return True


def _unambiguous(wire: Wire, service: str, path: str, query: str) -> dict[str, Any]:
    """
    The ASGI scope and body for ministack, without what could mean two things.

    ministack decides on `?Action=` or X-Amz-Target where the handler goes by path or
    form: `GET /bucket/key?Action=ListBucket` would be allowed as one and done as the
    other. Only what the service's SDKs send is passed on.
    """
    drop = set()
    if service == "s3":
        drop.add(b"x-amz-target")
        query = "&".join(part for part in query.split("&") if not part.startswith("Action="))
    elif service in _QUERY_SERVICES:
        drop.add(b"x-amz-target")
        query = "" if wire.method == "POST" else query
    else:
        query = ""
    return {
        "body": wire.body,
        "scope": {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            # The way to us counts as safe, so that `aws:SecureTransport` is true: it never
            # leaves this machine, and the SDKs' own endpoints are https.
            "scheme": "https",
            "method": wire.method,
            "path": unquote(path),
            "raw_path": path.encode("ascii", "replace"),
            "query_string": query.encode("ascii", "replace"),
            "headers": [(n.lower(), v) for n, v in wire.headers if n.lower() not in drop],
            "client": (wire.peer, 0),
        },
    }


async def _ask_ministack(asked: dict[str, Any]) -> Response:
    """Run ministack's ASGI application on one request and gather what it sends."""
    given = [{"type": "http.request", "body": asked["body"], "more_body": False}]
    status = 500
    headers: list[tuple[bytes, bytes]] = []
    parts: list[bytes] = []

    async def receive() -> dict[str, Any]:
        return given.pop() if given else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            headers.extend(message.get("headers", []))
        elif message["type"] == "http.response.body":
            parts.append(message.get("body", b""))

    call: Callable[..., Awaitable[None]] = ministack.app.app
    await call(asked["scope"], receive, send)
    return Response(
        status,
        {name.decode("latin-1"): value.decode("latin-1") for name, value in headers},
        b"".join(parts),
    )
