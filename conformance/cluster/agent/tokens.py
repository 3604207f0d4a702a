"""
What the agent itself can say about a service account token.

The agent parses and does not verify: signature, issuer, audience and subject are
EKS Auth's to judge, `alg: none` included. What it refuses, it refuses in the words
of golang-jwt v5.2.2, which are reproduced here because they are what a pod sees.

Sources: eks-pod-identity-agent internal/validation/request.go (0.1.37);
golang-jwt v5.2.2 parser.go, types.go and validator.go.
"""

import base64
import math
import re
from dataclasses import dataclass
from functools import lru_cache

from conformance.cluster.agent.go_json import (
    GoJsonError,
    Number,
    Pairs,
    Text,
    Value,
    kind_of,
    parse,
    quoted_bytes,
)

ALGORITHMS = frozenset(
    [f"{family}{bits}" for family in ("HS", "RS", "PS", "ES") for bits in (256, 384, 512)]
    + ["EdDSA", "none"]
)
"""What golang-jwt registers; any other `alg` makes a token unverifiable."""

MEMOISED_LENGTH = 8192
"""Longer tokens are parsed each time, so that junk of a megabyte is not kept."""

_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9_-]")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)
_INT64_LIMIT = 2.0**63
_STRING_CLAIMS = ("iss", "sub", "jti")
_DATE_CLAIMS = ("exp", "nbf", "iat")


class TokenRefusedError(Exception):
    """The agent answers 400 with this text and nothing leaves the node."""


@dataclass(frozen=True)
class Token:
    """What was read from a token; dates in whole seconds since the epoch."""

    expires_at: float | None
    not_before: float | None
    pod_uid: str | None
    pod_uid_missing: str
    """Why there is no `pod_uid`, in the words of agent 0.2.1; empty when there is one."""


def read_token(raw: bytes) -> Token:
    """Parse as golang-jwt's `ParseUnverified` does; raises `TokenRefusedError`."""
    if not raw:
        raise TokenRefusedError("Service account token cannot be empty")
    outcome = _memoised(raw) if len(raw) <= MEMOISED_LENGTH else _read(raw)
    if isinstance(outcome, str):
        raise TokenRefusedError(f"Service account token cannot be parsed: {outcome}")
    return outcome


def check_dates(token: Token, now: float) -> None:
    """`exp` and `nbf`, where present and without leeway; raises `TokenRefusedError`."""
    wrong = []
    if token.expires_at is not None and now >= token.expires_at:
        wrong.append("token is expired")
    if token.not_before is not None and now < token.not_before:
        wrong.append("token is not valid yet")
    if wrong:
        raise TokenRefusedError(
            f"Service account token failed basic claim validations: {', '.join(wrong)}"
        )


class _ClaimError(ValueError):
    """A claim of the wrong type, in Go's words."""


def _read(raw: bytes) -> Token | str:
    """The token, or why it is none; a value, so that it can be memoised."""
    parts = raw.split(b".")
    if len(parts) != 3:
        return "token is malformed: token contains an invalid number of segments"
    step = "could not base64 decode header"
    try:
        header_json = _decode(parts[0])
        step = "could not JSON decode header"
        header = parse(header_json)
        if header is not None and not isinstance(header, Pairs):
            into = "Go value of type map[string]interface {}"
            return _malformed(step, f"json: cannot unmarshal {kind_of(header)} into {into}")
        step = "could not base64 decode claim"
        claims_json = _decode(parts[1])
        step = "could not JSON decode claim"
        claims = parse(claims_json)
        token = _token(claims)
    except (GoJsonError, _Base64Error, _ClaimError) as error:
        return _malformed(step, str(error))
    algorithm = dict(header or ()).get("alg")
    if not isinstance(algorithm, Text):
        return "token is unverifiable: signing method (alg) is unspecified"
    if algorithm not in ALGORITHMS:
        return "token is unverifiable: signing method (alg) is unavailable"
    return token


_memoised = lru_cache(maxsize=2048)(_read)


def _malformed(step: str, because: str) -> str:
    return f"token is malformed: {step}: {because}"


class _Base64Error(ValueError):
    pass


def _decode(segment: bytes) -> bytes:
    """Go's `base64.RawURLEncoding`: no padding, stray bits at the end passed over."""
    wrong = _NOT_BASE64.search(segment)
    if wrong is None and len(segment) % 4 == 1:
        raise _Base64Error(f"illegal base64 data at input byte {len(segment) - 1}")
    if wrong is not None:
        raise _Base64Error(f"illegal base64 data at input byte {wrong.start()}")
    return base64.urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))


def _token(claims: Value) -> Token:
    if claims is None:
        claims = Pairs()
    if not isinstance(claims, Pairs):
        into = "Go value of type jwt.RegisteredClaims"
        raise _ClaimError(f"json: cannot unmarshal {kind_of(claims)} into {into}")
    dates: dict[str, float | None] = {}
    first_wrong = ""
    for key, value in claims:
        # Go matches the names of a struct's fields without regard to case.
        name = key.lower().replace("\N{LATIN SMALL LETTER LONG S}", "s")
        if name in _DATE_CLAIMS:
            dates[name] = None if value is None else _date(value)
        elif name == "aud":
            _check_audience(value)
        elif name in _STRING_CLAIMS and not first_wrong:
            first_wrong = _wrong_string(name, value)
    if first_wrong:
        raise _ClaimError(first_wrong)
    pod_uid, missing = _pod_uid(claims)
    return Token(dates.get("exp"), dates.get("nbf"), pod_uid, missing)


def _wrong_string(name: str, value: Value) -> str:
    if value is None or isinstance(value, Text):
        return ""
    field = f"Go struct field RegisteredClaims.{name} of type string"
    return f"json: cannot unmarshal {kind_of(value)} into {field}"


def _date(value: Value) -> float:
    """golang-jwt's NumericDate: whole seconds; what int64 cannot hold is long past."""
    if not isinstance(value, Text | Number):
        into = f"json: cannot unmarshal {kind_of(value)} into Go value of type json.Number"
        raise _ClaimError(f"could not parse NumericData: {into}")
    if isinstance(value, Text) and not _NUMBER.fullmatch(value):
        quoted = quoted_bytes(value.raw)
        why = f"json: invalid number literal, trying to unmarshal {quoted} into Number"
        raise _ClaimError(f"could not parse NumericData: {why}")
    seconds = float(value)
    if math.isinf(seconds):
        why = f'strconv.ParseFloat: parsing "{value}": value out of range'
        raise _ClaimError(f"could not convert json number value to float: {why}")
    if abs(seconds) >= _INT64_LIMIT:
        return -math.inf
    return float(math.floor(seconds))


def _check_audience(value: Value) -> None:
    """golang-jwt's ClaimStrings: a string, or a list of them."""
    if value is None:
        return
    items = value if isinstance(value, list) and not isinstance(value, Pairs) else [value]
    if all(isinstance(item, Text) for item in items):
        return
    raise _ClaimError("invalid type for claim")


def _pod_uid(claims: Pairs) -> tuple[str | None, str]:
    kubernetes = dict(claims).get("kubernetes.io")
    if not isinstance(kubernetes, Pairs):
        return None, "Service account token missing kubernetes.io claims"
    pod = dict(kubernetes).get("pod")
    if not isinstance(pod, Pairs):
        return None, "Service account token missing pod claims"
    uid = dict(pod).get("uid")
    if not isinstance(uid, Text):
        return None, "Service account token missing pod uid"
    return uid, ""
