"""
Rotated tokens, checked on the node.

Release 0.2.1 keys its cache by pod. A token that is not the one the entry came
with is checked against the API server's keys, and only then served; any doubt
sends it to EKS Auth instead. It is never a reason to refuse.

Source: eks-pod-identity-agent internal/validation/token_validator.go,
claims_validation.go and apiserver_client.go (0.2.1). The real agent also keeps the
keys on disk; here they live with the agent.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import jwt

from conformance.cluster.agent.interface import KeySet

AUDIENCE = "pods.eks.amazonaws.com"

KEYS_SINCE = (1, 34)
"""
Kubernetes whose published keys are believed.

Before, they were read when the server started: with a signer outside of it, as on EKS,
they need not be the ones that tokens are signed with (KEP-740).
"""

_KEY_ID = re.compile(r"[0-9a-f]{40}")
_CURVES = frozenset({"P-256", "P-384", "P-521"})
_NEEDED = (
    ("namespace",),
    ("serviceaccount", "name"),
    ("serviceaccount", "uid"),
    ("pod", "name"),
    ("pod", "uid"),
)


class LocalValidationError(Exception):
    """Why a token is left to EKS Auth."""


def check_version(kubernetes: str) -> None:
    """Raises `OSError`, as if the keys could not be had, for an API server that is too old."""
    major, minor = map(int, kubernetes.split(".")[:2])
    if (major, minor) < KEYS_SINCE:
        raise OSError(
            "Kubernetes version does not support fetching public keys from the apiserver, "
            f"apiserver is on version {major}.{minor}"
        )


class RotatedTokens:
    """Checks tokens against a key set, which it asks again for a key it does not know."""

    def __init__(self, jwks: KeySet) -> None:
        self._jwks = jwks
        self._keys: dict[str, jwt.PyJWK] = {}

    async def check(self, token: bytes) -> None:
        """Claims, then signature; raises `LocalValidationError`."""
        text = token.decode("latin-1")
        try:
            header = jwt.get_unverified_header(text)
            claims = jwt.decode(text, options={"verify_signature": False})
        except jwt.PyJWTError as error:
            raise LocalValidationError(f"cannot parse service account token: {error}") from error
        _check_claims(header, claims)
        key = await self._key(header["kid"])
        try:
            # Dates were checked before, the audience just now; the key names its algorithm.
            options: Any = {"verify_aud": False, "verify_exp": False, "verify_nbf": False}
            jwt.decode(text, key, algorithms=[key.algorithm_name], options=options)
        except jwt.PyJWTError as error:
            raise LocalValidationError(f"cryptographic validation failed: {error}") from error

    async def _key(self, key_id: str) -> jwt.PyJWK:
        if key_id not in self._keys:
            try:
                found = await self._jwks()
            except OSError as error:
                raise LocalValidationError(f"key refresh failed: {error}") from error
            self._keys = _read(found)
        if key_id not in self._keys:
            raise LocalValidationError(f"no matching key found for kid: {key_id}")
        return self._keys[key_id]


def _read(jwks: Mapping[str, Any]) -> dict[str, jwt.PyJWK]:
    """RSA and P-256, P-384 and P-521 keys by id; others are passed over."""
    keys: dict[str, jwt.PyJWK] = {}
    for entry in jwks.get("keys", []):
        known = entry.get("kty") == "RSA" or entry.get("crv") in _CURVES
        if known and entry.get("kid") and entry.get("alg"):
            with suppress(jwt.PyJWTError):
                keys.setdefault(entry["kid"], jwt.PyJWK(entry))
    return keys


def _check_claims(header: Mapping[str, Any], claims: Mapping[str, Any]) -> None:
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not _KEY_ID.fullmatch(key_id):
        raise LocalValidationError(f"invalid header: kid {key_id}")
    for path in _NEEDED:
        value: Any = claims.get("kubernetes.io")
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        if not isinstance(value, str) or not value.strip():
            raise LocalValidationError(f"missing claim: kubernetes.io/{'/'.join(path)}")
    audience = claims.get("aud")
    if AUDIENCE not in ([audience] if isinstance(audience, str) else audience or []):
        raise LocalValidationError(f"invalid audience: expected {AUDIENCE}")
