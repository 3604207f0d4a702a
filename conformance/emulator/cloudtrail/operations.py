"""
Which operation a request is, and its parameters by their names in the API's model.

ministack finds out both for itself and tells nobody. CloudTrail names the operation, not
the permission (`HeadObject` needs s3:GetObject), so IAM's name for it will not do. The
models are botocore's, which clients are made from. Whatever cannot be read is left out:
the service refuses it in its own words, and this is only about telling of it.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs

from botocore.loaders import Loader
from botocore.model import ListShape, OperationModel, ServiceModel, Shape, StructureShape

from conformance.emulator.authentication import Incoming
from conformance.emulator.eks.errors import ServiceError
from conformance.emulator.eks.model import api

Given = dict[str, Any]


@dataclass(frozen=True)
class Operation:
    """What a request asks for."""

    service: str
    """Signing name."""
    model: OperationModel
    given: Mapping[str, Any] = field(default_factory=dict)
    """Parameters as they were sent; nothing has been checked."""

    @property
    def name(self) -> str:
        return str(self.model.name)


def small(name: str) -> str:
    """CloudTrail's spelling of a member's name; only the first letter changes: `mD5OfBody`."""
    return name[:1].lower() + name[1:]


def understand(service: str, incoming: Incoming, path: str) -> Operation | None:
    """
    The operation of a request to one of the services that are recorded, else None.

    `path` is percent-decoded. S3 Control, which shares S3's signing name, is not read.
    """
    read = _READERS.get(service)
    found = read(service, incoming, path) if read else None
    return Operation(service, *found) if found else None


@cache
def model(service: str) -> ServiceModel:
    """Read once, when first asked for."""
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def _operation(service: str, name: str) -> OperationModel | None:
    known = model(service)
    return known.operation_model(name) if name in known.operation_names else None


def _members(operation: OperationModel) -> Mapping[str, Shape]:
    return operation.input_shape.members if operation.input_shape else {}


# --- JSON with X-Amz-Target: DynamoDB, SQS, CloudTrail


def _by_target(service: str, incoming: Incoming, path: str) -> tuple[OperationModel, Given] | None:
    target = incoming.headers.get("x-amz-target", "")
    if not target:
        return _by_form(service, incoming, path)
    operation = _operation(service, target.rpartition(".")[2])
    if operation is None:
        return None
    body = _json(incoming.body)
    return operation, {name: body[name] for name in _members(operation) if name in body}


def _json(content: bytes) -> Given:
    try:
        read = json.loads(content or b"{}")
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


# --- Forms with Action: STS and IAM, and SQS of old clients


def _by_form(service: str, incoming: Incoming, _: str) -> tuple[OperationModel, Given] | None:
    form = parse_qs(incoming.body.decode("utf-8", "replace"), keep_blank_values=True)
    form = form or dict(incoming.query)
    operation = _operation(service, (form.get("Action") or [""])[0])
    if operation is None:
        return None
    flat = {name: values[0] for name, values in form.items()}
    read = ((name, _from_form(shape, flat, name)) for name, shape in _members(operation).items())
    return operation, {name: value for name, value in read if value is not None}


def _from_form(shape: Shape, form: Mapping[str, str], name: str) -> Any:
    """Source: Smithy, "AWS query protocol": how lists and structures are spelled."""
    if isinstance(shape, StructureShape):
        read = {
            member: _from_form(inner, form, f"{name}.{inner.serialization.get('name', member)}")
            for member, inner in shape.members.items()
        }
        return {member: value for member, value in read.items() if value is not None} or None
    if isinstance(shape, ListShape):
        return list(_listed(shape.member, form, f"{name}.member")) or None
    value = form.get(name)
    if value is not None and shape.type_name in ("integer", "long") and value.isdigit():
        return int(value)
    if value is not None and shape.type_name == "boolean":
        return value == "true"
    return value


def _listed(member: Shape, form: Mapping[str, str], prefix: str) -> Iterator[Any]:
    """`prefix.1`, `prefix.2` and so on, up to the first that is missing."""
    number = 1
    while (value := _from_form(member, form, f"{prefix}.{number}")) is not None:
        yield value
        number += 1


# --- REST with JSON: EKS and EKS Auth


def _by_route(service: str, incoming: Incoming, _: str) -> tuple[OperationModel, Given] | None:
    try:
        operation, labels = api(service).find(incoming.method, incoming.raw_path)
    except ServiceError:
        return None
    body = _json(incoming.body)
    given: Given = {}
    for name, shape in _members(operation).items():
        where = shape.serialization
        match where.get("location"):
            case "uri":
                value: Any = labels.get(where["name"])
            case "querystring":
                values = incoming.query.get(where["name"], [])
                value = values if isinstance(shape, ListShape) else next(iter(values), None)
            case _:
                value = body.get(where.get("name", name))
        if value is not None:
            given[name] = value
    return operation, given


# --- S3: method, level, query and headers together


@dataclass(frozen=True)
class _S3Route:
    """What a request must have to be this operation; the one that asks for most is meant."""

    name: str
    method: str
    level: str
    """The path with its labels: `/`, `/{Bucket}` or `/{Bucket}/{Key+}`."""
    query: frozenset[str]
    headers: frozenset[str]

    @property
    def asks(self) -> int:
        return len(self.query) + len(self.headers)


@cache
def _s3_routes() -> tuple[_S3Route, ...]:
    return tuple(
        _s3_route(model("s3").operation_model(name)) for name in model("s3").operation_names
    )


def _s3_route(operation: OperationModel) -> _S3Route:
    level, _, fixed = operation.http["requestUri"].partition("?")
    query = {part.partition("=")[0] for part in fixed.split("&") if part}
    shape = operation.input_shape
    required = [shape.members[name] for name in shape.required_members] if shape else []
    wanted: dict[str, set[str]] = {"querystring": query, "header": set()}
    for member in required:
        where = member.serialization.get("location")
        if where in wanted:
            wanted[where].add(member.serialization["name"])
    return _S3Route(
        operation.name,
        operation.http["method"],
        level,
        frozenset(query),
        frozenset(name.lower() for name in wanted["header"]),
    )


def bucket_and_key(incoming: Incoming, path: str) -> tuple[str, str]:
    """Of an S3 request, whether the bucket is in the path or in the host's name."""
    host = incoming.headers.get("host", "").partition(":")[0]
    if host.endswith(".localhost"):
        return host.partition(".")[0], path[1:]
    bucket, _, key = path[1:].partition("/")
    return bucket, key


def _by_s3(_: str, incoming: Incoming, path: str) -> tuple[OperationModel, Given] | None:
    if path.startswith("/v20180820/"):
        return None
    bucket, key = bucket_and_key(incoming, path)
    level = "/{Bucket}/{Key+}" if key else "/{Bucket}" if bucket else "/"
    fitting = [
        route
        for route in _s3_routes()
        if route.method == incoming.method
        and route.level == level
        and route.query <= incoming.query.keys()
        and route.headers <= incoming.headers.keys()
    ]
    if not fitting:
        return None
    named = {"Bucket": bucket, "Key": key}
    meant = max(fitting, key=lambda route: route.asks)
    return model("s3").operation_model(meant.name), {k: v for k, v in named.items() if v}


_Reader = Callable[[str, Incoming, str], tuple[OperationModel, Given] | None]
_READERS: Mapping[str, _Reader] = {
    "eks": _by_route,
    "eks-auth": _by_route,
    "sts": _by_form,
    "iam": _by_form,
    "dynamodb": _by_target,
    "sqs": _by_target,
    "cloudtrail": _by_target,
    "s3": _by_s3,
}
