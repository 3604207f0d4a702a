from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from conformance.probes.forgery import (
    signed_by_a_stranger,
    unsigned,
    with_algorithm,
    with_altered_claims,
    with_claims,
)

CLAIMS = {
    "aud": ["pods.eks.amazonaws.com"],
    "sub": "system:serviceaccount:dev:app",
    "kubernetes.io": {
        "namespace": "dev",
        "pod": {"name": "p", "uid": "u"},
        "serviceaccount": {"name": "app", "uid": "s"},
    },
}


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def token(key: rsa.RSAPrivateKey) -> str:
    return jwt.encode(CLAIMS, key, algorithm="RS256", headers={"kid": "k-1"})


@pytest.mark.parametrize("forge", [with_altered_claims, signed_by_a_stranger])
def test_forged_token_claims_prod_and_fails_the_clusters_key(
    forge: Any, token: str, key: rsa.RSAPrivateKey
) -> None:
    forged = forge(token, namespace="prod", service_account="app")
    claims = jwt.decode(forged, options={"verify_signature": False})

    assert claims["sub"] == "system:serviceaccount:prod:app"
    assert claims["kubernetes.io"]["namespace"] == "prod"
    assert claims["kubernetes.io"]["pod"] == {"name": "p", "uid": "u"}
    assert jwt.get_unverified_header(forged) == jwt.get_unverified_header(token)
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(forged, key.public_key(), ["RS256"], audience=claims["aud"])


def test_token_says_something_else_under_its_old_signature(token: str) -> None:
    changed = with_claims(token, exp=1)

    assert jwt.decode(changed, options={"verify_signature": False}) == {**CLAIMS, "exp": 1}
    assert changed.split(".")[0::2] == token.split(".")[0::2]


def test_unsigned_token_claims_prod_and_that_nobody_signed_it(token: str) -> None:
    forged = unsigned(token, namespace="prod", service_account="app")

    claims = jwt.decode(forged, options={"verify_signature": False})
    assert claims["sub"] == "system:serviceaccount:prod:app"
    assert jwt.get_unverified_header(forged)["alg"] == "none"


def test_token_names_another_algorithm(token: str) -> None:
    changed = with_algorithm(token, "XX256")

    assert jwt.get_unverified_header(changed) == {"alg": "XX256", "kid": "k-1", "typ": "JWT"}
    assert changed.split(".")[1:] == token.split(".")[1:]


def test_claim_that_is_none_is_left_out(token: str) -> None:
    changed = with_claims(token, exp=None)

    assert "exp" not in jwt.decode(changed, options={"verify_signature": False})
