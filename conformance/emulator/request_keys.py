"""
Condition keys that a request's headers carry: aws:UserAgent and aws:Referer.

Decisions are made deep inside services that never see the headers (gap 12: ministack has
no aws:UserAgent), so the router puts them here for the time of the request. Source: IAM
user guide, "AWS global condition context keys".
"""

from collections.abc import Mapping
from contextvars import ContextVar

_HEADERS = {"aws:useragent": "user-agent", "aws:referer": "referer"}
_PINNED: ContextVar[Mapping[str, str] | None] = ContextVar("request_keys", default=None)


def pin(headers: Mapping[str, str]) -> None:
    """From here on, in this request; `headers` by lower-case name."""
    _PINNED.set({key: headers[name] for key, name in _HEADERS.items() if name in headers})


def pinned() -> Mapping[str, str]:
    """By lower-case key; empty outside of a request."""
    return _PINNED.get() or {}


OF_NO_SERVICE = dict.fromkeys((*_HEADERS, "aws:sourceip"))
"""An AWS service that acts for itself has none of these: the pod's request is not its own."""
