"""
`configurationValues` of an add-on: JSON or YAML, by the add-on's schema.

EKS refuses what the schema does not know before it touches the cluster, with the path
of the offender. What the schema knows and this emulation does not is refused, too, and
says so. The trap is YAML: aliases can blow a few lines up to gigabytes, and dates are no
JSON. Neither is needed here, so neither is read.

Sources: EKS user guide, describe-addon-configuration; the schema of
eks-pod-identity-agent v1.3.10 by its properties (eks-pod-identity-agent#31,
eks-hybrid#763, containers-roadmap#2684), which are the values of its chart.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from conformance.emulator.eks.errors import ServiceError, invalid_parameter
from conformance.fidelity import not_emulated

_OBJECT = {"type": ["object", "null"]}
_TEXTS = {"type": ["object", "null"], "additionalProperties": {"type": "string"}}
_ARRAY = {"type": ["array", "null"], "items": {"type": "object"}}
_STRING = {"type": ["string", "null"]}
_DAEMONSET = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"create": {"type": "boolean"}},
}
_PROPERTIES: Mapping[str, Mapping[str, Any]] = {
    "eks-pod-identity-agent": {
        "affinity": _OBJECT,
        "agent": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"additionalArgs": _OBJECT},
        },
        "daemonsets": {
            "type": "object",
            "additionalProperties": False,
            "properties": dict.fromkeys(("cloud", "hybrid", "hybrid-bottlerocket"), _DAEMONSET),
        },
        "fullnameOverride": _STRING,
        "imagePullSecrets": _ARRAY,
        "nameOverride": _STRING,
        "nodeSelector": _TEXTS,
        "podAnnotations": _TEXTS,
        "podLabels": _TEXTS,
        "priorityClassName": _STRING,
        "resources": _OBJECT,
        "tolerations": _ARRAY,
        "updateStrategy": _OBJECT,
    }
}
NOT_HONOURED: Mapping[str, Mapping[str, tuple[str, tuple[object, ...]]]] = {
    "eks-pod-identity-agent": {
        "fullnameOverride": ("eks.addons", (None, "eks-pod-identity-agent")),
        "nameOverride": ("eks.addons", (None, "eks-pod-identity-agent")),
        "daemonsets.hybrid.create": ("nodes.platforms", (False,)),
        "daemonsets.hybrid-bottlerocket.create": ("nodes.platforms", (False,)),
    }
}
"""Values that nothing here reads: the gap that says so, and what may be said all the same."""
_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
}


class _PlainLoader(yaml.SafeLoader):
    """YAML without aliases, and with dates as the text they are written in."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("aliases are not read")
        node: yaml.Node | None = super().compose_node(parent, index)
        return node


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def schema(addon: str) -> dict[str, Any]:
    """The JSON schema; of an add-on that is only a record, one that takes every object."""
    known = _PROPERTIES.get(addon)
    limits = {} if known is None else {"properties": dict(known), "additionalProperties": False}
    return {"$schema": "http://json-schema.org/draft-06/schema#", "type": "object", **limits}


def parsed(addon: str, configuration: str) -> dict[str, Any]:
    """The values; raises InvalidParameterException, and NotImplementedException for ours."""
    try:
        # JSON is YAML, but not to every parser; safe_load is what _PlainLoader restricts.
        values = yaml.load(configuration or "{}", _PlainLoader)  # noqa: S506 -- a SafeLoader
        json.dumps(values, allow_nan=False)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        raise invalid_parameter("ConfigurationValue is not in JSON or YAML") from None
    wrong = next(_wrong(values, schema(addon), "$"), None)
    if wrong:
        raise invalid_parameter(
            "ConfigurationValue provided in request is not supported: Json schema validation "
            f"failed with error: [{wrong}]"
        )
    found: dict[str, Any] = values
    _check_honoured(addon, found)
    return found


def _check_honoured(addon: str, values: Mapping[str, Any]) -> None:
    for path, (gap, harmless) in NOT_HONOURED.get(addon, {}).items():
        value: Any = values
        for name in path.split("."):
            value = value.get(name, harmless[0]) if isinstance(value, dict) else value
        if value not in harmless:
            raise ServiceError(
                "NotImplementedException",
                f"configurationValues of {addon}: {path} is not emulated. {not_emulated(gap)}",
            )


def _wrong(value: Any, schema: Mapping[str, Any], path: str) -> Iterator[str]:
    """What breaks the schema; of JSON schema only what the schemas above use."""
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not isinstance(value, tuple(kind for name in types for kind in _TYPES[name])):
        yield f"{path}: {type(value).__name__} found, {' or '.join(types)} expected"
        return
    if isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _wrong(inner, schema["items"], f"{path}[{number}]")
    if not isinstance(value, dict):
        return
    known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    for name, inner in value.items():
        if name in known:
            yield from _wrong(inner, known[name], f"{path}.{name}")
        elif isinstance(others, dict):
            yield from _wrong(inner, others, f"{path}.{name}")
        elif not others:
            yield (
                f"{path}.{name}: is not defined in the schema and the schema does not allow "
                "additional properties"
            )
