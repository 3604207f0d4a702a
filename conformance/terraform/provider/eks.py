"""
What the resource types of EKS have in common.

Clusters, node groups and add-ons are made slowly: a call starts the work, and
DescribeX tells when it is done, so each has a `ready` that looks until then. An
update is waited for in the same way. What EKS says about work that failed
(`health.issues`) becomes the error.
"""

import time
from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Any, Final

from botocore.exceptions import ClientError

from conformance.terraform.provider.connection import PROPAGATION_SECONDS, Connection
from conformance.terraform.provider.resource import FailedError
from conformance.terraform.provider.values import Values, own, tag_changes

ABSENT: Final = ("ResourceNotFoundException",)
_FAILED: Final = ("FAILED", "CREATE_FAILED", "UPDATE_FAILED", "DELETE_FAILED", "DEGRADED")

_ROLE_NOT_KNOWN: Final = (
    "Role provided in the request does not exist",
    "could not be assumed because it does not exist or the trusted entity is not correct",
)


def moment(seen: Mapping[str, Any], name: str) -> str:
    """A time of EKS's as the real provider writes it (Go's time.RFC3339), or nothing."""
    at = seen.get(name)
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Describe = Callable[[], Values | None]
"""Asks EKS for one thing; None when it is not there."""


def await_active(aws: Connection, what: str, describe: Describe, within: float) -> None:
    """Return when it is ACTIVE; raises `FailedError` or `NotInTimeError`."""
    if _await(aws, what, describe, "ACTIVE", within) is None:
        raise FailedError(f"{what} is gone")


def await_end(aws: Connection, what: str, describe: Describe, within: float) -> None:
    """Return when it is gone; raises `FailedError` or `NotInTimeError`."""
    _await(aws, what, describe, None, within)


def _await(
    aws: Connection, what: str, describe: Describe, wanted: str | None, within: float
) -> str | None:
    def status() -> str | None:
        seen = describe()
        if seen is None:
            return None
        if seen["status"] in _FAILED:
            issues = seen.get("health", {}).get("issues", [])
            words = "; ".join(f"{i.get('code')}: {i.get('message')}" for i in issues)
            raise FailedError(f"{what} is {seen['status']}: {words or 'EKS names no issue'}")
        return str(seen["status"])

    last: str | None = aws.wait(
        f"{what} {wanted or 'gone'}", status, lambda seen: seen in (None, wanted), within
    )
    return last


def once_iam_knows(aws: Connection, call: Callable[[], Any]) -> Any:
    """
    What `call` answers, asked again as long as EKS has not heard of a role yet.

    A new role is not known everywhere at once. The words are those that the real
    provider retries on (terraform-provider-aws, internal/service/eks/cluster.go and
    pod_identity_association.go).
    """
    give_up = time.monotonic() + PROPAGATION_SECONDS

    def attempt() -> Any:
        try:
            return call()
        except ClientError as error:
            told = error.response["Error"]
            early = any(words in told["Message"] for words in _ROLE_NOT_KNOWN)
            if not early or time.monotonic() > give_up:
                raise
            return None

    return aws.wait("role known to EKS", attempt, bool, within=2 * PROPAGATION_SECONDS)


def retag(aws: Connection, arn: str, was: Values, want: Values) -> None:
    """Change the tags of anything of EKS that has an ARN."""
    removed, added = tag_changes(was["tags_all"] or {}, want["tags_all"] or {})
    if removed:
        aws.client("eks").untag_resource(resourceArn=arn, tagKeys=removed)
    if added:
        aws.client("eks").tag_resource(resourceArn=arn, tags=added)


def given(**parameters: Any) -> dict[str, Any]:
    """Request members that have a value; EKS refuses empty ones."""
    return {name: value for name, value in parameters.items() if value not in (None, "", {}, [])}


def changed(was: Values, want: Values, *names: str) -> bool:
    """Whether any of these attributes differs."""
    return any(was[name] != want[name] for name in names)


def tags(aws: Connection, seen: Mapping[str, Any], state: Values) -> Values:
    """Both tag attributes from what EKS answered."""
    tags_all = own(seen.get("tags", {}))
    return {"tags": aws.user_tags(tags_all, state), "tags_all": tags_all}
