"""
Tokens that nobody issued, for scenarios that must see them refused.

A pod can write any claims it likes into a token; only the cluster's signature
makes them true. The agent parses and passes on, so the refusal must come from EKS
Auth. What is forged here is a token of a real pod, made to claim another identity.
"""

import base64
import json
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa


def with_altered_claims(token: str, *, namespace: str, service_account: str) -> str:
    """The token claiming another identity, under the signature of the real one."""
    return with_claims(token, **_claiming(token, namespace, service_account))


def signed_by_a_stranger(token: str, *, namespace: str, service_account: str) -> str:
    """The token claiming another identity, well signed, by a key that the cluster never had."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    # The cluster's own key id: a verifier that only looks the id up must not be satisfied.
    kid = jwt.get_unverified_header(token)["kid"]
    claims = _claiming(token, namespace, service_account)
    return jwt.encode(claims, key, algorithm="RS256", headers={"kid": kid})


def unsigned(token: str, *, namespace: str, service_account: str) -> str:
    """
    The token claiming another identity, and that nobody has to sign it (RFC 7519, section 6).

    It keeps a signature, for without any it would not be a token to EKS Auth's API model.
    """
    claiming = with_altered_claims(token, namespace=namespace, service_account=service_account)
    return with_algorithm(claiming, "none")


def with_claims(token: str, **claims: object) -> str:
    """The token saying something else about itself, or nothing (None), under its old signature."""
    header, _, signature = token.split(".")
    told: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    said = {name: value for name, value in (told | claims).items() if value is not None}
    return f"{header}.{_encoded(said)}.{signature}"


def with_algorithm(token: str, algorithm: str) -> str:
    """The token under another algorithm's name."""
    _, payload, signature = token.split(".")
    header = jwt.get_unverified_header(token) | {"alg": algorithm}
    return f"{_encoded(header)}.{payload}.{signature}"


def _encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def _claiming(token: str, namespace: str, service_account: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    claims["sub"] = f"system:serviceaccount:{namespace}:{service_account}"
    bound = claims["kubernetes.io"]
    bound["namespace"] = namespace
    bound["serviceaccount"] = {**bound["serviceaccount"], "name": service_account}
    return claims
