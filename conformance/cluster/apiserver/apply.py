"""
Server-side apply: the object becomes what a manager wants, without taking others' fields.

What each manager applied is remembered beside the object, not in `managedFields`:
enough for the three things people see, that a field left out later goes away, that
two managers conflict, and that `force` decides it. Plain updates own nothing here.
Source: sigs.k8s.io/structured-merge-diff, and the recorded conflict.
"""

from typing import Any

from conformance.cluster.apiserver import patching, status
from conformance.cluster.apiserver.resources import Object

Path = tuple[str, ...]
"""Keys from the root; `k:{name}` picks an element of a keyed list."""

_NOT_OWNED = {
    ("apiVersion",),
    ("kind",),
    ("metadata", "name"),
    ("metadata", "namespace"),
    ("metadata", "resourceVersion"),
    ("metadata", "uid"),
}


class Ownership:
    """Which manager applied which fields, per object (by uid)."""

    def __init__(self) -> None:
        self._owned: dict[str, dict[str, set[Path]]] = {}

    def forget(self, uid: str) -> None:
        self._owned.pop(uid, None)

    def applied(self, current: Object, wanted: Object, manager: str, *, force: bool) -> Object:
        """The object as it shall be; raises `ApiError` 409 on a conflict without `force`."""
        fields = _leaves(wanted)
        owned = self._owned.get(current["metadata"].get("uid", ""), {})
        others = {name: paths for name, paths in owned.items() if name != manager}
        if not force:
            _refuse_conflicts(current, fields, others)
        kept = set(fields).union(*others.values())
        dropped = owned.get(manager, set()) - kept
        result = patching.strategic_merge(current, wanted)
        for path in sorted(dropped, key=len, reverse=True):
            result = _without(result, path)
        assert isinstance(result, dict)  # noqa: S101  # a merge of two objects is one
        return result

    def record(self, stored: Object, wanted: Object, manager: str) -> None:
        """Called when the result is stored: `manager` now owns what it applied."""
        fields = _leaves(wanted)
        owned = self._owned.setdefault(stored["metadata"]["uid"], {})
        for name, paths in owned.items():
            if name != manager:
                # Equal values are shared; a forced one belongs to who forced it.
                paths.difference_update(
                    path for path in paths & set(fields) if _at(stored, path) != fields[path]
                )
        owned[manager] = set(fields)


def _leaves(value: Any, path: Path = ()) -> dict[Path, Any]:
    if path in _NOT_OWNED:
        return {}
    if isinstance(value, dict) and value:
        found: dict[Path, Any] = {}
        for key, inner in value.items():
            found |= _leaves(inner, (*path, key))
        return found
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        key = patching.merge_key(path[-1], value)
        if key is not None and all(key in item for item in value):
            found = {}
            for item in value:
                found |= _leaves(item, (*path, f"k:{item[key]}"))
            return found
    return {path: value}


def _element(items: list[Any], field: str, step: str) -> int | None:
    key = patching.merge_key(field, items)
    for index, item in enumerate(items):
        if isinstance(item, dict) and key and f"k:{item.get(key)}" == step:
            return index
    return None


def _at(value: Any, path: Path) -> Any:
    for previous, step in zip(("", *path), path, strict=False):
        if isinstance(value, list):
            index = _element(value, previous, step)
            value = None if index is None else value[index]
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def _without(value: Any, path: Path, field: str = "") -> Any:
    step, rest = path[0], path[1:]
    if isinstance(value, list):
        index = _element(value, field, step)
        if index is None:
            return value
        inner = _without(value[index], rest, step) if rest else None
        # An element whose only fields left are its key was made by this manager alone.
        keep = [inner] if isinstance(inner, dict) and len(inner) > 1 else []
        return value[:index] + keep + value[index + 1 :]
    if not isinstance(value, dict) or step not in value:
        return value
    left = {key: inner for key, inner in value.items() if key != step}
    if rest:
        inner = _without(value[step], rest, step)
        if inner not in ({}, []):
            left[step] = inner
    return left


def _refuse_conflicts(
    current: Object, fields: dict[Path, Any], others: dict[str, set[Path]]
) -> None:
    disputed: dict[str, list[str]] = {}
    for name, paths in sorted(others.items()):
        for path in sorted(paths & set(fields)):
            if _at(current, path) != fields[path]:
                disputed.setdefault(name, []).append("." + ".".join(path))
    if not disputed:
        return
    count = sum(map(len, disputed.values()))
    causes = [
        {"reason": "FieldManagerConflict", "message": f'conflict with "{name}"', "field": field}
        for name, fields_of in disputed.items()
        for field in fields_of
    ]
    if count == 1:
        said = f"{causes[0]['message']}: {causes[0]['field']}"
    else:
        said = "\n".join(
            f'conflicts with "{name}":' + "".join(f"\n- {field}" for field in fields_of)
            for name, fields_of in disputed.items()
        )
    message = f"Apply failed with {count} conflict{'s' if count > 1 else ''}: {said}"
    raise status.ApiError(409, "Conflict", message, {"causes": causes})
