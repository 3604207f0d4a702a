"""
Refusals, worded as kube-apiserver words them.

Clients branch on `reason` and `details`, and people search for `message`, so both
follow `k8s.io/apimachinery/pkg/api/errors` and the recorded answers to the letter.
The trap is the resource's name in messages: plural and with its group for most
(`daemonsets.apps "x" not found`), but the Kind where a rule of the object is
broken (`ConfigMap "x" is invalid`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Cause:
    """One broken rule: the `causes` of a Status."""

    message: str
    field: str = ""
    reason: str = ""

    def body(self) -> dict[str, str]:
        named = {"reason": self.reason, "message": self.message, "field": self.field}
        return {key: value for key, value in named.items() if value}


class ApiError(Exception):
    """An answer that is a Status of kind Failure."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: dict[str, Any] | None = None,
        *,
        metadata: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.metadata = metadata or {}
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """The Status object that a client reads."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        return status | {"code": self.code}


def _details(name: str, group: str, kind: str, **more: Any) -> dict[str, Any]:
    named = {"name": name, "group": group, "kind": kind} | more
    return {key: value for key, value in named.items() if value}


def _qualified(resource: str, group: str) -> str:
    return f"{resource}.{group}" if group else resource


def not_found(resource: str, name: str, group: str = "") -> ApiError:
    return ApiError(
        404,
        "NotFound",
        f'{_qualified(resource, group)} "{name}" not found',
        _details(name, group, resource),
    )


def already_exists(resource: str, name: str, group: str = "", why: str = "") -> ApiError:
    prefix = f"{why}: " if why else ""
    return ApiError(
        409,
        "AlreadyExists",
        f'{prefix}{_qualified(resource, group)} "{name}" already exists',
        _details(name, group, resource),
    )


def conflict(resource: str, name: str, why: str, group: str = "") -> ApiError:
    return ApiError(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {_qualified(resource, group)} "{name}": {why}',
        _details(name, group, resource),
    )


def forbidden(
    resource: str, name: str, why: str, group: str = "", causes: Sequence[Cause] = ()
) -> ApiError:
    """`name` is empty where the request names no object, as for list."""
    subject = f'{_qualified(resource, group)} "{name}"' if name else _qualified(resource, group)
    details = _details(name, group, resource, causes=[cause.body() for cause in causes])
    return ApiError(403, "Forbidden", f"{subject} is forbidden: {why}", details)


def invalid(kind: str, name: str, causes: Sequence[Cause], group: str = "") -> ApiError:
    """Rules of the object are broken; `causes` says which, at least one."""
    said = [f"{cause.field}: {cause.message}" for cause in causes]
    together = said[0] if len(said) == 1 else f"[{', '.join(said)}]"
    return ApiError(
        422,
        "Invalid",
        f'{_qualified(kind, group)} "{name}" is invalid: {together}',
        _details(name, group, kind, causes=[cause.body() for cause in causes]),
    )


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unauthorized")


def method_not_allowed() -> ApiError:
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, {})


def no_such_resource() -> ApiError:
    message = "the server could not find the requested resource"
    return ApiError(404, "NotFound", message, {})


def not_acceptable(available: str) -> ApiError:
    message = f"406: Not Acceptable\n\nAvailable representations: {available}"
    return ApiError(406, "NotAcceptable", message, {})


def internal(why: str) -> ApiError:
    return ApiError(
        500,
        "InternalError",
        f"Internal error occurred: {why}",
        {"causes": [{"message": why}]},
    )


def expired(message: str, continue_token: str = "") -> ApiError:
    """The resource version or continue token is older than what is kept."""
    metadata = {"continue": continue_token} if continue_token else {}
    return ApiError(410, "Expired", message, metadata=metadata)


def version_too_large(wanted: int, current: int) -> ApiError:
    """A resource version that does not exist yet, after the wait for it."""
    return ApiError(
        504,
        "Timeout",
        f"Timeout: Too large resource version: {wanted}, current: {current}",
        {
            "causes": [
                {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
            ],
            "retryAfterSeconds": 1,
        },
        headers={"Retry-After": "1"},
    )
