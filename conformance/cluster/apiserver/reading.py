"""
Get, list and pages: what was there, at which revision.

A list names the revision it shows, so that a watch can begin exactly there; a page
carries it on in its `continue` token. What is too old is 410 with a token that starts
again without the promise, what is too new is 504 after a wait.
"""

import asyncio
import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass

from conformance.cluster.apiserver import status
from conformance.cluster.apiserver.resources import Object, Resource, name_of, namespace_of
from conformance.cluster.apiserver.selectors import Selection
from conformance.cluster.apiserver.status import Cause
from conformance.cluster.apiserver.store import Store

_PATIENCE = 3.0
"""Seconds to wait for a revision that is not there yet; kube-apiserver's own number."""
_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can "
    "start a new list without the continue parameter, or use the continue token in this response "
    "to retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list."
)
_SYNTAX = 'strconv.ParseUint: parsing "{0}": invalid syntax'


@dataclass(frozen=True)
class Listed:
    """One page, or all."""

    items: list[Object]
    revision: int
    continue_token: str = ""
    remaining: int | None = None

    def metadata(self) -> Object:
        meta: Object = {"resourceVersion": str(self.revision)}
        if self.continue_token:
            meta["continue"] = self.continue_token
            if self.remaining is not None:
                meta["remainingItemCount"] = self.remaining
        return meta


def version(text: str, *, watching: bool = False) -> int | None:
    """A `resourceVersion` parameter; None when there is none. Raises `ApiError`."""
    if not text:
        return None
    if text.isdecimal():
        return int(text)
    said = f'resourceVersion: Invalid value: "{text}": {_SYNTAX.format(text)}'
    if watching:
        # Recorded so: the watch cache does not dress this error up.
        raise status.ApiError(500, "", said)
    raise status.bad_request(f"invalid resource version: {said}")


async def present(store: Store, revision: int | None) -> None:
    """Wait until a revision is there; raises `ApiError` 504 when it does not come."""
    if revision is None or revision <= store.revision:
        return
    try:
        async with asyncio.timeout(_PATIENCE):
            await store.reached(revision)
    except TimeoutError:
        raise status.version_too_large(revision, store.revision) from None


def check_list_options(query: Mapping[str, str]) -> None:
    """Combinations that make no sense; raises `ApiError` 422."""
    match, initial = query.get("resourceVersionMatch", ""), query.get("sendInitialEvents")
    field = "resourceVersionMatch"
    if match not in {"", "Exact", "NotOlderThan"}:
        cause = Cause(
            f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan", ""',
            field,
            "FieldValueNotSupported",
        )
    elif initial is not None and match != "NotOlderThan":
        cause = Cause(
            "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            field,
            "FieldValueForbidden",
        )
    elif match and initial is None and "resourceVersion" not in query:
        cause = Cause(
            "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
            field,
            "FieldValueForbidden",
        )
    else:
        return
    raise status.invalid("ListOptions", "", [cause], "meta.k8s.io")


def _token(revision: int, start: str) -> str:
    value = {"v": "meta.k8s.io/v1", "rv": revision, "start": start}
    return (
        base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode())
        .rstrip(b"=")
        .decode()
    )


def _read_token(text: str) -> tuple[int, str]:
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise status.bad_request(f"invalid continue token: {error}") from error
    try:
        value = json.loads(raw)
        return int(value["rv"]), str(value["start"])
    except (ValueError, KeyError, TypeError) as error:
        first = f"\\u{raw[0]:04x}" if raw and raw[0] > 126 else raw[:1].decode("latin-1")
        raise status.bad_request(
            "invalid continue token: continue key is not valid: invalid character "
            f"'{first}' looking for beginning of value"
        ) from error


async def list_objects(
    store: Store, resource: Resource, namespace: str, query: Mapping[str, str]
) -> Listed:
    """Raises `ApiError`: 400, 410, 422 or 504."""
    check_list_options(query)
    chosen = Selection.parse(
        query.get("labelSelector", ""), query.get("fieldSelector", ""), resource
    )
    asked = version(query.get("resourceVersion", ""))
    revision, after = store.revision, ""
    if token := query.get("continue", ""):
        if asked:
            raise status.bad_request(
                "specifying resource version is not allowed when using continue"
            )
        revision, after = _read_token(token)
        revision = store.revision if revision < 0 else revision
    else:
        await present(store, asked)
        exact = query.get("resourceVersionMatch") == "Exact"
        revision = asked if exact and asked else store.revision
    try:
        items = store.items_at(resource, namespace, revision)
    except KeyError:
        if not after:
            said = f"The resourceVersion for the provided list is too old: {revision}"
            raise status.expired(said) from None
        raise status.expired(_TOO_OLD, _token(-1, after)) from None
    if after:
        start = tuple(after.split("/")[1:])
        items = [obj for obj in items if (namespace_of(obj), name_of(obj)) >= start]
    if chosen:
        items = [obj for obj in items if chosen.matches(obj)]
    limit = int(query.get("limit") or 0)
    if limit <= 0 or len(items) <= limit:
        return Listed(items, revision)
    page = items[:limit]
    remaining = None if chosen else len(items) - limit
    return Listed(page, revision, _token(revision, _start_after(page[-1])), remaining)


def _start_after(obj: Object) -> str:
    return f"/{namespace_of(obj)}/{name_of(obj)}\0"
