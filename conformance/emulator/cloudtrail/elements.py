"""
requestParameters and responseElements, spelled as CloudTrail spells them, without secrets.

CloudTrail takes the API's own members with a small first letter and prints dates in
words. What is secret is hidden by what the service model marks as sensitive and by the
few names that it forgot to mark; a session token is one of those. The trap is a member
that nobody thought of, so whatever is data of the customer's (messages, items) is named
here as what may be told, not as what may not.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore import parsers
from botocore.model import ListShape, MapShape, Shape, StructureShape

from conformance.emulator.authentication import Incoming
from conformance.emulator.cloudtrail import items
from conformance.emulator.cloudtrail.operations import Operation, bucket_and_key, model, small
from conformance.emulator.service import Response

HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
"""CloudTrail's own words, as in the token of AssumeRoleForPodIdentity."""

# Secret or the customer's business, and not marked as sensitive in the models.
_ALSO_HIDDEN = frozenset(
    {
        "MessageAttributes",
        "MessageBody",
        "MessageSystemAttributes",
        "EncodedMessage",
        "TokenCode",
    }
)
_LEFT_OUT = frozenset({"SessionToken", "DecodedMessage"})


def in_words(moment: datetime) -> str:
    """`Apr 16, 2024, 3:20:04 PM`, as in the expiration of an AssumeRole event."""
    utc = moment.astimezone(UTC)
    hour = utc.hour % 12 or 12
    return f"{utc:%b} {utc.day}, {utc.year}, {hour}:{utc:%M:%S %p}"


def _requested(value: Any, shape: Shape, name: str) -> Any:
    if shape.metadata.get("sensitive") or name in _ALSO_HIDDEN:
        return HIDDEN
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        return {
            small(member): _requested(value[member], inner, member)
            for member, inner in shape.members.items()
            if member in value
        }
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_requested(item, shape.member, name) for item in value]
    if isinstance(shape, MapShape) and isinstance(value, Mapping):
        return {key: _requested(item, shape.value, name) for key, item in value.items()}
    return value if isinstance(value, str | int | float | bool) else HIDDEN


def _responded(value: Any, shape: Shape) -> Any:
    if isinstance(shape, StructureShape):
        return {
            small(name): _responded(value[name], inner)
            for name, inner in shape.members.items()
            if name in value and name not in _LEFT_OUT and not inner.metadata.get("sensitive")
        }
    if isinstance(shape, ListShape):
        return [_responded(item, shape.member) for item in value]
    if isinstance(shape, MapShape):
        return {key: _responded(item, shape.value) for key, item in value.items()}
    if isinstance(value, datetime):
        return in_words(value)
    return value if isinstance(value, str | int | float | bool) else None


def request_parameters(
    operation: Operation, incoming: Incoming, path: str, host: str
) -> dict[str, Any] | None:
    """None where the request has none; `host` is the service's own, see `calls`."""
    if operation.service == "s3":
        return _s3_parameters(operation, incoming, path, host)
    if operation.service == "dynamodb" and operation.name not in items.TABLE_OPERATIONS:
        return items.parameters(operation.given)
    shape = operation.model.input_shape
    return _requested(operation.given, shape, "") if shape and operation.given else None


def response_elements(operation: Operation, response: Response) -> dict[str, Any] | None:
    """What a call that changed something answered; None for an answer without content."""
    shape = operation.model.output_shape
    if shape is None or not response.body:
        return None
    parser = parsers.create_parser(model(operation.service).metadata["protocol"])
    answer = {
        "status_code": response.status,
        "headers": {name.lower(): value for name, value in response.headers.items()},
        "body": response.body,
    }
    try:
        parsed = parser.parse(answer, shape)
    except (parsers.ResponseParserError, KeyError):
        return None
    return _responded(parsed, shape) or None


# --- S3

_PRESIGNED = ("X-Amz-Algorithm", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders")
_S3_HEADERS = (
    "x-amz-acl",
    "x-amz-copy-source",
    "x-amz-server-side-encryption",
    "x-amz-storage-class",
    "x-amz-tagging",
)


def _s3_parameters(
    operation: Operation, incoming: Incoming, path: str, host: str
) -> dict[str, Any]:
    """Signature, credential and session token of a presigned URL are in its query: not told."""
    bucket, key = bucket_and_key(incoming, path)
    told: dict[str, Any] = {"bucketName": bucket} if bucket else {}
    told["Host"] = host
    if key:
        told["key"] = key
    known = {*_PRESIGNED, *_s3_query(operation)}
    told |= {name: values[0] for name, values in incoming.query.items() if name in known}
    told |= {name: incoming.headers[name] for name in _S3_HEADERS if name in incoming.headers}
    if operation.name == "PutBucketPolicy":
        told["bucketPolicy"] = _read(incoming.body)
    return told


def _s3_query(operation: Operation) -> Iterator[str]:
    fixed = operation.model.http["requestUri"].partition("?")[2]
    yield from (part.partition("=")[0] for part in fixed.split("&") if part)
    if operation.model.input_shape:
        for shape in operation.model.input_shape.members.values():
            if shape.serialization.get("location") == "querystring":
                yield shape.serialization["name"]


def _read(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return HIDDEN
