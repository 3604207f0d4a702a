"""
Ten thousand tokens that nobody may get credentials for, through agent and EKS Auth.

    python -m benchmarks.bad_tokens [--tokens 10000]

The claim is not that it is fast but that it never happens: no credentials, no crash,
and every refusal in words of the model. Everything is real but the cluster, of which
there are only its published keys, so that a forger can have the private one, too.
"""

import argparse
import asyncio
import json
import logging
import socket
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from benchmarks import alone
from benchmarks.measuring import Number, rate
from benchmarks.wire import Connection, Place, message
from conformance.emulator import borrowed

if TYPE_CHECKING:
    from conformance.emulator.aws import Aws

TOKENS = 10_000
ACCOUNT, REGION, CLUSTER = "000000000001", "eu-west-1", "bench"
ISSUER = f"https://oidc.eks.{REGION}.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"
KEY_ID = "key-1"
REFUSALS = {"InvalidParameter", "InvalidToken", "ExpiredToken", "InvalidRequest"}


@dataclass
class Keys:
    """What the cluster publishes."""

    key: rsa.RSAPrivateKey = field(
        default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )

    async def find(self, key_id: str) -> jwt.PyJWK | None:
        jwk = jwt.get_algorithm_by_name("RS256").to_jwk(self.key.public_key(), as_dict=True)
        return jwt.PyJWK({**jwk, "kid": KEY_ID, "alg": "RS256"}) if key_id == KEY_ID else None


@dataclass
class Seen:
    """What became of the tokens, and what else went wrong."""

    aws: "Aws"
    agent: Place
    trouble: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    async def offer(self, token: str) -> None:
        """To the agent as a pod does; anything but a refusal is trouble."""
        connection = Connection(self.agent)
        sent = token.encode("utf-8", "replace").replace(b"\r", b"").replace(b"\n", b"")
        raw = message("GET", "/v1/credentials", "169.254.170.23", {"Authorization": "\0"})
        reply = await connection.ask(raw.replace(b"\0", sent))
        await connection.close()
        status = reply.status if reply is not None else 0
        self.statuses[status] += 1
        if status not in (400, 429, 431):
            self.trouble.append(f"agent: {status}")

    async def offer_directly(self, token: str) -> None:
        """To EKS Auth with nobody in between: the agent keeps much to itself."""
        before = len(self.aws.records.eks_auth)
        await _ask_eks_auth(self.aws, token)
        assert len(self.aws.records.eks_auth) == before + 1  # noqa: S101 -- or we look at nothing
        self.judge()

    def judge(self) -> None:
        """Every call of EKS Auth since the last time must have been refused by the model."""
        for call in self.aws.records.eks_auth:
            if call.outcome not in REFUSALS:
                self.trouble.append(f"EKS Auth: {call.outcome} {call.message}")
        if self.aws.records.sessions:
            self.trouble.append("a session was minted")
        self.aws.records.eks_auth.clear()
        self.aws.records.sessions.clear()


def bad_tokens(rounds: int) -> list[Number]:
    """So many tokens in all, an equal share in each round; raises when one does harm."""
    number = rate("bad tokens refused by agent and EKS Auth", 50)
    refused(TOKENS, rounds, number)
    return [number]


def refused(tokens: int, rounds: int, number: Number) -> Counter[int]:
    """The agent's statuses, of at least so many tokens; raises when one does harm."""
    # ministack reads its settings while it is imported.
    borrowed.prepare(region=REGION, account_id=ACCOUNT)
    from tests.emulator.eks.bad_tokens import Forge  # noqa: PLC0415 -- hypothesis is slow to load
    from tests.emulator.eks.bad_tokens import bad_tokens as generated  # noqa: PLC0415 -- same

    keys = Keys()
    forge = Forge(ISSUER, keys.key, KEY_ID)
    share = -(-tokens // rounds)
    with asyncio.Runner() as runner, tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        emulated = _emulated(Path(folder), keys)
        seen = runner.run(_first(emulated))
        runner.get_loop().set_exception_handler(
            lambda _, context: seen.trouble.append(str(context.get("message")))
        )
        for turn in range(rounds):
            _check_good(runner, seen, forge.good())
            with number.counted(share):
                _offer(runner, seen, generated(forge), share, turn)
        _check_good(runner, seen, forge.good())
        runner.run(emulated.aclose())
    assert seen.statuses.total() >= tokens, seen.statuses  # noqa: S101 -- fewer prove less
    if seen.trouble:
        raise AssertionError(f"{len(seen.trouble)} of {tokens}: {Counter(seen.trouble)}")
    return seen.statuses


async def _first(emulated: AsyncGenerator[Seen, None]) -> Seen:
    return await anext(emulated)


def _offer(
    runner: asyncio.Runner, seen: Seen, generated: st.SearchStrategy[str], share: int, turn: int
) -> None:
    @seed(turn)
    @settings(
        max_examples=share,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(token=generated)
    def offer(token: str) -> None:
        runner.run(seen.offer(token))
        seen.judge()
        runner.run(seen.offer_directly(token))

    offer()


def _check_good(runner: asyncio.Runner, seen: Seen, token: str) -> None:
    """A good token gets credentials, or every refusal would prove nothing."""
    reply = runner.run(_good(seen.agent, token))
    assert reply == 200, f"the good token got {reply}"  # noqa: S101 -- see above
    seen.aws.records.eks_auth.clear()
    seen.aws.records.sessions.clear()


async def _good(place: Place, token: str) -> int:
    raw = message("GET", "/v1/credentials", "169.254.170.23", {"Authorization": token})
    connection = Connection(place)
    reply = await connection.ask(raw)
    await connection.close()
    return reply.status if reply is not None else 0


async def _ask_eks_auth(aws: "Aws", token: str) -> None:
    from conformance.emulator import eks_auth  # noqa: PLC0415 -- after prepare
    from conformance.emulator.service import Caller, Request  # noqa: PLC0415 -- after prepare

    key, _ = aws.mint.root(ACCOUNT)
    path = f"/clusters/{CLUSTER}/assume-role-for-pod-identity"
    root = Caller(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, "Root", key)
    body = json.dumps({"token": token}).encode()
    await eks_auth.handle(
        Request("POST", path, path, {}, {}, body, "eks-auth", REGION, root, "bench"), aws
    )


@asynccontextmanager
async def _served(aws: "Aws") -> AsyncIterator[str]:
    from conformance.emulator.http_server import HttpServer  # noqa: PLC0415 -- after prepare
    from conformance.emulator.process import services  # noqa: PLC0415 -- after prepare
    from conformance.emulator.router import Router  # noqa: PLC0415 -- after prepare

    server = HttpServer(Router(aws, services()))
    listening = socket.create_server(("127.0.0.1", 0))
    await server.listen(listening)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    await server.close()


async def _emulated(folder: Path, keys: Keys) -> AsyncGenerator[Seen, None]:
    """AWS with one cluster, one association and an agent, in this process."""
    from conformance.emulator import corrections  # noqa: PLC0415 -- after prepare
    from conformance.emulator.aws import Aws  # noqa: PLC0415 -- after prepare
    from conformance.emulator.service import Settings  # noqa: PLC0415 -- after prepare

    logging.getLogger("ministack").setLevel(logging.CRITICAL)
    aws = Aws(Settings(folder, REGION, ACCOUNT, 1))
    corrections.install(aws)
    _associate(aws, keys)
    key, secret = aws.mint.root(ACCOUNT)
    async with _served(aws) as endpoint:
        node = {"AccessKeyId": key, "SecretAccessKey": secret, "Token": ""}
        port = await alone.agent(endpoint, CLUSTER, REGION, node)
        assert urlsplit(endpoint).port != port  # noqa: S101 -- the pod asks the agent
        yield Seen(aws, Place("127.0.0.1", port))


def _associate(aws: "Aws", keys: Keys) -> None:
    from ministack.core.responses import request_scope  # noqa: PLC0415 -- after prepare
    from ministack.services import iam  # noqa: PLC0415 -- after prepare

    from conformance.emulator.eks.store import (  # noqa: PLC0415 -- after prepare
        Association,
        Cluster,
        Person,
        Store,
    )

    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    wanted = {"RoleName": ["app"], "AssumeRolePolicyDocument": [document]}
    with request_scope(ACCOUNT, REGION):
        iam._IAM_HANDLERS["CreateRole"](wanted)
    arn = f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/{CLUSTER}"
    process: Any = SimpleNamespace(keys=keys)
    cluster = Cluster(
        name=CLUSTER,
        arn=arn,
        account_id=ACCOUNT,
        region=REGION,
        role_arn="",
        version="1.37",
        issuer=ISSUER,
        creator=Person("", ""),
        tags={},
        request={},
        status="ACTIVE",
        process=process,
    )
    role = f"arn:aws:iam::{ACCOUNT}:role/app"
    association = Association(CLUSTER, "dev", "app", role, f"{arn}/a", "a-" + "0" * 17, {})
    cluster.effective = (association,)
    aws.state(Store).clusters[ACCOUNT, REGION, CLUSTER] = cast(Any, cluster)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokens", type=int, default=TOKENS)
    statuses = refused(parser.parse_args().tokens, 1, rate("bad tokens", 0))
    print(json.dumps(statuses))
    return 0


if __name__ == "__main__":
    sys.exit(main())
