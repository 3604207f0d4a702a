"""
Answers in the protocol restJson1, by the shapes of the service model.

What a handler returns is checked against the shape: a member that the model does
not know would be dropped by a real client and believed by ours, so it is a
mistake of ours and raises.

Source: Smithy, "AWS restJson1 protocol": timestamps in bodies are numbers of
seconds, an error's name travels in `x-amzn-ErrorType`, its members in the body.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from conformance.emulator.eks.errors import ServiceError
from conformance.emulator.eks.model import Api
from conformance.emulator.service import Response


def success(operation: OperationModel, output: Mapping[str, Any]) -> Response:
    """The answer 200 with `output`; members that are None are left out."""
    shape = operation.output_shape
    body = {} if shape is None else _serialized(output, shape, operation.name)
    return _json(200, {}, body)


def failure(api: Api, error: ServiceError) -> Response:
    return _json(
        api.status(error.code),
        {"x-amzn-ErrorType": error.code},
        {**error.members, "message": error.message},
    )


def _json(status: int, headers: dict[str, str], body: object) -> Response:
    content = json.dumps(body, separators=(",", ":")).encode()
    return Response(status, {"Content-Type": "application/json", **headers}, content)


def _serialized(value: Any, shape: Shape, path: str) -> Any:
    if isinstance(shape, StructureShape):
        unknown = value.keys() - shape.members.keys()
        if unknown:
            raise TypeError(f"{path}: the model has no member {sorted(unknown)[0]}")
        return {
            name: _serialized(item, shape.members[name], f"{path}.{name}")
            for name, item in value.items()
            if item is not None
        }
    if isinstance(shape, ListShape):
        return [_serialized(item, shape.member, f"{path}[]") for item in value]
    if isinstance(shape, MapShape):
        return {key: _serialized(item, shape.value, path) for key, item in value.items()}
    if shape.type_name == "timestamp":
        moment: datetime = value
        return round(moment.timestamp(), 3)
    return value
