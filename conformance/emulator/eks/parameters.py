"""
A request read and checked against its shape, before any handler sees it.

The trap is half-checked input: a handler that gets a string where the model says
list fails with a 500. Here whatever arrives either has the model's type, length,
range, pattern and enum, or is refused with a 400 that names the parameter. What
the model does not name is passed over, as AWS does.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from conformance.emulator.eks.errors import ServiceError, invalid_parameter
from conformance.emulator.service import Request

Parameters = dict[str, Any]

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "boolean": (bool,),
    "list": (list,),
    "map": (dict,),
    "structure": (dict,),
}


def read(operation: OperationModel, labels: Mapping[str, str], request: Request) -> Parameters:
    """
    The parameters by their names in the model.

    Raises `ServiceError`: SerializationException for what is not JSON or has the
    wrong type, InvalidParameterException for what breaks a constraint.
    """
    given: Parameters = {}
    body = _body(request.body)
    asked = operation.input_shape or StructureShape("Nothing", {"type": "structure", "members": {}})
    for name, shape in asked.members.items():
        where = shape.serialization
        value: object
        match where.get("location"):
            case "uri":
                value = labels.get(where["name"])
            case "querystring":
                value = _from_query(request.query.get(where["name"]), shape)
            case _:
                value = body.get(where.get("name", name))
        if value is not None:
            given[name] = _checked(value, shape, name)
    _check_required(given, asked, "")
    return given


def _body(content: bytes) -> dict[str, Any]:
    if not content:
        return {}
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        raise ServiceError("SerializationException", "The request body is not JSON.") from None
    if not isinstance(body, dict):
        raise ServiceError("SerializationException", "The request body is not a JSON object.")
    return body


def _from_query(values: list[str] | None, shape: Shape) -> object:
    """Query parameters are text; numbers and booleans are spelled as SDKs spell them."""
    if not values:
        return None
    if shape.type_name == "list":
        return values
    text = values[0]
    if shape.type_name in ("integer", "long"):
        return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else text
    if shape.type_name == "boolean":
        return {"true": True, "false": False}.get(text.lower(), text)
    return text


def _checked(value: object, shape: Shape, path: str) -> object:
    types = _TYPES[shape.type_name]
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise ServiceError("SerializationException", f"{path} is not a {shape.type_name}.")
    _check_constraints(value, shape, path)
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_checked(item, shape.member, f"{path}[{n}]") for n, item in enumerate(value)]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {
            _checked(key, shape.key, f"{path} key"): _checked(item, shape.value, f"{path}.{key}")
            for key, item in value.items()
        }
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        known = {
            name: _checked(value[name], member, f"{path}.{name}")
            for name, member in shape.members.items()
            if value.get(name) is not None
        }
        _check_required(known, shape, f"{path}.")
        return known
    return value


def _check_required(given: Mapping[str, Any], shape: StructureShape, prefix: str) -> None:
    for name in shape.required_members:
        if name not in given:
            raise invalid_parameter(f"The parameter {prefix}{name} is required.")


def _check_constraints(value: Any, shape: Shape, path: str) -> None:
    """The model's limits; our words, in the style of `The parameter X should be N long.`"""
    limits = shape.metadata
    size, unit = (value, "") if isinstance(value, int) else (len(value), " characters long")
    if size < limits.get("min", size):
        raise invalid_parameter(f"The parameter {path} should be at least {limits['min']}{unit}.")
    if size > limits.get("max", size):
        raise invalid_parameter(f"The parameter {path} should be at most {limits['max']}{unit}.")
    if not isinstance(value, str):
        return
    if "enum" in limits and value not in limits["enum"]:
        raise invalid_parameter(
            f"The parameter {path} should be one of {', '.join(limits['enum'])}."
        )
    if "pattern" in limits and not re.fullmatch(limits["pattern"], value):
        raise invalid_parameter(f"The parameter {path} should match {limits['pattern']}.")
