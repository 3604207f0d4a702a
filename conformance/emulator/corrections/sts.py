"""
STS AssumeRole, by our rules for sessions; the rest of STS stays ministack's.

ministack evaluates only the trust policy and the identity policy's word on
sts:AssumeRole, and that in two places which cannot see each other. AWS lets a trust
policy that names a principal of its own account decide alone (gap 16), asks both
sides for sts:TagSession (gap 9), caps durations (gap 5) and carries transitive tags
(gap 3). Web identities are refused: ministack does not check the token.
"""

from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from ministack.services import sts

from conformance.emulator.aws import Aws
from conformance.emulator.corrections.enforcement import Answer, current
from conformance.emulator.service import InvalidSession, Session, TrustRefused
from conformance.emulator.session_rules import Wanted

_REFUSED = frozenset({"AssumeRoleWithWebIdentity", "AssumeRoleWithSAML", "GetWebIdentityToken"})
_DEFAULT_SECONDS = 3600


def install(aws: Aws) -> None:
    """Answer AssumeRole ourselves."""
    original = sts.handle_request

    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Answer:
        form = {**query, **parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)}
        action = _one(form, "Action")
        if action == "AssumeRole":
            return _assume_role(aws, form)
        if action in _REFUSED:
            return _error(400, "InvalidAction", f"{action} is not emulated")
        answer: Answer = await original(method, path, headers, body, query)
        return answer

    sts.handle_request = handle_request


def _one(form: dict[str, Any], name: str) -> str | None:
    value = form.get(name)
    return (value[0] if value else None) if isinstance(value, list) else value


def _members(form: dict[str, Any], prefix: str, suffix: str = "") -> list[str]:
    """`Prefix.member.1.Suffix`, `.2` and so on, up to the first that is missing."""
    found: list[str] = []
    while (value := _one(form, f"{prefix}.member.{len(found) + 1}{suffix}")) is not None:
        found.append(value)
    return found


def _assume_role(aws: Aws, form: dict[str, Any]) -> Answer:
    who = current().who
    if who.type == "Root":
        # IAM user guide: "You cannot call AssumeRole by using AWS account root user credentials".
        return _error(403, "AccessDenied", "Roles may not be assumed by root accounts.")
    keys = _members(form, "Tags", ".Key")
    values = [_one(form, f"Tags.member.{n + 1}.Value") or "" for n in range(len(keys))]
    try:
        if len({key.lower() for key in keys}) < len(keys):
            raise InvalidSession(
                "InvalidParameterValue",
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            )
        wanted = _wanted(form, dict(zip(keys, values, strict=True)))
        session = aws.mint.for_caller(wanted, who)
    except InvalidSession as error:
        return _error(400, error.code, error.message)
    except TrustRefused as refused:
        return _error(403, "AccessDenied", refused.reason)
    return _answer(session, wanted)


def _wanted(form: dict[str, Any], tags: dict[str, str]) -> Wanted:
    role_arn = _one(form, "RoleArn") or ""
    parts = role_arn.split(":", 5)
    if len(parts) != 6 or parts[2] != "iam" or not parts[5].startswith("role/"):
        raise InvalidSession("ValidationError", f"{role_arn} is invalid")
    duration = _one(form, "DurationSeconds") or str(_DEFAULT_SECONDS)
    if not duration.isdigit():
        raise InvalidSession("MalformedInput", "DurationSeconds is not a number")
    policy = _one(form, "Policy")
    arns = tuple(_members(form, "PolicyArns", ".arn"))
    _, invalid = sts._session_policies(
        {
            "Policy": [policy or ""],
            **{f"PolicyArns.member.{n + 1}.arn": [a] for n, a in enumerate(arns)},
        },
        parts[4],
    )
    if invalid:
        raise _from_answer(invalid)
    return Wanted(
        role_arn=role_arn,
        session_name=_one(form, "RoleSessionName") or "",
        duration_seconds=int(duration),
        tags=tags,
        transitive=tuple(_members(form, "TransitiveTagKeys")),
        session_policy=policy,
        policy_arns=arns,
        external_id=_one(form, "ExternalId"),
        source_identity=_one(form, "SourceIdentity"),
    )


def _from_answer(answer: Answer) -> InvalidSession:
    """ministack's check of session policies answers in XML; its code and text are AWS's."""
    text = answer[2].decode()

    def between(tag: str) -> str:
        return text.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]

    return InvalidSession(between("Code"), between("Message"))


def _error(status: int, code: str, message: str) -> Answer:
    answer: Answer = sts._error(status, code, escape(message), ns="sts")
    return answer


def _answer(session: Session, wanted: Wanted) -> Answer:
    source = (
        f"<SourceIdentity>{escape(wanted.source_identity)}</SourceIdentity>"
        if (wanted.source_identity)
        else ""
    )
    answer: Answer = sts._xml(
        200,
        "AssumeRoleResponse",
        "<AssumeRoleResult><Credentials>"
        f"<AccessKeyId>{session.access_key_id}</AccessKeyId>"
        f"<SecretAccessKey>{session.secret_access_key}</SecretAccessKey>"
        f"<SessionToken>{session.session_token}</SessionToken>"
        f"<Expiration>{session.expiration:%Y-%m-%dT%H:%M:%SZ}</Expiration>"
        "</Credentials><AssumedRoleUser>"
        f"<AssumedRoleId>{session.assumed_role_id}</AssumedRoleId><Arn>{session.arn}</Arn>"
        f"</AssumedRoleUser>{source}<PackedPolicySize>{session.packed_percent}</PackedPolicySize>"
        "</AssumeRoleResult>",
        ns="sts",
    )
    return answer
