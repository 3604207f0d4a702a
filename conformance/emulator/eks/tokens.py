"""
Service account tokens as EKS Auth reads them.

Whatever a pod sends arrives here, so nothing is believed before it was checked: the
text is a JWT, its claims are those of a token bound to a pod, and then the
signature, with the algorithm of the published key and never the one that the token
names. Whether its pod is still there is another question; see `token_holders`.
"""

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import jwt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from conformance.emulator.eks.errors import ServiceError

AUDIENCE = "pods.eks.amazonaws.com"

_JWT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_LATEST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()

_Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$")]
_Uid = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,128}$")]
_Moment = Annotated[float, Field(ge=0, le=_LATEST, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class _Header(_Part):
    alg: str
    kid: str


class _Named(_Part):
    name: _Name
    uid: _Uid


class _Kubernetes(_Part):
    namespace: _Name
    serviceaccount: _Named
    pod: _Named


class Claims(_Part):
    """The claims of a pod-bound token. Source: k8s.io/kubernetes pkg/serviceaccount/claims.go."""

    issuer: str = Field(alias="iss")
    audiences: str | list[str] = Field(alias="aud")
    expires: _Moment = Field(alias="exp")
    not_before: _Moment = Field(default=0.0, alias="nbf")
    subject: str = Field(alias="sub")
    kubernetes: _Kubernetes = Field(alias="kubernetes.io")


@dataclass(frozen=True)
class Unverified:
    """A token that could be read; nobody knows yet who made it."""

    algorithm: str
    key_id: str
    claims: Claims


def invalid(reason: str) -> ServiceError:
    """Our words, in the style of ExpiredTokenException's, which are AWS's."""
    return ServiceError(
        "InvalidTokenException", f"The token included in the request is invalid: {reason}."
    )


def parse(token: str) -> Unverified:
    """Raises InvalidTokenException, whatever the text is."""
    if not _JWT.fullmatch(token):
        raise invalid("it is not a JWT")
    try:
        read = jwt.PyJWS().decode_complete(token, options={"verify_signature": False})
        header = _Header.model_validate(read["header"])
        claims = Claims.model_validate_json(read["payload"])
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise invalid(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise invalid("it cannot be read") from None
    return Unverified(header.alg, header.kid, claims)


def check_signature(token: str, unverified: Unverified, key: jwt.PyJWK | None) -> None:
    """Raises InvalidTokenException unless this key, with its own algorithm, signed the token."""
    if key is None:
        raise invalid("its key is not one of the cluster's")
    if unverified.algorithm != key.algorithm_name:
        raise invalid("its algorithm is not the one of its key")
    try:
        jwt.PyJWS().decode_complete(token, key, algorithms=[key.algorithm_name])
    except (jwt.PyJWTError, ValueError):
        raise invalid("its signature is not good") from None


def check_claims(claims: Claims) -> None:
    """Raises InvalidTokenException and ExpiredTokenException; the issuer was checked before."""
    audiences = [claims.audiences] if isinstance(claims.audiences, str) else claims.audiences
    if AUDIENCE not in audiences:
        raise invalid(f"its audience is not {AUDIENCE}")
    nanoseconds = time.time_ns()
    now = nanoseconds / 1e9
    if now >= claims.expires:
        today = f"{datetime.fromtimestamp(now, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds % 10**9:09d}Z"
        raise ServiceError(
            "ExpiredTokenException",
            f"The token included in the request is expired: current date/time {today} must be "
            f"before the expiration date/time {_moment(claims.expires)}.",
        )
    if now < claims.not_before:
        raise invalid(f"it is not valid before {_moment(claims.not_before)}")
    of = claims.kubernetes
    if claims.subject != f"system:serviceaccount:{of.namespace}:{of.serviceaccount.name}":
        raise invalid("its subject is not its service account")


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
