"""
Long lists in pages.

A page ends where its token says, by the key of the last item and not by its
number: an item that goes away between two pages must not hide another one.
"""

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import TypeVar

from conformance.emulator.eks.call import Call
from conformance.emulator.eks.errors import invalid_parameter

T = TypeVar("T")

LARGEST = 100
"""maxResults of every list of EKS is 1 to 100, and 100 when it is not given."""


def page(call: Call, items: Iterable[T], key: Callable[[T], str]) -> tuple[list[T], str | None]:
    """The items of this page in the order of `key`, and the token of the next page."""
    after = _read(call["nextToken"])
    left = sorted((item for item in items if key(item) > after), key=key)
    size = call["maxResults"] or LARGEST
    here = left[:size]
    return here, _token(key(here[-1])) if len(left) > size else None


def _token(last: str) -> str:
    return base64.urlsafe_b64encode(last.encode()).decode()


def _read(token: str | None) -> str:
    try:
        return base64.b64decode(token or "", altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise invalid_parameter("The parameter nextToken is not one that was given.") from None
