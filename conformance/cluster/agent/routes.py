"""
Which path leads where, as Go's ServeMux decides it.

Only the exact path reaches a handler. An unclean one is redirected to its clean
self even when nothing is there, and everything else is 404, outside the rate
limit: the agent's own probes rely on that 404.

Source: Go 1.26, net/http/server.go (ServeMux); 307 since that release.
"""

import html
import posixpath
from collections.abc import Coroutine, Mapping
from urllib.parse import quote, unquote

from conformance.cluster.agent.connections import Handler
from conformance.cluster.agent.http_messages import Answer, Request

NOT_FOUND = Answer.error(404, "404 page not found")
_OPTIONS = Answer(200, (), b"")
_STAR = Answer(400, (), b"")


def routes(handlers: Mapping[str, Handler]) -> Handler:
    """A handler that hands each request to the one registered for its path."""

    def route(request: Request) -> Answer | Coroutine[None, None, Answer]:
        if request.path == "*":
            return _OPTIONS if request.method == "OPTIONS" else _STAR
        if request.method != "CONNECT":
            clean = clean_path(request.path)
            if clean != request.path:
                return _redirect(request, clean)
        handler = handlers.get(request.path) or handlers.get(_decoded(request.path))
        return NOT_FOUND if handler is None else handler(request)

    return route


def clean_path(path: str) -> str:
    """Without `.`, `..` and double slashes; a slash at the end stays."""
    if not path:
        return "/"
    clean = posixpath.normpath("/" + path.lstrip("/"))
    return clean + "/" if path.endswith("/") and clean != "/" else clean


def _decoded(path: str) -> str:
    """Segments decoded one by one: an encoded slash separates nothing."""
    segments = [unquote(segment) for segment in path.split("/")]
    return "" if any("/" in segment for segment in segments) else "/".join(segments)


def _redirect(request: Request, clean: str) -> Answer:
    location = quote(clean, safe="/$&+,:;=@-_.~!*'()")
    if request.query:
        location += f"?{request.query}"
    headers: tuple[tuple[str, str], ...] = (("Location", location),)
    body = b""
    if request.method in ("GET", "HEAD"):
        headers = (("Content-Type", "text/html; charset=utf-8"), *headers)
        # Go writes the five characters that it escapes as &#34; and &#39;.
        shown = html.escape(location, quote=False).replace('"', "&#34;").replace("'", "&#39;")
        body = f'<a href="{shown}">Temporary Redirect</a>.\n\n'.encode()
    return Answer(307, headers, body)
