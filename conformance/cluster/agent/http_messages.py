"""
HTTP/1.1 requests read and answers written as Go's net/http does.

SDKs and probes see the agent through Go's server: a bare line feed ends a line,
any method passes, a megabyte of header is fine and two are 431, a request without
`Host` is turned away before any handler. aiohttp's parser is stricter in some of
these and laxer in others, and its answers have other headers; so the few hundred
bytes of protocol that the agent speaks are spelled out here.

Source: Go 1.26, net/http: server.go, request.go, textproto/reader.go.
"""

import re
import time
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import urlsplit

MAX_HEADER_BYTES = (1 << 20) + 4096
"""net/http's DefaultMaxHeaderBytes and the slop of its buffer."""
MAX_DISCARDED_BODY = 256 << 10
"""A body that nobody reads is read away up to here; a longer one ends the connection."""

PLAIN = "text/plain; charset=utf-8"

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HOST = re.compile(rb"[0-9A-Za-z!$%&()*+,\-.:;='\[\]_~]*")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_VERSION = re.compile(rb"HTTP/(\d)\.(\d)")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class BadRequestError(Exception):
    """The request is answered before any handler, and the connection ends."""

    def __init__(self, status_line: str = "400 Bad Request", body: str = "") -> None:
        super().__init__(status_line)
        self.status_line = status_line
        self.body = body or status_line

    def wire(self) -> bytes:
        return (
            f"HTTP/1.1 {self.status_line}\r\nContent-Type: {PLAIN}\r\n"
            f"Connection: close\r\n\r\n{self.body}"
        ).encode("latin-1")


TOO_LARGE = BadRequestError("431 Request Header Fields Too Large")


@dataclass(frozen=True, repr=False)
class Request:
    """What handlers look at. Has no repr: it holds a token."""

    method: str
    path: str
    """Still percent-encoded, without query."""
    query: str
    host: str
    authorization: bytes
    """The first `Authorization` header's value without blanks around it."""
    peer: str
    """The client's address and port, as Go prints them."""


@dataclass(frozen=True, repr=False)
class Framing:
    """What the connection must know of a request to find the next one."""

    keep_alive: bool
    http10: bool
    body_bytes: int
    """To be read away before the answer."""


@dataclass(frozen=True, repr=False)
class Answer:
    """A handler's answer; `headers` are those before Date, in the order sent."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @classmethod
    def error(cls, status: int, text: str) -> "Answer":
        """Go's `http.Error`: plain text, and a line feed at its end."""
        headers = (("Content-Type", PLAIN), ("X-Content-Type-Options", "nosniff"))
        return cls(status, headers, f"{text}\n".encode("utf-8", "surrogateescape"))

    def wire(self, method: str, framing: Framing) -> bytes:
        lines = [f"HTTP/1.{0 if framing.http10 else 1} {self.status} {_reason(self.status)}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines += [f"Date: {_date(int(time.time()))}", f"Content-Length: {len(self.body)}"]
        if framing.http10 and framing.keep_alive:
            lines.append("Connection: keep-alive")
        elif not framing.keep_alive and not framing.http10:
            lines.append("Connection: close")
        head = "\r\n".join([*lines, "\r\n"]).encode("latin-1", "replace")
        return head if method == "HEAD" else head + self.body


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def _reason(status: int) -> str:
    if status == HTTPStatus.IM_A_TEAPOT:
        return "I'm a teapot"
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"status code {status}"


def read_request(head: bytes, peer: str) -> tuple[Request, Framing]:
    """Parse everything up to the blank line; raises `BadRequestError`."""
    lines = [line[:-1] if line.endswith(b"\r") else line for line in head.split(b"\n")]
    method, target, major, minor = _request_line(lines[0])
    headers = _headers(lines[1:])
    hosts = headers.get(b"host", [])
    if len(hosts) > 1:
        raise BadRequestError
    body_bytes, framed = _body(headers)
    if major != 1:
        raise _status_error("505 HTTP Version Not Supported", "unsupported protocol version")
    if minor >= 1 and not hosts and method != "CONNECT":
        raise _status_error("400 Bad Request", "missing required Host header")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise _status_error("400 Bad Request", "malformed Host header")
    host, path, query = _target(method, target, hosts[0].decode() if hosts else "")
    connection = b",".join(headers.get(b"connection", [])).lower()
    keep_alive = b"keep-alive" in connection if minor == 0 else b"close" not in connection
    waits = b"100-continue" in b",".join(headers.get(b"expect", [])).lower()
    framing = Framing(keep_alive and framed and not waits, minor == 0, 0 if waits else body_bytes)
    authorization = headers.get(b"authorization", [b""])[0]
    return Request(method, path, query, host, authorization, peer), framing


def _status_error(status: str, text: str) -> BadRequestError:
    return BadRequestError(f"{status}: {text}")


def _request_line(line: bytes) -> tuple[str, str, int, int]:
    method, _, rest = line.partition(b" ")
    target, _, version = rest.rpartition(b" ")
    match = _VERSION.fullmatch(version)
    if not match or not _TOKEN.fullmatch(method) or not target or _CONTROL.search(target):
        raise BadRequestError
    return method.decode(), target.decode("latin-1"), int(match[1]), int(match[2])


def _headers(lines: list[bytes]) -> dict[bytes, list[bytes]]:
    """By lower-case name; a line that begins with a blank continues the one before."""
    if lines and lines[0][:1] in (b" ", b"\t"):
        raise BadRequestError
    joined: list[bytes] = []
    for line in lines:
        if line[:1] in (b" ", b"\t"):
            joined[-1] = joined[-1].rstrip(b" \t") + b" " + line.strip(b" \t")
        elif line:
            joined.append(line)
    headers: dict[bytes, list[bytes]] = {}
    for line in joined:
        name, colon, value = line.partition(b":")
        if not colon or not name:
            raise BadRequestError
        if not _TOKEN.fullmatch(name):
            raise _status_error("400 Bad Request", "invalid header name")
        value = value.strip(b" \t")
        if _CONTROL.search(value):
            raise _status_error("400 Bad Request", "invalid header value")
        headers.setdefault(name.lower(), []).append(value)
    return headers


def _body(headers: dict[bytes, list[bytes]]) -> tuple[int, bool]:
    """How much body to read away, and whether the next request can be found after it."""
    coding = headers.get(b"transfer-encoding")
    if coding is not None:
        if len(coding) > 1 or coding[0].lower() != b"chunked":
            text = "Unsupported transfer encoding"
            raise BadRequestError("501 Not Implemented", text)
        # No handler reads a body: the connection ends instead of unpacking one.
        return 0, False
    lengths = set(headers.get(b"content-length", []))
    if not lengths:
        return 0, True
    length = lengths.pop()
    if lengths or not length.isdigit():
        raise BadRequestError
    size = int(length) if len(length) < 19 else MAX_DISCARDED_BODY + 1
    return (size, True) if size <= MAX_DISCARDED_BODY else (0, False)


def _target(method: str, target: str, host: str) -> tuple[str, str, str]:
    """Host, path and query; a target with a host of its own overrides the header."""
    if target == "*":
        return host, "*", ""
    if method == "CONNECT" and not target.startswith("/"):
        return target, "", ""
    if not target.startswith("/"):
        try:
            url = urlsplit(target)
        except ValueError:
            raise BadRequestError from None
        if not url.scheme:
            raise BadRequestError
        host = url.netloc or host
        target = f"{url.path or '/'}?{url.query}"
    path, _, query = target.partition("?")
    if _BAD_ESCAPE.search(path):
        raise BadRequestError
    return host, path, query
