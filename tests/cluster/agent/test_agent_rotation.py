import asyncio
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.cluster.agent.conftest import listening, make_token, send, serve

KEY_ID = "0123456789abcdef0123456789abcdef01234567"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC = json.loads(RSAAlgorithm.to_jwk(KEY.public_key())) | {"kid": KEY_ID, "alg": "RS256"}

COUNTER = "pod_identity_local_validation"
UNNAMED = {"kubernetes.io": {"pod": {"uid": "pod-uid"}}}


async def jwks() -> dict[str, Any]:
    broken = {"kty": "RSA", "kid": KEY_ID, "alg": "RS256", "n": "!"}
    return {
        "keys": [{"kty": "oct", "kid": KEY_ID, "alg": "HS256", "k": "c2VjcmV0"}, broken, PUBLIC]
    }


async def no_jwks() -> dict[str, Any]:
    raise OSError("API server is down")


def signed(
    key: rsa.RSAPrivateKey = KEY, key_id: str = KEY_ID, changes: dict[str, Any] | None = None
) -> str:
    claims = jwt.decode(make_token(**changes or {}), options={"verify_signature": False})
    return jwt.encode(claims, key, "RS256", headers={"kid": key_id})


def calls(first: str, second: str, **options: Any) -> int:
    """How often EKS Auth was asked for two tokens in turn."""

    async def played() -> int:
        async with serve(version="0.2.1", **options) as served:
            assert (await served.ask(first)).status == 200
            assert (await served.ask(second)).status == 200
            return len(served.stand_in.calls)

    return asyncio.run(played())


def test_rotated_token_is_served_from_the_pods_entry() -> None:
    assert calls(signed(), signed(), jwks=jwks) == 1


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(signed(OTHER_KEY), id="forged"),
        pytest.param(signed(key_id="k"), id="key id of another shape"),
        pytest.param(signed(key_id="f" * 40), id="unknown key"),
        pytest.param(signed(changes={"aud": ["sts.amazonaws.com"]}), id="audience"),
        pytest.param(signed(changes=UNNAMED), id="claims missing"),
        pytest.param(make_token(header={"alg": "none", "kid": KEY_ID}), id="alg none"),
    ],
)
def test_doubtful_token_is_left_to_eks_auth(second: str) -> None:
    assert calls(signed(), second, jwks=jwks) == 2


@pytest.mark.parametrize("options", [{}, {"jwks": no_jwks}])
def test_without_keys_every_rotated_token_goes_to_eks_auth(options: dict[str, Any]) -> None:
    assert calls(signed(), signed(), **options) == 2


def test_pods_have_entries_of_their_own() -> None:
    other = {"kubernetes.io": {"pod": {"uid": "other"}}}
    assert calls(signed(), signed(changes=other), jwks=jwks) == 2


@pytest.mark.parametrize(
    ("second", "options", "result"),
    [
        (signed(), {"jwks": jwks}, "success"),
        (signed(OTHER_KEY), {"jwks": jwks}, "failure"),
        (signed(), {}, "skipped"),
    ],
)
def test_outcome_of_each_check_is_counted(
    second: str, options: dict[str, Any], result: str
) -> None:
    async def scene() -> None:
        async with serve(version="0.2.1", metrics=(metrics := listening()), **options) as served:
            address = metrics.getsockname()
            for token in (signed(), second):
                await served.ask(token)
            reply = await send(address, b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
            assert reply is not None
            counted = [line for line in reply.text.splitlines() if line.startswith(COUNTER)]
            assert counted == [f'{COUNTER}{{result="{result}"}} 1']

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("claims", "text"),
    [
        ({}, "missing kubernetes.io claims"),
        ({"kubernetes.io": {}}, "missing pod claims"),
        ({"kubernetes.io": {"pod": {"uid": 7}}}, "missing pod uid"),
    ],
)
def test_token_without_pod_is_refused_on_the_node(claims: dict[str, Any], text: str) -> None:
    async def scene() -> None:
        async with serve(version="0.2.1") as served:
            drop = () if claims else ("kubernetes.io",)
            reply = await served.ask(make_token(drop=drop, **claims))
            assert (reply.status, served.stand_in.calls) == (400, [])
            assert text in reply.text

    asyncio.run(scene())
