"""
Three ways to patch: JSON Patch, merge patch, strategic merge patch.

Strategic merge is the one that surprises: lists of containers, volumes and
variables are merged by a key, and `$patch`, `$retainKeys` and `$deleteFromPrimitiveList`
are directives, not data. Merge keys are those of the Go types (k8s.io/api, tags
`patchMergeKey`), held in a table. All functions return new objects.
"""

import copy
from typing import Any

from conformance.cluster.apiserver import status
from conformance.cluster.apiserver.resources import Object

_MERGE_KEYS: dict[str, str | None] = {
    # None: a list of plain values, merged as a set.
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "volumes": "name",
    "env": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "conditions": "type",
    "ownerReferences": "uid",
    "finalizers": None,
    "secrets": "name",
    "webhooks": "name",
    "taints": "key",
    "addresses": "type",
    "podIPs": "ip",
    "hostIPs": "ip",
    "resourceClaims": "name",
}
_PORT_KEYS = ("containerPort", "port")


def json_merge(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = json_merge(result.get(key), value)
    return result


def strategic_merge(target: Any, patch: Object) -> Any:
    """Kubernetes' own; see the module."""
    directive = patch.get("$patch")
    if directive == "replace":
        return {key: copy.deepcopy(value) for key, value in patch.items() if key != "$patch"}
    if directive == "delete":
        return {}
    result = dict(target) if isinstance(target, dict) else {}
    retained = patch.get("$retainKeys")
    if retained is not None:
        result = {key: value for key, value in result.items() if key in retained}
    for key, value in patch.items():
        if key == "$retainKeys" or key.startswith("$setElementOrder/"):
            continue
        if key.startswith("$deleteFromPrimitiveList/"):
            name = key.partition("/")[2]
            result[name] = [item for item in result.get(name) or [] if item not in value]
        elif value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = strategic_merge(result.get(key), value)
        elif isinstance(value, list):
            result[key] = _merge_list(key, result.get(key) or [], value)
        else:
            result[key] = value
    for key, order in patch.items():
        if key.startswith("$setElementOrder/"):
            name = key.partition("/")[2]
            result[name] = _ordered(name, result.get(name) or [], order)
    return result


def merge_key(field: str, items: list[Any]) -> str | None:
    """The key by which the items of this list are told apart; None when it is replaced whole."""
    if field == "ports":
        return next((key for key in _PORT_KEYS if any(key in item for item in items)), None)
    return _MERGE_KEYS.get(field)


def _merge_list(field: str, old: list[Any], patch: list[Any]) -> list[Any]:
    if not all(isinstance(item, dict) for item in patch):
        if field in _MERGE_KEYS and _MERGE_KEYS[field] is None:
            return old + [item for item in patch if item not in old]
        return copy.deepcopy(patch)
    key = merge_key(field, patch + old)
    if any(item.get("$patch") == "replace" for item in patch):
        return [copy.deepcopy(item) for item in patch if item.get("$patch") != "replace"]
    if key is None:
        return copy.deepcopy(patch)
    result = list(old)
    for item in patch:
        if key not in item:
            # The words of strategicpatch.mergeSliceWithSpecialElements.
            raise status.bad_request(f"map: {item} does not contain declared merge key: {key}")
        at = next((i for i, one in enumerate(result) if one.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            if at is not None:
                del result[at]
        elif at is None:
            result.append(strategic_merge({}, item))
        else:
            result[at] = strategic_merge(result[at], item)
    return result


def _ordered(field: str, items: list[Any], order: list[Any]) -> list[Any]:
    key = merge_key(field, [item for item in items if isinstance(item, dict)])

    def identity(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, dict) else item

    wanted = [identity(item) for item in order]
    listed = [item for item in items if identity(item) in wanted]
    others = [item for item in items if identity(item) not in wanted]
    return sorted(listed, key=lambda item: wanted.index(identity(item))) + others


class PatchTestError(Exception):
    """A `test` operation did not hold."""


class PatchMalformedError(Exception):
    """The patch cannot be applied to this document."""


def json_patch(document: Object, operations: list[Object]) -> Any:
    """RFC 6902; raises `PatchTestError` or `PatchMalformedError`."""
    # A holder makes the whole document an ordinary member, so "" needs no special case.
    holder: dict[str, Any] = {"": copy.deepcopy(document)}
    for operation in operations:
        try:
            _apply(holder, operation)
        except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
            raise PatchMalformedError(
                f"{operation.get('op')} operation does not apply: doc is missing path: "
                f'"{operation.get("path")}": missing value'
            ) from error
    return holder[""]


def _apply(holder: Any, operation: Object) -> None:
    path = _pointer(operation["path"])
    match operation["op"]:
        case "add":
            _add(holder, path, copy.deepcopy(operation["value"]))
        case "remove":
            _remove(holder, path)
        case "replace":
            parent, key = _parent(holder, path)
            _value(parent, key)  # what is replaced must be there
            parent[_index(parent, key)] = copy.deepcopy(operation["value"])
        case "move":
            moved = _remove(holder, _pointer(operation["from"]))
            _add(holder, path, moved)
        case "copy":
            source, key = _parent(holder, _pointer(operation["from"]))
            _add(holder, path, copy.deepcopy(_value(source, key)))
        case "test":
            parent, key = _parent(holder, path)
            present = parent.get(key) if isinstance(parent, dict) else _value(parent, key)
            if present != operation.get("value"):
                raise PatchTestError(operation["path"])
        case other:
            raise PatchMalformedError(f"Unexpected kind: {other}")


def _pointer(path: str) -> list[str]:
    if path and not path.startswith("/"):
        raise ValueError(path)
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")]


def _parent(node: Any, path: list[str]) -> tuple[Any, str]:
    for part in path[:-1]:
        node = _value(node, part)
    if not isinstance(node, dict | list):
        raise TypeError(path)
    return node, path[-1]


def _index(parent: Any, key: str) -> Any:
    if isinstance(parent, dict):
        return key
    index = int(key)
    if not 0 <= index < len(parent):
        raise IndexError(key)
    return index


def _value(parent: Any, key: str) -> Any:
    return parent[_index(parent, key)]


def _add(holder: Any, path: list[str], value: Any) -> None:
    parent, key = _parent(holder, path)
    if isinstance(parent, dict):
        parent[key] = value
    elif key == "-":
        parent.append(value)
    elif 0 <= int(key) <= len(parent):
        parent.insert(int(key), value)
    else:
        raise IndexError(key)


def _remove(holder: Any, path: list[str]) -> Any:
    parent, key = _parent(holder, path)
    return parent.pop(_index(parent, key))
