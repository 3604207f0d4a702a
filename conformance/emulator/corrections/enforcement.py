"""
ministack's door: every place where it asks "may they?" now asks our decisions.

Its dispatcher finds out action and resource and calls `enforce`; the names are
looked up at each call, so replacing them in their modules replaces them for
everyone. Signatures were checked before ministack saw the request, so the checks
it makes itself become lookups of that result. Whatever cannot be decided is
refused: for an action it cannot name ministack would let everyone through.
"""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.services import dynamodb, iam, kms, s3, secretsmanager, sqs

from conformance.emulator.authentication import Verified
from conformance.emulator.aws import Aws
from conformance.emulator.borrowed import SERVED
from conformance.emulator.decisions import ResourcePolicy, Verdict, refusal
from conformance.emulator.principals import Principal, principal
from conformance.emulator.records import DecidedBy
from conformance.faults import S3_IGNORES_POLICIES

Answer = tuple[int, dict[str, str], bytes]

# Never denied by a policy: IAM user guide, AWS STS API operations and permissions.
_ALWAYS_ALLOWED = frozenset({"sts:GetCallerIdentity", "sts:GetSessionToken"})

# Decided where both sides' policies are at hand: `sessions.Mint.for_caller`.
_DECIDED_LATER = frozenset({"sts:AssumeRole"})

DELETES = frozenset({"s3:DeleteObject", "s3:DeleteObjectVersion"})

# S3 Control's tags, the only part of it that ministack decides right after this check.
_DECIDED_NEXT = "/v20180820/tags/"

# "Permission for the batch actions is granted by the single ones" (SQS developer
# guide, API permissions); ministack wants names of their own (gap 13).
_SAME_PERMISSION = {
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
}


@dataclass
class Current:
    """The request being served."""

    verified: Verified
    who: Principal
    path: str
    """Percent-decoded."""
    operation: str = ""
    """As the service's API names it; empty where that is not known."""
    refusal: str = ""
    """AWS's text for the last denial."""
    allowed_buckets: set[str] = field(default_factory=set)
    """Buckets that a decision of this request allowed something on."""


_CURRENT: ContextVar[Current | None] = ContextVar("current", default=None)


def current() -> Current:
    """The request being served; raises LookupError outside of one."""
    found = _CURRENT.get()
    if found is None:
        raise LookupError("no request is being served")
    return found


@contextlib.contextmanager
def serving(verified: Verified, path: str, operation: str = "") -> Iterator[Current]:
    """Let ministack serve a request of a verified caller."""
    request = Current(verified, principal(verified.caller), path, operation)
    token = _CURRENT.set(request)
    try:
        yield request
    finally:
        _CURRENT.reset(token)


def install(aws: Aws) -> None:
    """Replace ministack's checks by ours."""

    def enforce(
        _key: str,
        iam_action: str,
        service: str,
        region: str,
        *,
        resource_arn: str = "*",
        service_context: Mapping[str, Any] | None = None,
    ) -> Any:
        return _enforce(aws, service, iam_action, resource_arn, service_context, region=region)

    iam_evaluator.enforce = enforce
    iam_evaluator.check_credentials = _no_action
    # Signatures are checked before; asking again would only cost.
    iam_evaluator.authenticate = lambda *_: None
    iam_evaluator.is_root_access_key = lambda _: False
    iam_actions.access_denied_response = _with_aws_text(iam_actions.access_denied_response)


def _no_action(*_: object) -> Any:
    """A request whose action is unknown: root only, as nothing can be decided."""
    request = current()
    root = request.who.identity is None and not request.who.scps
    if root or request.path.startswith(_DECIDED_NEXT):
        return None
    return iam_evaluator.AuthError("AccessDenied", "Access Denied")


def _enforce(
    aws: Aws,
    service: str,
    action: str,
    resource: str,
    context: Mapping[str, Any] | None,
    *,
    region: str,
) -> Any:
    request = current()
    if SERVED.get(request.verified.service) != service:
        # A signature is good for one service (gap: credential scope not checked).
        return iam_evaluator.AuthError(
            "SignatureDoesNotMatch", f"Credential should be scoped to correct service: '{service}'."
        )
    if action in _ALWAYS_ALLOWED or action in _DECIDED_LATER:
        return None
    if request.operation == "DeleteObjects" and action in DELETES:
        # Key by key, in `corrections.s3`; `operation` is read from what the handler goes by.
        return None
    action = _SAME_PERMISSION.get(action, action)
    resource = _real_resource(action, service, resource)
    policy = _policy_of(service, resource)
    if service == "s3" and S3_IGNORES_POLICIES in aws.faults:
        verdict = Verdict(True, DecidedBy.NONE)
        aws.judged(request.who, action, resource, verdict)
    else:
        verdict = aws.judge(
            request.who, action, resource, context=context, policy=policy, region=region
        )
    if verdict.allowed:
        if service == "s3":
            request.allowed_buckets.add(_bucket(resource))
        return None
    request.refusal = refusal(verdict, request.who.arn, action, resource)
    return iam_evaluator.EvalResult(
        "Deny" if verdict.explicit else "ImplicitDeny", request.who.arn, "", request.refusal
    )


def _real_resource(action: str, service: str, resource: str) -> str:
    """What the action is really about, where ministack's guess falls short."""
    if action == "s3:ListAllMyBuckets":
        return "arn:aws:s3:::*"
    if service == "s3":
        # Keys may hold empty segments: `dev/` and `/dev` are not `dev` (gap 29).
        bucket, _, key = current().path[1:].partition("/")
        sent = f"arn:aws:s3:::{bucket}/{key}"
        return sent if key and "/".join(filter(None, sent.split("/"))) == resource else resource
    if service == "iam" and ":role/" in resource:
        # The request names the role without its path; the ARN has it.
        found = iam._roles.get_scoped(resource.split(":")[4], None, resource.rpartition("/")[2])
        return str(found["Arn"]) if found else resource
    return resource


def _bucket(resource: str) -> str:
    return resource.rpartition(":")[2].partition("/")[0]


def _policy_of(service: str, resource: str) -> ResourcePolicy | None:
    """
    The resource's own policy, wherever its owner is.

    ministack asks a foreign bucket's policy for the caller's account root (gap 4) and
    keeps DynamoDB's without asking them (gap 10). None where the owner is unknown.
    """
    if service == "s3" and resource.startswith("arn:aws:s3:::"):
        owner = s3._bucket_owner_account(_bucket(resource))
        if owner is None:
            return None
        return ResourcePolicy(s3._bucket_policies.get_scoped(owner, None, _bucket(resource)), owner)
    if service == "sqs":
        found = sqs.queue_policy_for_arn(resource)
        return ResourcePolicy(found[0], found[1]) if found and found[1] else _foreign(resource)
    if service == "dynamodb":
        parts = resource.split(":")
        if len(parts) < 6:
            return None
        table = resource.partition("/index/")[0].partition("/stream/")[0]
        stored = dynamodb._resource_policies.get_scoped(parts[4], parts[3], table) or {}
        return ResourcePolicy(stored.get("Policy"), parts[4])
    if service == "secretsmanager":
        found = secretsmanager.secret_policy_for_arn(resource)
        return ResourcePolicy(found[0], found[1]) if found else _foreign(resource)
    if service == "kms":
        # A key policy has to allow even the account that owns the key.
        found = kms.key_policy_for_arn(resource)
        return ResourcePolicy(found[0], found[1], required=True) if found else _foreign(resource)
    return _foreign(resource)


def _foreign(resource: str) -> ResourcePolicy | None:
    """No policy is known: another account's resource then allows nobody."""
    parts = resource.split(":")
    return ResourcePolicy(None, parts[4]) if len(parts) > 5 and parts[4].isdigit() else None


def _with_aws_text(respond: Callable[..., Answer]) -> Callable[..., Answer]:
    """
    Denials with AWS's text; DynamoDB's with AWS's status and type.

    ministack leaves out the resource and blames identity policies for everything.
    DynamoDB denies with 400 and com.amazon.coral.service#AccessDeniedException
    (aws-sdk-php#1292).
    """

    def answer(
        service: str, action: str, principal_arn: str, request_id: str, **options: Any
    ) -> Answer:
        request = _CURRENT.get()
        denied_by_policy = not options.get("error_code")
        if denied_by_policy and request is not None and request.refusal:
            options["message"] = request.refusal
        status, headers, body = respond(service, action, principal_arn, request_id, **options)
        if denied_by_policy and service == "dynamodb":
            told = json.loads(body)
            told["__type"] = "com.amazon.coral.service#AccessDeniedException"
            told["Message"] = told.pop("message")
            return 400, headers, json.dumps(told).encode()
        return status, headers, body

    return answer
