"""
cloudtrail:LookupEvents, the event history of one account in one region.

A client of the real one works here unchanged: one attribute at a time, 50 events a page,
newest first, a token that is good for the same question only. Source: CloudTrail API
reference, LookupEvents. Two things are better than in life: events are there at once, not
after up to 15 minutes, and nobody is throttled to two calls a second.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from conformance.emulator.audit import Event
from conformance.emulator.service import Request, Response, World

PAGE = 50
_TARGET = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101."
_CONTENT = {"Content-Type": "application/x-amz-json-1.1"}


class _Refused(Exception):  # noqa: N818 -- the caller's fault, not ours
    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status


_ATTRIBUTES: Mapping[str, Callable[[Event, str], bool]] = {
    "EventId": lambda event, value: event.id == value,
    "EventName": lambda event, value: event.name == value,
    "EventSource": lambda event, value: event.source == value,
    "ReadOnly": lambda event, value: str(event.read_only).lower() == value.lower(),
    "Username": lambda event, value: event.username == value,
    "ResourceName": lambda event, value: any(name == value for _, name in event.resources),
    "ResourceType": lambda event, value: any(kind == value for kind, _ in event.resources),
    "AccessKeyId": lambda event, value: event.access_key_id == value,
}


async def handle(request: Request, world: World) -> Response:
    """Answer one call; operations that are not emulated say so."""
    try:
        target = request.headers.get("x-amz-target", "")
        operation = target.removeprefix(_TARGET)
        action = f"cloudtrail:{operation}"
        if operation != "LookupEvents":
            what = f"{operation or target} of cloudtrail is not emulated"
            raise _Refused("NotImplementedException", what, 501)
        decision = world.authorize(request.caller, action, "*")
        if not decision.allowed:
            raise _Refused("AccessDeniedException", decision.message)
        return _answer(200, _lookup(_read(request.body), request, world))
    except _Refused as refused:
        return _answer(refused.status, {"__type": refused.code, "message": refused.message})


def _answer(status: int, body: Mapping[str, Any]) -> Response:
    return Response(status, _CONTENT, json.dumps(body).encode())


def _read(body: bytes) -> dict[str, Any]:
    try:
        asked = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict):
        raise _Refused("SerializationException", "The request body is not a JSON object.")
    return asked


def _lookup(asked: dict[str, Any], request: Request, world: World) -> dict[str, Any]:
    size = asked.get("MaxResults", PAGE)
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= PAGE:
        raise _Refused("InvalidMaxResultsException", f"MaxResults must be from 1 to {PAGE}.")
    if asked.get("EventCategory"):
        # The one category, `insight`: events that no emulation can have.
        return {"Events": []}
    start, end = _moment(asked, "StartTime"), _moment(asked, "EndTime")
    if start and end and start > end:
        raise _Refused("InvalidTimeRangeException", "The start time is after the end time.")
    fits = _attribute(asked.get("LookupAttributes") or [])
    before = _position(asked)
    found = [
        event
        for event in world.trail.management(request.caller.account_id, request.region)
        if (before is None or event.number < before)
        and (start is None or event.at >= start)
        and (end is None or event.at <= end)
        and fits(event)
    ]
    page = found[:size]
    answer: dict[str, Any] = {"Events": [_listed(event) for event in page]}
    if len(found) > size:
        answer["NextToken"] = _token(asked, page[-1].number)
    return answer


def _moment(asked: Mapping[str, Any], name: str) -> datetime | None:
    given = asked.get(name)
    if given is None:
        return None
    try:
        return datetime.fromtimestamp(float(given), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise _Refused("InvalidTimeRangeException", f"{name} is not a time.") from None


def _attribute(given: Any) -> Callable[[Event], bool]:
    if not isinstance(given, list) or len(given) > 1:
        raise _Refused(
            "InvalidLookupAttributesException", "Currently the list can contain only one item."
        )
    if not given:
        return lambda _: True
    one = given[0] if isinstance(given[0], dict) else {}
    key, value = one.get("AttributeKey"), one.get("AttributeValue")
    fits = _ATTRIBUTES.get(str(key))
    if fits is None or not isinstance(value, str) or not value:
        raise _Refused("InvalidLookupAttributesException", f"{key} = {value} cannot be looked up.")
    return lambda event: fits(event, value)


def _listed(event: Event) -> dict[str, Any]:
    told: dict[str, Any] = {
        "EventId": event.id,
        "EventName": event.name,
        "ReadOnly": str(event.read_only).lower(),
        "EventTime": int(event.at.timestamp()),
        "EventSource": event.source,
        "Resources": [
            {"ResourceType": kind, "ResourceName": name} for kind, name in event.resources
        ],
        "CloudTrailEvent": event.text,
    }
    if event.access_key_id:
        told["AccessKeyId"] = event.access_key_id
    if event.username:
        told["Username"] = event.username
    return told


def _question(asked: Mapping[str, Any]) -> str:
    """The request without its token: a token goes with the question that it was made for."""
    text = json.dumps({k: v for k, v in asked.items() if k != "NextToken"}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _token(asked: Mapping[str, Any], number: int) -> str:
    return base64.urlsafe_b64encode(f"{_question(asked)}:{number}".encode()).decode()


def _position(asked: Mapping[str, Any]) -> int | None:
    token = asked.get("NextToken")
    if token is None:
        return None
    try:
        question, _, number = base64.urlsafe_b64decode(str(token)).decode().partition(":")
        if question != _question(asked):
            raise ValueError("another question")
        return int(number)
    except ValueError:
        raise _Refused(
            "InvalidNextTokenException", "The token is invalid, or goes with another request."
        ) from None
