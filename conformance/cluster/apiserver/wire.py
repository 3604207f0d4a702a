"""
Bodies and media types: what a request may send, and what it wants to read.

kubectl and the clients choose their way by the answer to a media type (415, 406), so
refusals are worded as recorded. Bodies may be JSON or YAML; protobuf only for the few
kinds that kubectl sends no other way.
"""

import json
from collections.abc import Mapping
from typing import Any

import yaml

from conformance.cluster.apiserver import status
from conformance.cluster.apiserver.resources import BY_KIND, Object

PROTOBUF = "application/vnd.kubernetes.protobuf"
JSON = "application/json"
_REPRESENTATIONS = (
    f"application/json, application/yaml, {PROTOBUF}, application/json;stream=watch, "
    f"{PROTOBUF};stream=watch"
)
PATCH_TYPES = {
    "application/json-patch+json": "json",
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
    "application/apply-patch+yaml": "apply",
}


def dumps(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def wanted_form(accept: str) -> str:
    """
    `Table`, `PartialObjectMetadata`, or empty for the object itself.

    Raises `ApiError` 406 when nothing that can be served is accepted.
    """
    if not accept:
        return ""
    for choice in accept.split(","):
        media, *parameters = (part.strip() for part in choice.split(";"))
        if media not in {JSON, "*/*", "application/*"}:
            continue
        form = next((p[3:] for p in parameters if p.startswith("as=")), "")
        if form in {"", "Table"}:
            return form
        if form in {"PartialObjectMetadata", "PartialObjectMetadataList"}:
            return "PartialObjectMetadata"
    raise status.not_acceptable(_REPRESENTATIONS)


def read_body(body: bytes, content_type: str, kind: str) -> Object:
    """The object that was sent for a place where `kind` is expected; raises `ApiError`."""
    media = content_type.partition(";")[0].strip()
    if media == PROTOBUF:
        # kubectl alone sends it, and google.protobuf costs a start 40 ms.
        from conformance.cluster.apiserver import protobuf  # noqa: PLC0415

        return protobuf.decode(body)
    if media in {"application/yaml", "application/apply-patch+yaml"}:
        return _read_yaml(body, kind)
    if media not in {"", JSON}:
        raise status.ApiError(
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: "
            f"application/json, application/yaml, {PROTOBUF}",
        )
    return _read_json(body, kind)


def _read_json(body: bytes, kind: str) -> Object:
    try:
        value = json.loads(body)
    except ValueError as error:
        raise _unrecognised(kind, _go_syntax_error(error), body.decode(errors="replace")) from error
    if not isinstance(value, dict):
        raise _unrecognised(
            kind,
            f"json: cannot unmarshal {go_type(value)} into Go value of type struct "
            '{ APIVersion string "json:\\"apiVersion,omitempty\\""; '
            'Kind string "json:\\"kind,omitempty\\"" }',
            body.hex(),
        )
    return value


def _go_syntax_error(error: ValueError) -> str:
    cut_off = isinstance(error, json.JSONDecodeError) and not error.doc[error.pos :].strip()
    return "unexpected end of JSON input" if cut_off else f"invalid character: {error}"


def _unrecognised(kind: str, why: str, body: str) -> status.ApiError:
    return status.bad_request(
        f"the object provided is unrecognized (must be of type {kind}): couldn't get "
        f"version/kind; json parse error: {why} ({body[:512]})"
    )


def _read_yaml(body: bytes, kind: str) -> Object:
    try:
        value = yaml.safe_load(body)
    except yaml.YAMLError as error:
        raise status.bad_request(f"error converting YAML to JSON: {error}") from error
    if not isinstance(value, dict):
        raise _unrecognised(kind, f"json: cannot unmarshal {go_type(value)}", body.hex())
    return value


def go_type(value: Any) -> str:
    """What Go's encoding/json calls this value."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if value is None:
        return "null"
    return {"str": "string", "list": "array", "dict": "object"}[type(value).__name__]


# Fields whose type people get wrong; a full schema is not kept. Kind -> path -> (name in Go,
# Go type). `*` stands for every element of a list or map.
_METADATA_TYPES = {
    "metadata.labels.*": ("ObjectMeta.metadata.labels", "string"),
    "metadata.annotations.*": ("ObjectMeta.metadata.annotations", "string"),
    "metadata.name": ("ObjectMeta.metadata.name", "string"),
}
_ENV_TYPES = {
    "spec.containers.*.env.*.value": ("EnvVar.spec.containers.env.value", "string"),
    "spec.containers.*.command.*": ("Container.spec.containers.command", "string"),
    "spec.containers.*.args.*": ("Container.spec.containers.args", "string"),
}
_FIELD_TYPES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "ConfigMap": {"data.*": ("ConfigMap.data", "string")},
    "Secret": {"stringData.*": ("Secret.stringData", "string")},
    "Pod": _ENV_TYPES,
    "TokenRequest": {
        "spec.expirationSeconds": ("TokenRequestSpec.spec.expirationSeconds", "int64"),
        "spec.audiences.*": ("TokenRequestSpec.spec.audiences", "string"),
    },
}
_GO_KINDS = {"string": str, "int64": int}


def check_kind(obj: Object, api_version: str, kind: str) -> Object:
    """
    The object with its kind filled in; raises `ApiError` 400 when it is another kind's.
    """
    sent_kind = obj.get("kind") or kind
    sent_version = obj.get("apiVersion") or api_version
    if (sent_version, sent_kind) != (api_version, kind):
        raise _wrong_kind(sent_version, sent_kind, api_version, kind)
    if not isinstance(obj.get("metadata") or {}, dict):
        obj = obj | {"metadata": {}}
    for path, (field, wanted) in (_METADATA_TYPES | dict(_FIELD_TYPES.get(kind, {}))).items():
        for value in _values(obj, path.split(".")):
            if value is not None and go_type(value) != {"int64": "number"}.get(wanted, wanted):
                raise status.bad_request(
                    f'{kind} in version "{api_version.rpartition("/")[2]}" cannot be handled as a '
                    f"{kind}: json: cannot unmarshal {go_type(value)} into Go struct field {field} "
                    f"of type {wanted}"
                )
    return {"kind": kind, "apiVersion": api_version} | obj | {"metadata": obj.get("metadata") or {}}


def _values(value: Any, path: list[str]) -> list[Any]:
    if not path:
        return [value]
    head, rest = path[0], path[1:]
    if head == "*":
        inner = list(value.values()) if isinstance(value, dict) else value
        return [v for one in inner or () for v in _values(one, rest)] if inner else []
    return _values(value.get(head), rest) if isinstance(value, dict) else []


def _wrong_kind(sent_version: str, sent_kind: str, api_version: str, kind: str) -> status.ApiError:
    version = sent_version.rpartition("/")[2]
    said = f'{sent_kind} in version "{version}" cannot be handled as a {kind}: '
    if (sent_version, sent_kind) in BY_KIND:
        group = api_version.rpartition("/")[0].partition(".")[0] or "core"
        return status.bad_request(
            f"{said}converting (v1.{sent_kind}) to ({group}.{kind}): unknown conversion"
        )
    return status.bad_request(
        f'{said}no kind "{sent_kind}" is registered for version "{sent_version}" in scheme '
        '"pkg/runtime/scheme.go:111"'
    )
