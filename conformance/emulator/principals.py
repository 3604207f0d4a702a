"""
Who asks, and every policy that has a say about them.

A principal is looked up fresh for each request: a policy attached a moment ago
counts, and a live session of a deleted role can do nothing any more. Reads
ministack's stores; works for any account, whatever account the request is
scoped to (ministack's own gathering of user and group policies does not).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from ministack.core import iam_evaluator as ministack
from ministack.services import iam, sts

from conformance.emulator.organizations import service_control_policies
from conformance.emulator.policies import Statement, read, words
from conformance.emulator.service import Caller, PrincipalType

_ACCOUNT = re.compile(r"\d{12}")
_ROOT_ARN = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):root")


@dataclass(frozen=True)
class Principal:
    """A caller with the policies that allow and limit them."""

    arn: str
    account: str
    type: PrincipalType
    role_arn: str = ""
    """Of a role's session: the role, path included."""
    identity: tuple[Statement, ...] | None = ()
    """None for an account's root, which needs no policy."""
    boundary: tuple[Statement, ...] | None = None
    session: tuple[Statement, ...] | None = None
    scps: tuple[tuple[Statement, ...], ...] = ()
    """One level each: organization root, units, account."""
    keys: Mapping[str, Any] = field(default_factory=dict)
    access_key_id: str = ""

    @property
    def condition_arn(self) -> str:
        """
        aws:PrincipalArn: the role's ARN for its sessions (gap 2: ministack gives the session's).

        Source: IAM user guide, global condition keys, aws:PrincipalArn.
        """
        return self.role_arn or self.arn


class Named(IntEnum):
    """How a Principal element names someone; each form is limited differently."""

    NOT = 0
    ACCOUNT = 1
    """Their account: identity policies still have to allow."""
    ROLE = 2
    """The role of their session, or everyone: boundary and session policies still limit."""
    ITSELF = 3
    """Exactly this user or session: nothing implicit limits it."""


def how_named(statement: Statement, who: Principal) -> Named:
    """
    How a resource or trust policy's statement names `who`; services are not principals here.

    Source: IAM user guide, "Policy element: Principal" and the evaluation logic's
    table of resource-based policies; ARNs are compared whole, there are no wildcards.
    """
    if "NotPrincipal" in statement.body:
        excluded = words(_aws(statement.body["NotPrincipal"]))
        return Named.NOT if any(_names(p, who) for p in excluded) else Named.ROLE
    return max(
        (_names(principal, who) for principal in words(_aws(statement.body.get("Principal")))),
        default=Named.NOT,
    )


def _aws(element: object) -> object:
    return element.get("AWS") if isinstance(element, Mapping) else element


def _names(principal: str, who: Principal) -> Named:
    if principal == "*":
        return Named.ROLE
    root = _ROOT_ARN.fullmatch(principal)
    if root or _ACCOUNT.fullmatch(principal):
        return Named.ACCOUNT if (root[1] if root else principal) == who.account else Named.NOT
    if principal == who.arn:
        return Named.ITSELF
    return Named.ROLE if who.role_arn and principal == who.role_arn else Named.NOT


def names_service(statement: Statement, service: str) -> bool:
    """Whether a statement's Principal is this AWS service, or everyone."""
    principal = statement.body.get("Principal")
    if isinstance(principal, Mapping):
        return service in words(principal.get("Service")) or "*" in words(principal.get("AWS"))
    return principal == "*"


def role(role_arn: str) -> dict[str, Any] | None:
    """
    The stored role with exactly this ARN.

    A role with a path is not found by an ARN without it (gap 17).
    """
    parts = role_arn.split(":", 5)
    if len(parts) != 6 or parts[2] != "iam" or not parts[5].startswith("role/"):
        return None
    found: dict[str, Any] | None = iam._roles.get_scoped(
        parts[4], None, parts[5].rpartition("/")[2]
    )
    return found if found is not None and found["Arn"] == role_arn else None


def unique_id(principal_arn: str) -> str | None:
    """See `World.unique_id`."""
    root = _ROOT_ARN.fullmatch(principal_arn)
    if root:
        return root[1]
    found = role(principal_arn)
    if found is not None:
        return str(found["RoleId"])
    parts = principal_arn.split(":", 5)
    if len(parts) != 6 or not parts[5].startswith("user/"):
        return None
    user = iam._users.get_scoped(parts[4], None, parts[5].rpartition("/")[2])
    return str(user["UserId"]) if user is not None and user["Arn"] == principal_arn else None


def principal(caller: Caller) -> Principal:
    """The caller's policies as they are now."""
    account, name = caller.account_id, caller.arn.rpartition("/")[2]
    session = sts._sessions.get(caller.access_key_id) or {}
    entity: dict[str, Any] | None = None
    identity: tuple[Statement, ...] | None
    federated_by_root = caller.principal_type == "FederatedUser" and not session.get(
        "PrincipalName"
    )
    if caller.principal_type == "Root" or federated_by_root:
        identity = None
    elif caller.principal_type == "AssumedRole":
        entity = iam._roles.get_scoped(account, None, caller.arn.split("/")[1])
        identity = tuple(_statements(_attached(entity, account)))
        identity += tuple(_statements((entity or {}).get("InlinePolicies", {}).items()))
    else:
        name = str(session.get("PrincipalName") or name)
        entity = iam._users.get_scoped(account, None, name)
        identity = tuple(_user_statements(name, entity, account))
    boundary = (entity or {}).get("PermissionsBoundary")
    passed = session.get("SessionPolicies")
    return Principal(
        arn=caller.arn,
        account=account,
        type=caller.principal_type,
        role_arn=str(
            (entity or {}).get("Arn", "") if caller.principal_type == "AssumedRole" else ""
        ),
        identity=identity,
        boundary=tuple(_statements([_managed(boundary, account)])) if boundary else None,
        session=tuple(_statements(_session_policies(passed, account))) if passed else None,
        scps=tuple(service_control_policies(account)),
        keys=_keys(caller, session),
        access_key_id=caller.access_key_id,
    )


_Policy = tuple[str, Any]
"""Its name or ARN, and its document."""


def _statements(policies: Iterable[_Policy]) -> Iterator[Statement]:
    for name, document in policies:
        yield from read(document, name)


def _managed(arn: str, account: str) -> _Policy:
    return arn, ministack._resolve_managed_policy_document(arn, account)


def _attached(entity: Mapping[str, Any] | None, account: str) -> Iterator[_Policy]:
    for arn in (entity or {}).get("AttachedPolicies", []):
        yield _managed(arn, account)


def _user_statements(
    name: str, user: Mapping[str, Any] | None, account: str
) -> Iterator[Statement]:
    if user is None:
        return
    inline = iam._user_inline_policies.get_scoped(account, None, name) or {}
    yield from _statements([*inline.items(), *_attached(user, account)])
    for (owner, group), record in iam._groups.to_dict().items():
        if owner == account and name in record.get("Users", []):
            inline = iam._group_inline_policies.get_scoped(account, None, group) or {}
            yield from _statements([*inline.items(), *_attached(record, account)])


def _session_policies(passed: Mapping[str, Any], account: str) -> Iterator[_Policy]:
    if passed.get("Policy"):
        yield "", passed["Policy"]
    for arn in passed.get("PolicyArns") or []:
        yield _managed(arn, account)


def _keys(caller: Caller, session: Mapping[str, Any]) -> dict[str, Any]:
    """Condition keys about the caller, by lower-case name; absent in ministack: gap 12."""
    account = caller.account_id
    credential = ministack.resolve_credential(caller.access_key_id, account)
    keys: dict[str, Any] = {}
    if not isinstance(credential, ministack.CredentialResolutionError):
        keys |= ministack._principal_keys(credential)
    keys |= {"aws:principalisawsservice": "false", "aws:viaawsservice": "false"}
    if session.get("SourceIdentity"):
        keys["aws:sourceidentity"] = session["SourceIdentity"]
    return keys
