"""
Who signed a request: SigV4 checked before anything else sees it.

ministack checks signatures deep inside and not for everyone: its root keys (12
digits, `test`, or no key at all) sign nothing, presigned S3 URLs go another way,
and the service of the credential scope is not compared with the service that
answers. Here every request is checked alike, first; the arithmetic is ministack's
`core.sigv4`. A key that this process did not mint is unknown, real ones included.

Sources: IAM user guide, "Signature Version 4 request signing"; S3 API reference,
"Authenticating requests"; STS and S3 error references.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from ministack.core import iam_evaluator as ministack
from ministack.core import sigv4
from ministack.services import sts

from conformance.emulator.service import Caller, PrincipalType, Unauthenticated

_SHA256 = re.compile(r"[0-9a-f]{64}")
_PRESIGNED = "X-Amz-Signature"
_LONGEST_PRESIGN = 7 * 86400
_STS_PRESIGN = "900"


@dataclass(frozen=True)
class Incoming:
    """A request as it came over the wire."""

    method: str
    raw_path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


@dataclass(frozen=True)
class Verified:
    """A request with a good signature: who, and for which service and region."""

    caller: Caller
    service: str
    region: str


def scope_service(incoming: Incoming) -> str:
    """The service that a request claims to be signed for; empty when it is not signed."""
    credential = re.search(r"Credential=([^, ]+)", incoming.headers.get("authorization", ""))
    scope = credential[1] if credential else _first(incoming.query, "X-Amz-Credential")
    parts = scope.split("/")
    return parts[3] if len(parts) == 5 else ""


def verify(incoming: Incoming) -> Verified:
    """Raises `Unauthenticated`."""
    service = scope_service(incoming)
    authorization = incoming.headers.get("authorization", "")
    presigned = not authorization and _PRESIGNED in incoming.query
    if not authorization and not presigned:
        raise Unauthenticated(
            "MissingAuthenticationToken", "Request is missing Authentication Token", service
        )
    if not presigned and not authorization.startswith("AWS4-HMAC-SHA256 "):
        raise Unauthenticated(
            "UnsupportedSignature",
            "The request signature does not conform to AWS standards.",
            service,
        )
    signature = (
        sigv4.parse_query_signature(incoming.query)
        if presigned
        else sigv4.parse_header_signature(incoming.headers)
    )
    if isinstance(signature, tuple):
        raise Unauthenticated(signature[0], signature[1], service)
    _check_time(incoming, signature, presigned=presigned)
    token = (
        _first(incoming.query, "X-Amz-Security-Token")
        if presigned
        else incoming.headers.get("x-amz-security-token", "")
    )
    credential = _credential(signature.access_key_id, token, service)
    _check_body(incoming, service)
    failure = sigv4.header_signature_failure(
        signature,
        credential.secret_access_key,
        incoming.method,
        incoming.raw_path,
        incoming.query,
        incoming.headers,
        incoming.body,
        presigned=presigned,
    )
    if failure:
        raise Unauthenticated(failure[0], failure[1], service)
    return Verified(_caller(credential), service, signature.region)


def _first(query: Mapping[str, list[str]], name: str) -> str:
    return (query.get(name) or [""])[0]


def _check_time(incoming: Incoming, signature: Any, *, presigned: bool) -> None:
    if not presigned:
        skewed = sigv4.request_time_failure(signature)
        if skewed:
            raise Unauthenticated(skewed[0], skewed[1], signature.service)
        return
    seconds = _first(incoming.query, "X-Amz-Expires")
    if signature.service == "sts":
        # "currently ignored by STS, and the token expires 15 minutes after the x-amz-date"
        # (aws-iam-authenticator, pkg/token/token.go).
        seconds = _STS_PRESIGN
    try:
        expired = int(seconds) > _LONGEST_PRESIGN or sigv4.presigned_request_is_expired(
            signature.amz_date, seconds
        )
    except ValueError:
        expired = True
    if expired:
        raise Unauthenticated("RequestExpired", "Request has expired", signature.service)


def _credential(access_key_id: str, token: str, service: str) -> Any:
    unknown = Unauthenticated(
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
        service,
    )
    session = sts._sessions.get(access_key_id)
    try:
        account = (session or {}).get("AccountId") or ministack.find_iam_access_key_account(
            access_key_id
        )
    except ministack.AmbiguousAccessKeyError:
        account = None
    if account is None:
        raise unknown
    credential = ministack.resolve_credential(access_key_id, account, token)
    if isinstance(credential, ministack.CredentialResolutionError):
        # A session's key without its token is an unknown key; with another, an invalid token.
        if credential.code == "InvalidToken" and not token:
            raise unknown
        raise Unauthenticated(credential.code, credential.message, service)
    return credential


def _check_body(incoming: Incoming, service: str) -> None:
    """The body must be the one whose hash was signed; ministack believes the header."""
    declared = incoming.headers.get("x-amz-content-sha256", "")
    if _SHA256.fullmatch(declared):
        good = hashlib.sha256(incoming.body).hexdigest() == declared
    else:
        # Absent: the hash is computed. UNSIGNED-PAYLOAD and STREAMING-... are S3's.
        good = not declared or service == "s3"
    if not good:
        raise Unauthenticated("SignatureDoesNotMatch", sigv4.SIGNATURE_MISMATCH, service)


def _caller(credential: Any) -> Caller:
    session = sts._sessions.get(credential.access_key_id) or {}
    return Caller(
        account_id=credential.account_id,
        arn=credential.principal_arn,
        user_id=credential.principal_id,
        principal_type=cast(PrincipalType, credential.principal_type),
        access_key_id=credential.access_key_id,
        session_tags={tag["Key"]: tag["Value"] for tag in session.get("SessionTags") or []},
    )
