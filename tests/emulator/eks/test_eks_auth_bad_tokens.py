"""Whatever a pod sends: an answer of the model, never a 500, never a hang."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jwt.algorithms import RSAAlgorithm

from conformance.emulator.behaviour import Behaviour
from conformance.emulator.eks.clusterprocess import ClusterProcess
from conformance.emulator.eks.store import Cluster, Person, Store
from conformance.emulator.eks_auth import handle
from conformance.emulator.records import DecidedBy, Records
from conformance.emulator.service import Caller, Decision, Request, Response, Settings, World
from conformance.faults import EKS_AUTH_SKIPS_SIGNATURE, ActiveFaults
from tests.emulator.eks.bad_tokens import (
    IN_THE_CLAIMS,
    KINDS,
    Forge,
    Kind,
    bad_tokens,
    encoded,
    json_values,
    segment,
)

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ISSUER = "https://oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"
REFUSALS = {
    "InvalidParameterException",
    "InvalidTokenException",
    "ExpiredTokenException",
    "InvalidRequestException",
}
"""Not ResourceNotFoundException: of a token that is believed, the association is looked up."""


class _Keys:
    def __init__(self) -> None:
        jwk = RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
        self.key = jwt.PyJWK({**jwk, "kid": "key-1", "alg": "RS256"})

    async def find(self, key_id: str) -> jwt.PyJWK | None:
        return self.key if key_id == "key-1" else None


@dataclass
class _World:
    """A world in which everyone may ask and no role can be had: tokens are all there is."""

    settings: Settings
    behaviour: Behaviour = field(default_factory=Behaviour)
    faults: ActiveFaults = field(default_factory=ActiveFaults)
    records: Records = field(default_factory=Records)
    states: dict[Any, Any] = field(default_factory=dict)

    def state(self, kind: Any) -> Any:
        return self.states.setdefault(kind, kind())

    def authorize(self, *_: object) -> Decision:
        return Decision(True, DecidedBy.NONE, "")


@pytest.fixture(scope="module")
def world() -> _World:
    world = _World(Settings(Path("/nonexistent"), "eu-west-1", "111122223333", 1))
    cluster = Cluster(
        name="demo",
        arn="arn:aws:eks:eu-west-1:111122223333:cluster/demo",
        account_id="111122223333",
        region="eu-west-1",
        role_arn="",
        creator=Person("", ""),
        version="1.37",
        issuer=ISSUER,
        tags={},
        request={},
        process=cast(ClusterProcess, SimpleNamespace(keys=_Keys())),
    )
    world.state(Store).clusters["111122223333", "eu-west-1", "demo"] = cluster
    return world


def _send(world: _World, body: bytes) -> Response:
    path = "/clusters/demo/assume-role-for-pod-identity"
    caller = Caller("111122223333", "arn:aws:iam::111122223333:root", "1", "Root", "AKIA")
    request = Request(
        "POST", path, path, {}, {}, body, "eks-auth", "eu-west-1", caller, request_id="r"
    )
    began = time.monotonic()
    answer = asyncio.run(handle(request, cast(World, world)))
    assert time.monotonic() - began < 2
    return answer


def _refused(answer: Response) -> None:
    assert answer.headers["x-amzn-ErrorType"] in REFUSALS
    assert answer.status == 400
    assert json.loads(answer.body)["message"]


FORGE = Forge(ISSUER, KEY, "key-1")
GOOD_HEADER = segment(FORGE.header)
DEEP = encoded(b"[" * 50_000)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__.strip("_"))
def test_every_kind_of_bad_token_is_refused_in_words_of_the_model(
    world: _World, kind: Kind
) -> None:
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(token=kind(FORGE))
    def refuse(token: str) -> None:
        _refused(_send(world, json.dumps({"token": token}).encode()))

    refuse()


@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_generated_bodies_are_refused_in_words_of_the_model(world: _World, body: bytes) -> None:
    _refused(_send(world, body))


@settings(max_examples=60, deadline=None)
@given(token=bad_tokens(FORGE, IN_THE_CLAIMS))
def test_without_signatures_claims_are_still_checked(world: _World, token: str) -> None:
    world.faults.set([EKS_AUTH_SKIPS_SIGNATURE.name])
    try:
        _refused(_send(world, json.dumps({"token": token}).encode()))
    finally:
        world.faults.set([])


@pytest.mark.parametrize(
    "token",
    [
        "a.b.c",
        "=.=.=",
        "." * 100_000,
        f"{GOOD_HEADER}.{'A' * 1_000_000}.AAAA",
        f"{DEEP}.e30.AAAA",
        f"{GOOD_HEADER}.{DEEP}.AAAA",
        f"{segment({'alg': 'RS256', 'kid': 'key-1', 'b64': False, 'crit': ['b64']})}.e30.AAAA",
        f"{segment({'alg': ['RS256'], 'kid': {}})}.e30.AAAA",
        f"{segment([])}.{segment([])}.AAAA",
        "\x00.\x00.\x00",
        "\ud800.\ud800.\ud800",
    ],
    ids=range(11),
)
def test_known_tricks_are_refused(world: _World, token: str) -> None:
    _refused(_send(world, json.dumps({"token": token}).encode()))


def test_the_good_token_is_believed_here_too(world: _World) -> None:
    answer = _send(world, json.dumps({"token": FORGE.good()}).encode())
    # Signature and claims are good; there is no association here.
    assert answer.headers["x-amzn-ErrorType"] == "ResourceNotFoundException"
