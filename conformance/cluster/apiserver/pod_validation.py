"""
Rules of pods: containers, volumes, projected tokens, and what may change later.

The life of a projected token has the same bounds as that of a TokenRequest. After its
creation nearly nothing of a pod may change, so injection can only happen at birth.
Source: pkg/apis/core/validation of kubernetes.
"""

from collections.abc import Iterator
from typing import Any

from conformance.cluster.apiserver import status
from conformance.cluster.apiserver.resources import Object, dig
from conformance.cluster.apiserver.status import Cause

LONGEST_TOKEN = 1 << 32
"""Seconds; one more is refused."""


def invalid_value(field: str, value: Any, why: str) -> Cause:
    """A value that breaks a rule."""
    shown = f'"{value}"' if isinstance(value, str) else str(value)
    return Cause(f"Invalid value: {shown}: {why}", field, "FieldValueInvalid")


def required(field: str, why: str = "") -> Cause:
    """A field that must be there."""
    return Cause(f"Required value: {why}" if why else "Required value", field, "FieldValueRequired")


def token_life(field: str, seconds: int, shortest: int) -> Iterator[Cause]:
    """The bounds of `expirationSeconds`, for TokenRequests and projected volumes."""
    if seconds < shortest:
        said = "10 minutes" if shortest == 600 else f"{shortest} seconds"
        yield invalid_value(field, seconds, f"may not specify a duration less than {said}")
    if seconds > LONGEST_TOKEN:
        yield invalid_value(field, seconds, "may not specify a duration larger than 2^32 seconds")


def pod_spec(spec: Object, at: str, shortest: int) -> Iterator[Cause]:
    """The broken rules of a pod's spec, which lies at the field `at`."""
    volumes: set[str] = set()
    for index, volume in enumerate(spec.get("volumes") or ()):
        field = f"{at}.volumes[{index}]"
        if not volume.get("name"):
            yield required(f"{field}.name")
        elif volume["name"] in volumes:
            yield Cause(
                f'Duplicate value: "{volume["name"]}"', f"{field}.name", "FieldValueDuplicate"
            )
        volumes.add(volume.get("name", ""))
        yield from _projected(dig(volume, "projected", "sources", default=()), field, shortest)
    names: set[str] = set()
    for group in ("containers", "initContainers"):
        containers = spec.get(group) or ()
        if group == "containers" and not containers:
            yield required(f"{at}.containers")
        for index, container in enumerate(containers):
            yield from _container(container, f"{at}.{group}[{index}]", names, volumes)


def _projected(sources: Any, volume: str, shortest: int) -> Iterator[Cause]:
    for index, source in enumerate(sources):
        token = source.get("serviceAccountToken")
        if token is None:
            continue
        field = f"{volume}.projected.sources[{index}].serviceAccountToken"
        if not token.get("path"):
            yield required(f"{volume}.projected.path")
        yield from token_life(
            f"{field}.expirationSeconds", token.get("expirationSeconds", 3600), shortest
        )


def _container(
    container: Object, field: str, names: set[str], volumes: set[str]
) -> Iterator[Cause]:
    name = container.get("name", "")
    if not name:
        yield required(f"{field}.name")
    elif name in names:
        yield Cause(f'Duplicate value: "{name}"', f"{field}.name", "FieldValueDuplicate")
    names.add(name)
    if not container.get("image"):
        yield required(f"{field}.image")
    for index, env in enumerate(container.get("env") or ()):
        if not env.get("name"):
            yield required(f"{field}.env[{index}].name")
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        at = f"{field}.volumeMounts[{index}]"
        if not mount.get("mountPath"):
            yield required(f"{at}.mountPath")
        if mount.get("name") not in volumes:
            yield Cause(f'Not found: "{mount.get("name")}"', f"{at}.name", "FieldValueNotFound")


_POD_MAY_CHANGE = ("activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations")
_POD_UPDATE_RULE = (
    "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
    "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set "
    "to 1 if it was previously negative)"
)


def check_pod_update(new: Object, old: Object) -> None:
    """A pod's spec is fixed but for images, tolerations and deadlines; raises `ApiError` 422."""
    name = old["metadata"]["name"]
    before, after = old["spec"], new.get("spec") or {}
    if [c.get("name") for c in before["containers"]] != [
        c.get("name") for c in after.get("containers") or ()
    ]:
        cause = Cause(
            "Forbidden: pod updates may not add or remove containers",
            "spec.containers",
            "FieldValueForbidden",
        )
        raise status.invalid("Pod", name, [cause])
    kept = before.get("tolerations") or []
    more = all(toleration in (after.get("tolerations") or []) for toleration in kept)
    if not more or _fixed_part(before) != _fixed_part(after):
        raise status.invalid("Pod", name, [Cause(_POD_UPDATE_RULE, "spec", "FieldValueForbidden")])


def _fixed_part(spec: Object) -> Object:
    fixed = {key: value for key, value in spec.items() if key not in _POD_MAY_CHANGE}
    for group in ("containers", "initContainers"):
        if group in fixed:
            fixed[group] = [
                {key: value for key, value in container.items() if key != "image"}
                for container in fixed[group]
            ]
    return fixed
