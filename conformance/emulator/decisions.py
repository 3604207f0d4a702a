"""
IAM's answer to one question, with the policy and the statement that gave it.

ministack says yes or no; evidence needs *which policy* said no, and AWS's text
names its kind. The order is that of the IAM user guide, "Policy evaluation logic":
an explicit deny anywhere wins; organization, boundary and session policies limit;
then identity or resource policies allow, both of them across accounts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

from ministack.core.iam_evaluator import EvalContext

from conformance.emulator.policies import Asked, Statement, applies, read
from conformance.emulator.principals import Named, Principal, how_named, names_service
from conformance.emulator.records import DecidedBy
from conformance.emulator.request_keys import pinned
from conformance.emulator.service import Decision

# Root may always repair a bucket policy that locks everyone out (S3 user guide, PutBucketPolicy).
_ROOT_REPAIRS = frozenset({"s3:PutBucketPolicy", "s3:GetBucketPolicy", "s3:DeleteBucketPolicy"})

_POLICY_KIND = {
    DecidedBy.IDENTITY: "identity-based policy",
    DecidedBy.RESOURCE: "resource-based policy",
    DecidedBy.BOUNDARY: "permissions boundary",
    DecidedBy.SESSION: "session policy",
    DecidedBy.SCP: "service control policy",
    DecidedBy.TRUST: "role trust policy",
}


@dataclass(frozen=True)
class ResourcePolicy:
    """A policy on the resource, and the account that owns the resource."""

    document: str | Mapping[str, Any] | None
    owner: str
    required: bool = False
    """True where the owner's own principals need it too: trust policies, key policies."""
    kind: DecidedBy = DecidedBy.RESOURCE


@dataclass(frozen=True)
class Verdict:
    """Allowed or not, by which kind of policy, and whether by an explicit deny."""

    allowed: bool
    decided_by: DecidedBy
    explicit: bool = False
    statement: Statement | None = None
    """The first that allowed or denied; None where nothing allows, or nothing had to."""
    unsupported: tuple[str, ...] = ()
    """Conditions that would have had a say and are not emulated; they deny."""


def asked(
    who: Principal,
    action: str,
    resource: str,
    region: str,
    context: Mapping[str, Any] | None = None,
) -> Asked:
    """The question with all its condition keys; `context` wins over what is known of `who`."""
    keys: dict[str, Any] = {"aws:tagkeys": None, "aws:principalarn": who.condition_arn}
    keys |= pinned()
    keys |= who.keys
    keys |= {name.lower(): value for name, value in (context or {}).items()}
    return Asked(
        action,
        resource,
        keys,
        EvalContext(
            principal_arn=who.arn,
            principal_type=_PRINCIPAL_TYPES.get(who.type, who.type),
            principal_account=who.account,
            action=action,
            resource_arn=resource,
            region=region,
        ),
    )


# aws:PrincipalType as the IAM user guide's list of principal key values has it.
_PRINCIPAL_TYPES = {"Root": "Account"}


def _first(statements: Iterable[Statement], question: Asked, *, allow: bool) -> Statement | None:
    """The first statement that has a say in it."""
    for statement in statements:
        if (statement.allows if allow else statement.denies) and applies(statement, question):
            return statement
    return None


def decide(who: Principal, question: Asked, policy: ResourcePolicy | None = None) -> Verdict:
    """See the module."""
    return _told(_decide(who, question, policy), question)


def _told(verdict: Verdict, question: Asked) -> Verdict:
    return replace(verdict, unsupported=tuple(sorted(question.unsupported)))


def _decide(who: Principal, question: Asked, policy: ResourcePolicy | None) -> Verdict:
    resource = read(policy.document) if policy else ()
    resource_kind = policy.kind if policy else DecidedBy.RESOURCE
    named = [(s, how_named(s, who)) for s in resource]
    if who.identity is None and question.action in _ROOT_REPAIRS:
        named = []

    limits = [
        (DecidedBy.BOUNDARY, who.boundary),
        (DecidedBy.SESSION, who.session),
        *((DecidedBy.SCP, level) for level in who.scps),
    ]
    for kind, statements in (
        (DecidedBy.IDENTITY, who.identity),
        (resource_kind, [statement for statement, how in named if how]),
        *limits,
    ):
        if denying := _first(statements or (), question, allow=False):
            return Verdict(False, kind, explicit=True, statement=denying)

    for level in who.scps:
        if not _first(level, question, allow=True):
            return Verdict(False, DecidedBy.SCP)

    granted, granting = max(
        ((how, s) for s, how in named if how and s.allows and applies(s, question)),
        key=itemgetter(0),
        default=(Named.NOT, None),
    )
    same_account = policy is None or policy.owner == who.account
    if same_account and granted is Named.ITSELF:
        return Verdict(True, resource_kind, statement=granting)
    is_root = who.identity is None
    allowing = _first(who.identity or (), question, allow=True)
    by_identity = is_root or allowing is not None
    by_resource = same_account and granted is Named.ROLE
    if not by_identity and not by_resource:
        # A trust policy that does not know the caller is what AWS's refusal is about.
        missing = resource_kind if policy and policy.required and not granted else None
        return Verdict(False, missing or DecidedBy.IDENTITY)
    for kind, statements in limits[:2]:
        if statements is not None and not _first(statements, question, allow=True):
            return Verdict(False, kind)
    if policy and not granted and (policy.required or not same_account):
        return Verdict(False, resource_kind)
    own = DecidedBy.NONE if is_root else DecidedBy.IDENTITY
    if by_identity:
        return Verdict(True, own, statement=allowing)
    return Verdict(True, resource_kind, statement=granting)


def decide_for_service(service: str, question: Asked, trust: str | Mapping[str, Any]) -> Verdict:
    """
    Whether a trust policy lets an AWS service do this; root satisfies no `Service` (gap 8).

    No identity policy is asked: a service has none.
    """
    statements = [s for s in read(trust) if names_service(s, service)]
    if denying := _first(statements, question, allow=False):
        denied = Verdict(False, DecidedBy.TRUST, explicit=True, statement=denying)
        return _told(denied, question)
    allowing = _first(statements, question, allow=True)
    return _told(Verdict(allowing is not None, DecidedBy.TRUST, statement=allowing), question)


def refusal(verdict: Verdict, who_arn: str, action: str, resource: str) -> str:
    """
    AWS's text of a denial.

    Source: IAM user guide, "Troubleshoot access denied error messages". S3 puts the
    ARN in quotes and SQS writes the action in lower case, as seen in answers of the
    real services.
    """
    service = action.partition(":")[0]
    shown = action.lower() if service == "sqs" else action
    on = f'"{resource}"' if service == "s3" else resource
    on_resource = f" on resource: {on}" if resource.rpartition(":")[2] != "*" else ""
    text = f"User: {who_arn} is not authorized to perform: {shown}{on_resource}"
    if service == "sts":
        return text
    kind = _POLICY_KIND[verdict.decided_by]
    if verdict.explicit:
        article = "an" if kind[0] == "i" else "a"
        return f"{text} with an explicit deny in {article} {kind}"
    return f"{text} because no {kind} allows the {shown} action"


def decision(verdict: Verdict, who_arn: str, action: str, resource: str) -> Decision:
    """A verdict as services are told it."""
    message = "" if verdict.allowed else refusal(verdict, who_arn, action, resource)
    return Decision(verdict.allowed, verdict.decided_by, message)
