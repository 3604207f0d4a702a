"""
Requests that kubectl insists on sending as protobuf.

`kubectl create ns|cm|token|deployment|job` and `auth can-i` encode their requests so
and do not fall back when a server refuses. Only those kinds are here, with the field
numbers of k8s.io/api's generated.proto; answers are JSON, which kubectl accepts.

The trap: protobuf skips fields that it does not know. One that says something is
refused here, or the object would be another than the one that was sent.
"""

from collections.abc import Mapping
from typing import Any

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    empty_pb2,
    json_format,
    message_factory,
    unknown_fields,
)
from google.protobuf.message import DecodeError

from conformance.cluster.apiserver import status
from conformance.cluster.apiserver.resources import Object

MAGIC = b"k8s\x00"
_PACKAGE = "k8s"

# Message -> field name -> (number, type). A type is a scalar, `map` or `bytesmap` (string
# keys), or another message; a star in front repeats it.
_MESSAGES: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "Unknown": {"typeMeta": (1, "TypeMeta"), "raw": (2, "bytes")},
    "TypeMeta": {"apiVersion": (1, "string"), "kind": (2, "string")},
    "OwnerReference": {
        "kind": (1, "string"),
        "name": (3, "string"),
        "uid": (4, "string"),
        "apiVersion": (5, "string"),
        "controller": (6, "bool"),
        "blockOwnerDeletion": (7, "bool"),
    },
    "ObjectMeta": {
        "name": (1, "string"),
        "generateName": (2, "string"),
        "namespace": (3, "string"),
        "uid": (5, "string"),
        "resourceVersion": (6, "string"),
        "labels": (11, "map"),
        "annotations": (12, "map"),
        "ownerReferences": (13, "*OwnerReference"),
        "finalizers": (14, "*string"),
    },
    "Namespace": {"metadata": (1, "ObjectMeta"), "spec": (2, "NamespaceSpec")},
    "NamespaceSpec": {"finalizers": (1, "*string")},
    "ConfigMap": {
        "metadata": (1, "ObjectMeta"),
        "data": (2, "map"),
        "binaryData": (3, "bytesmap"),
        "immutable": (4, "bool"),
    },
    "Secret": {
        "metadata": (1, "ObjectMeta"),
        "data": (2, "bytesmap"),
        "type": (3, "string"),
        "stringData": (4, "map"),
        "immutable": (5, "bool"),
    },
    "LocalObjectReference": {"name": (1, "string")},
    "ServiceAccount": {
        "metadata": (1, "ObjectMeta"),
        "imagePullSecrets": (3, "*LocalObjectReference"),
        "automountServiceAccountToken": (4, "bool"),
    },
    "BoundObjectReference": {
        "kind": (1, "string"),
        "apiVersion": (2, "string"),
        "name": (3, "string"),
        "uid": (4, "string"),
    },
    "TokenRequestSpec": {
        "audiences": (1, "*string"),
        "boundObjectRef": (3, "BoundObjectReference"),
        "expirationSeconds": (4, "int64"),
    },
    "TokenRequest": {"metadata": (1, "ObjectMeta"), "spec": (2, "TokenRequestSpec")},
    "ResourceAttributes": {
        "namespace": (1, "string"),
        "verb": (2, "string"),
        "group": (3, "string"),
        "version": (4, "string"),
        "resource": (5, "string"),
        "subresource": (6, "string"),
        "name": (7, "string"),
    },
    "NonResourceAttributes": {"path": (1, "string"), "verb": (2, "string")},
    "SelfSubjectAccessReviewSpec": {
        "resourceAttributes": (1, "ResourceAttributes"),
        "nonResourceAttributes": (2, "NonResourceAttributes"),
    },
    "SelfSubjectAccessReview": {
        "metadata": (1, "ObjectMeta"),
        "spec": (2, "SelfSubjectAccessReviewSpec"),
    },
    "SelfSubjectReview": {"metadata": (1, "ObjectMeta")},
    "Preconditions": {"uid": (1, "string"), "resourceVersion": (2, "string")},
    "DeleteOptions": {
        "gracePeriodSeconds": (1, "int64"),
        "preconditions": (2, "Preconditions"),
        "propagationPolicy": (4, "string"),
        "dryRun": (5, "*string"),
    },
    "Eviction": {"metadata": (1, "ObjectMeta"), "deleteOptions": (2, "DeleteOptions")},
    "LabelSelectorRequirement": {
        "key": (1, "string"),
        "operator": (2, "string"),
        "values": (3, "*string"),
    },
    "LabelSelector": {
        "matchLabels": (1, "map"),
        "matchExpressions": (2, "*LabelSelectorRequirement"),
    },
    "ContainerPort": {
        "name": (1, "string"),
        "containerPort": (3, "int32"),
        "protocol": (4, "string"),
    },
    "EnvVar": {"name": (1, "string"), "value": (2, "string")},
    "Container": {
        "name": (1, "string"),
        "image": (2, "string"),
        "command": (3, "*string"),
        "args": (4, "*string"),
        "workingDir": (5, "string"),
        "ports": (6, "*ContainerPort"),
        "env": (7, "*EnvVar"),
        "imagePullPolicy": (14, "string"),
    },
    "PodSpec": {
        "containers": (2, "*Container"),
        "restartPolicy": (3, "string"),
        "terminationGracePeriodSeconds": (4, "int64"),
        "activeDeadlineSeconds": (5, "int64"),
        "nodeSelector": (7, "map"),
        "serviceAccountName": (8, "string"),
        "serviceAccount": (9, "string"),
        "nodeName": (10, "string"),
        "hostNetwork": (11, "bool"),
        "hostPID": (12, "bool"),
        "hostIPC": (13, "bool"),
        "initContainers": (20, "*Container"),
        "automountServiceAccountToken": (21, "bool"),
    },
    "PodTemplateSpec": {"metadata": (1, "ObjectMeta"), "spec": (2, "PodSpec")},
    "DeploymentSpec": {
        "replicas": (1, "int32"),
        "selector": (2, "LabelSelector"),
        "template": (3, "PodTemplateSpec"),
        "minReadySeconds": (5, "int32"),
        "revisionHistoryLimit": (6, "int32"),
        "paused": (7, "bool"),
    },
    "Deployment": {"metadata": (1, "ObjectMeta"), "spec": (2, "DeploymentSpec")},
    "JobSpec": {
        "parallelism": (1, "int32"),
        "completions": (2, "int32"),
        "activeDeadlineSeconds": (3, "int64"),
        "template": (6, "PodTemplateSpec"),
        "backoffLimit": (7, "int32"),
        "suspend": (10, "bool"),
    },
    "Job": {"metadata": (1, "ObjectMeta"), "spec": (2, "JobSpec")},
    "RoleRef": {"apiGroup": (1, "string"), "kind": (2, "string"), "name": (3, "string")},
    "Subject": {
        "kind": (1, "string"),
        "apiGroup": (2, "string"),
        "name": (3, "string"),
        "namespace": (4, "string"),
    },
    "PolicyRule": {
        "verbs": (1, "*string"),
        "apiGroups": (2, "*string"),
        "resources": (3, "*string"),
        "resourceNames": (4, "*string"),
        "nonResourceURLs": (5, "*string"),
    },
    "Role": {"metadata": (1, "ObjectMeta"), "rules": (2, "*PolicyRule")},
    "ClusterRole": {"metadata": (1, "ObjectMeta"), "rules": (2, "*PolicyRule")},
    "RoleBinding": {
        "metadata": (1, "ObjectMeta"),
        "subjects": (2, "*Subject"),
        "roleRef": (3, "RoleRef"),
    },
    "ClusterRoleBinding": {
        "metadata": (1, "ObjectMeta"),
        "subjects": (2, "*Subject"),
        "roleRef": (3, "RoleRef"),
    },
}
_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "string": _FIELD.TYPE_STRING,
    "bytes": _FIELD.TYPE_BYTES,
    "bool": _FIELD.TYPE_BOOL,
    "int32": _FIELD.TYPE_INT32,
    "int64": _FIELD.TYPE_INT64,
}
# int64 is a string in protobuf's JSON; Kubernetes' JSON has numbers.
_LONG = {
    name for fields in _MESSAGES.values() for name, (_, kind) in fields.items() if kind == "int64"
}
_MAPS = {"map": "string", "bytesmap": "bytes"}


def _declare(message: Any, name: str, number: int, kind: str) -> None:
    field = message.field.add(name=name, number=number, json_name=name)
    field.label = _FIELD.LABEL_REPEATED if kind[0] == "*" or kind in _MAPS else 1
    kind = kind.lstrip("*")
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
        return
    field.type = _FIELD.TYPE_MESSAGE
    if kind not in _MAPS:
        field.type_name = f".{_PACKAGE}.{kind}"
        return
    # A map is a repeated entry message, whose name protobuf derives from the field's.
    entry = message.nested_type.add(name=name[0].upper() + name[1:] + "Entry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=1, type=_FIELD.TYPE_STRING)
    entry.field.add(name="value", number=2, label=1, type=_SCALARS[_MAPS[kind]])
    field.type_name = f".{_PACKAGE}.{message.name}.{entry.name}"


def _classes() -> Mapping[str, type[Any]]:
    file = descriptor_pb2.FileDescriptorProto(name="kubernetes.proto", package=_PACKAGE)
    file.syntax = "proto2"
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            _declare(message, field, number, kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in _MESSAGES
    }


_CLASSES: dict[str, type[Any]] = {}


def decode(body: bytes) -> Object:
    """
    The object in a protobuf body, as its JSON.

    Raises `ApiError` 415 for a kind that is not in the table, 400 for what is no protobuf.
    """
    if not _CLASSES:
        _CLASSES.update(_classes())
    if not body.startswith(MAGIC):
        raise status.bad_request(
            "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
        )
    try:
        unknown = _CLASSES["Unknown"].FromString(body[len(MAGIC) :])
        kind = unknown.typeMeta.kind
        if kind not in _MESSAGES:
            raise status.ApiError(
                415,
                "UnsupportedMediaType",
                f"this server reads {kind} only as application/json or application/yaml",
            )
        message = _CLASSES[kind].FromString(unknown.raw)
    except DecodeError as error:
        raise status.bad_request(f"protobuf body cannot be read: {error}") from error
    if (said := _unknown(message)) is not None:
        raise status.ApiError(
            415,
            "UnsupportedMediaType",
            f"this server reads field {said} of {kind} only as application/json or "
            "application/yaml",
        )
    decoded: Object = json_format.MessageToDict(message, preserving_proto_field_name=True)
    named: Object = {"kind": kind, "apiVersion": unknown.typeMeta.apiVersion}
    content: Object = _as_json(decoded)
    return named | content


def _unknown(message: Any, at: str = "") -> str | None:
    """Where a field that is not in the table says something; None if none does."""
    for field in _fields_without_name(message):
        if not _says_nothing(field.data):
            return f"{at}{field.field_number}"
    for descriptor, value in message.ListFields():
        if descriptor.message_type is None or descriptor.message_type.GetOptions().map_entry:
            continue
        for one in value if descriptor.is_repeated else (value,):
            found = _unknown(one, f"{at}{descriptor.name}.")
            if found is not None:
                return found
    return None


def _fields_without_name(message: Any) -> list[Any]:
    found: Any = unknown_fields.UnknownFieldSet(message)  # its types say nothing of iteration
    return list(found)


def _says_nothing(value: Any) -> bool:
    """Go writes numbers that are 0, empty strings, and messages of nothing else."""
    if not isinstance(value, bytes):
        return not value
    try:
        inner = _fields_without_name(empty_pb2.Empty.FromString(value))
    except DecodeError:
        return False
    return all(_says_nothing(field.data) for field in inner)


_MAP_FIELDS = {
    name
    for fields in _MESSAGES.values()
    for name, (_, kind) in fields.items()
    if kind in {"map", "bytesmap"}
}


def _as_json(value: Any) -> Any:
    """Go writes empty strings where JSON leaves a field out; in maps they are data."""
    if isinstance(value, list):
        return [_as_json(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: int(inner) if key in _LONG else inner if key in _MAP_FIELDS else _as_json(inner)
        for key, inner in value.items()
        if inner != ""
    }
