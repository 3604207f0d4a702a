"""
userIdentity: who made a call, and how they came by their credentials.

For Pod Identity the chain is the point: the node's session calls EKS Auth, the service
`pods.eks.amazonaws.com` calls STS, the pod's session calls S3. Each of the three looks
different here. Source: CloudTrail user guide, "CloudTrail userIdentity element", and
events of real clusters for `ec2RoleDelivery`.
"""

from datetime import UTC, datetime
from typing import Any

from ministack.services import iam, sts

from conformance.emulator.service import Caller

EC2 = "ec2.amazonaws.com"


def stamp(moment: datetime) -> str:
    """Whole seconds, as all times outside of responseElements."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def of_service(service: str) -> dict[str, Any]:
    return {"type": "AWSService", "invokedBy": service}


def of_stranger(caller: Caller) -> dict[str, Any]:
    """The caller as the owner of a resource in another account sees them."""
    return {"type": "AWSAccount", "principalId": caller.user_id, "accountId": caller.account_id}


def of_caller(caller: Caller, invoked_by: str = "") -> dict[str, Any]:
    """`invoked_by` is the service that acts with the caller's session."""
    session = sts._sessions.get(caller.access_key_id) or {}
    told: dict[str, Any] = {
        "type": "IAMUser" if caller.principal_type == "User" else caller.principal_type,
        "principalId": caller.user_id,
        "arn": caller.arn,
        "accountId": caller.account_id,
        "accessKeyId": caller.access_key_id,
    }
    if caller.principal_type == "User":
        told["userName"] = username(caller)
    if caller.principal_type == "AssumedRole":
        told["sessionContext"] = _context(caller, session)
    return told | ({"invokedBy": invoked_by} if invoked_by else {})


def _context(caller: Caller, session: dict[str, Any]) -> dict[str, Any]:
    name = caller.arn.split("/")[1]
    role = iam._roles.get_scoped(caller.account_id, None, name) or {}
    context: dict[str, Any] = {
        "sessionIssuer": {
            "type": "Role",
            "principalId": caller.user_id.partition(":")[0],
            # A role that was deleted has no path any more.
            "arn": role.get("Arn", f"arn:aws:iam::{caller.account_id}:role/{name}"),
            "accountId": caller.account_id,
            "userName": name,
        },
        "attributes": {
            "creationDate": stamp(datetime.fromtimestamp(session.get("IssuedAt", 0.0), UTC)),
            "mfaAuthenticated": "false",
        },
    }
    if session.get("SourceIdentity"):
        context["sourceIdentity"] = session["SourceIdentity"]
    if session.get("Source") == EC2:
        # "2.0": the instance got them by version 2 of the instance metadata service.
        context["ec2RoleDelivery"] = "2.0"
    return context


def username(caller: Caller) -> str:
    """As LookupEvents has it: a user's name, a session's name, or `root`."""
    return "root" if caller.principal_type == "Root" else caller.arn.rpartition("/")[2]
