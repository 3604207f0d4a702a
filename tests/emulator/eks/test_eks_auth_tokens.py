import asyncio
import base64
import json
import re
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from conformance.emulator.eks import signing_keys
from conformance.faults import EKS_AUTH_SKIPS_SIGNATURE
from tests.emulator.eks.bad_tokens import pod_claims
from tests.emulator.eks.conftest import Emulated, RunEks


def test_expired_token_is_told_in_aws_words(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.associate()
        refused = await eks.refused(eks.assume(eks.token(exp=1751775378)))
        assert (refused.status, refused.code) == (400, "ExpiredTokenException")
        assert re.fullmatch(
            r"The token included in the request is expired: current date/time "
            r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z must be before the expiration date/time "
            r"2025-07-06T04:16:18Z\.",
            refused.message,
        )

    on_demo(scenario)


def _other_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def test_tokens_that_are_not_good(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.associate("dev")
        await eks.associate("prod")
        good = eks.token("dev")
        header, payload, signature = good.split(".")
        forged = pod_claims(eks.record().issuer, "prod", "probe")
        kubernetes = forged["kubernetes.io"]
        unbound = {k: v for k, v in kubernetes.items() if k != "pod"}
        other_payload = base64.urlsafe_b64encode(json.dumps(forged).encode()).decode().rstrip("=")
        wrong = {
            "claims changed": f"{header}.{other_payload}.{signature}",
            "signature cut": good[:-4],
            "signed by another key": jwt.encode(
                forged, _other_key(), "RS256", headers={"kid": "key-1"}
            ),
            "key nobody published": jwt.encode(
                forged, _other_key(), "RS256", headers={"kid": "key-2"}
            ),
            "no key id": jwt.encode(forged, _other_key(), "RS256"),
            "none": jwt.encode(forged, "", "none", headers={"kid": "key-1"}) + "A",
            "another audience": eks.token(aud=["sts.amazonaws.com"]),
            "another issuer": eks.token(iss="https://oidc.eks.eu-west-1.amazonaws.com/id/X"),
            "not bound to a pod": eks.token("prod", kubernetes_io=unbound),
            "no kubernetes claims": eks.token("prod", kubernetes_io=None),
            "subject of somebody else": eks.token("prod", sub="system:serviceaccount:dev:app"),
            "not valid yet": eks.token(nbf=int(time.time()) + 600),
            "never expires": eks.token(exp=None),
            "expires at text": eks.token(exp="tomorrow"),
            "not three parts": f"{header}.{payload}.",
        }
        for what, token in wrong.items():
            refused = await eks.refused(eks.assume(token))
            expected = "InvalidTokenException"
            if what == "not three parts":
                expected = "InvalidParameterException"
            assert (refused.status, refused.code) == (400, expected), what
            for part in token.split("."):
                assert len(part) < 20 or part not in refused.message
        assert (await eks.assume(good))["subject"]["namespace"] == "dev"

    on_demo(scenario)


def test_algorithm_is_the_keys_and_not_the_tokens(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.associate()
        process = eks.record().process
        assert process is not None
        published = await process.keys.find("key-1")
        assert published is not None
        # HMAC keyed with what everybody can read: the oldest trick.
        claims = pod_claims(eks.record().issuer, "dev", "probe")
        public = b"k" * 32
        token = jwt.encode(claims, public, "HS256", headers={"kid": "key-1"})
        assert (await eks.refused(eks.assume(token))).code == "InvalidTokenException"
        token = jwt.encode(claims, eks.signing_key, "PS256", headers={"kid": "key-1"})
        assert (await eks.refused(eks.assume(token))).code == "InvalidTokenException"

    on_demo(scenario)


def test_token_of_another_cluster_is_refused(run_eks: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await asyncio.gather(eks.cluster("demo"), eks.cluster("other"))
        await eks.associate()
        await eks.associate(clusterName="other")
        token = eks.token()
        await eks.assume(token)
        refused = await eks.refused(eks.assume(token, None, "other"))
        assert refused.code == "InvalidTokenException"

    run_eks(scenario)


def test_forged_tokens_do_not_make_us_fetch_keys_again_and_again(
    run_eks: RunEks, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.cluster()
        await eks.associate()
        await eks.assume(eks.token())
        monkeypatch.setattr(signing_keys, "BETWEEN_FETCHES", 3600.0)
        forged = [
            jwt.encode(
                pod_claims(eks.record().issuer, "dev", "probe"),
                "k" * 32,
                "HS256",
                headers={"kid": f"key-{number}"},
            )
            for number in range(2, 52)
        ]
        for token in forged:
            assert (await eks.refused(eks.assume(token))).code == "InvalidTokenException"
        assert eks.asked("jwks") == ["Bearer stand-in-admin"]
        # A key that the cluster has rotated in is found at the next look.
        monkeypatch.setattr(signing_keys, "BETWEEN_FETCHES", 0.0)
        assert (await eks.refused(eks.assume(forged[0]))).code == "InvalidTokenException"
        assert len(eks.asked("jwks")) == 2

    run_eks(scenario)


def test_keys_that_cannot_be_had_are_503(run_eks: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.cluster()
        await eks.associate()
        token, process = eks.token(), eks.record().process
        assert process is not None
        await process.stop()
        refused = await eks.refused(eks.assume(token))
        assert (refused.status, refused.code) == (503, "ServiceUnavailableException")

    run_eks(scenario)


def test_fault_that_skips_signatures_believes_anyone_of_the_issuer(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.associate("prod")
        claims = pod_claims(eks.record().issuer, "prod", "probe")
        forged = jwt.encode(claims, _other_key(), "RS256", headers={"kid": "key-1"})
        assert (await eks.refused(eks.assume(forged))).code == "InvalidTokenException"
        eks.aws.faults.set([EKS_AUTH_SKIPS_SIGNATURE.name])
        assert (await eks.assume(forged))["subject"]["namespace"] == "prod"

    on_demo(scenario)
