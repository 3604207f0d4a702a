"""
EKS and EKS Auth asked in this process, through botocore's serializer and parser.

Everything is real but the cluster process, which is `stand_in_cluster.py`: so a test
can see what the cluster was told, sign tokens with its key, and have it fail.
"""

import asyncio
import itertools
import json
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore.parsers
import botocore.serialize
import jwt
import pytest
from botocore.awsrequest import HeadersDict

from conformance.emulator import eks_auth
from conformance.emulator.aws import Aws
from conformance.emulator.behaviour import Behaviour
from conformance.emulator.eks import clusterprocess, service
from conformance.emulator.eks.model import api
from conformance.emulator.eks.store import Cluster, Store
from conformance.emulator.launch import Launched
from conformance.emulator.service import Caller, Request, Settings
from conformance.faults import ActiveFaults
from tests.emulator.conftest import REGION, Account, Wire, document
from tests.emulator.eks import stand_in_keys
from tests.emulator.eks.bad_tokens import pod_claims
from tests.emulator.eks.stand_in_keys import KEY_ID

STAND_IN = Path(__file__).with_name("stand_in_cluster.py")
SUBNETS = {"subnetIds": ["subnet-1", "subnet-2"]}
SERVICES = {"eks": service.handle, "eks-auth": eks_auth.handle}
SETTLED_WITHIN = 20.0


class Refused(Exception):  # noqa: N818 -- what a test expects
    """An answer that is not success, as botocore reads it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message


@dataclass
class Emulated:
    """An account with EKS in it."""

    account: Account
    aws: Aws
    root: Caller
    signing_key: str
    """Of every stand-in cluster, PEM."""
    roles: dict[str, str] = field(default_factory=dict)

    async def ask(self, operation: str, caller: Caller | None = None, /, **more: Any) -> Any:
        """Call an operation of EKS or EKS Auth; raises `Refused`."""
        service = "eks-auth" if operation == eks_auth.OPERATION else "eks"
        model = api(service).operation(operation)
        wire = botocore.serialize.create_serializer("rest-json").serialize_to_request(more, model)
        path, _, inline = wire["url_path"].partition("?")
        query = {
            name: value if isinstance(value, list) else [str(value)]
            for name, value in wire["query_string"].items()
        }
        assert model.output_shape is not None
        answer = await self.send(
            service, wire["method"], path, wire["body"] or b"", query=query, caller=caller
        )
        assert not inline
        parsed = botocore.parsers.create_parser("rest-json").parse(
            {
                "status_code": answer.status,
                "headers": HeadersDict(answer.headers),
                "body": answer.body,
            },
            model.output_shape,
        )
        if answer.status >= 300:
            error = parsed["Error"]
            raise Refused(answer.status, error["Code"], error["Message"])
        return parsed

    async def send(
        self,
        service: str,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        query: dict[str, list[str]] | None = None,
        caller: Caller | None = None,
    ) -> Any:
        request = Request(
            method=method,
            path=path,
            raw_path=path,
            query=query or {},
            headers={},
            body=body,
            service=service,
            region=REGION,
            caller=caller or self.root,
            request_id=str(uuid.uuid4()),
        )
        return await SERVICES[service](request, self.aws)

    def role(self, name: str, service: str = "pods.eks.amazonaws.com") -> str:
        """The ARN of a role that `service` may assume and tag."""
        if name not in self.roles:
            statement = {
                "Effect": "Allow",
                "Principal": {"Service": service},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
            }
            self.roles[name] = self.account.role(name, trust=document([statement]))
        return self.roles[name]

    def caller(self, name: str, *statements: dict[str, Any]) -> Caller:
        """A user with these statements and no others."""
        self.account.user(name, document(list(statements)))
        return self.account.user_caller(name)

    async def cluster(self, name: str = "demo", **more: Any) -> Any:
        """Create a cluster; returns its description when it is no longer CREATING."""
        await self.ask(
            "CreateCluster",
            name=name,
            roleArn=self.role("cluster", "eks.amazonaws.com"),
            resourcesVpcConfig=SUBNETS,
            **more,
        )
        return await self.settled("DescribeCluster", "cluster", name=name)

    async def settled(self, operation: str, member: str, **which: Any) -> Any:
        """What is described, once it is no longer being made, changed or deleted; None if gone."""
        until = time.monotonic() + SETTLED_WITHIN
        while time.monotonic() < until:
            try:
                seen = (await self.ask(operation, **which))[member]
            except Refused as refused:
                if refused.code != "ResourceNotFoundException":
                    raise
                return None
            if seen["status"] not in ("CREATING", "UPDATING", "DELETING", "InProgress"):
                return seen
            await asyncio.sleep(0.01)
        raise AssertionError(f"{operation} {which} did not settle: {seen['status']}")

    async def associate(
        self, namespace: str = "dev", caller: Caller | None = None, /, **more: Any
    ) -> Any:
        parameters = {
            "clusterName": "demo",
            "namespace": namespace,
            "serviceAccount": "app",
            "roleArn": self.role("app"),
            **more,
        }
        made = await self.ask("CreatePodIdentityAssociation", caller, **parameters)
        return made["association"]

    async def refused(self, call: Awaitable[Any]) -> Refused:
        with pytest.raises(Refused) as refused:
            await call
        return refused.value

    def record(self, name: str = "demo") -> Cluster:
        return self.aws.state(Store).clusters[self.account.id, REGION, name]

    def folder(self, name: str = "demo") -> Path:
        return self.aws.settings.folder / "clusters" / name

    def asked(self, path: str, name: str = "demo") -> list[Any]:
        """The bodies of what the cluster process was asked on a path, in order."""
        lines = (self.folder(name) / "asked.ndjson").read_text().splitlines()
        return [body for _, where, body in map(json.loads, lines) if where == path]

    def token(self, namespace: str = "dev", pod: str = "probe-7c9f-abcde", **changes: Any) -> str:
        """
        A token as the cluster's TokenRequest makes it, but for `changes` to its claims.

        None takes a claim away; `kubernetes_io` is `kubernetes.io`.
        """
        claims = pod_claims(self.record().issuer, namespace, pod) | {
            name.replace("_", "."): value for name, value in changes.items()
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        headers = {"kid": KEY_ID, "typ": None}
        return jwt.encode(claims, self.signing_key, "RS256", headers=headers)

    async def assume(self, token: str, caller: Caller | None = None, cluster: str = "demo") -> Any:
        return await self.ask(eks_auth.OPERATION, caller, clusterName=cluster, token=token)


Scenario = Callable[[Emulated], Coroutine[Any, Any, None]]
RunEks = Callable[[Scenario], None]

_ACCOUNTS = itertools.count(700_000_000_000)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    stand_in_keys.write(folder)
    return folder


@contextmanager
def emulated(
    folder: Path, account: Account, keys: Path
) -> Iterator[tuple[asyncio.Runner, Emulated]]:
    """An EKS whose clusters are stand-ins, and the event loop that it lives on."""
    command = (sys.executable, "-I", "-S", str(STAND_IN), str(keys))
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner() as runner:
        patch.setattr(clusterprocess, "COMMAND", command)
        aws = Aws(Settings(folder, REGION, account.id, 4566), ActiveFaults())
        signing_key = (keys / "signing.pem").read_text()
        try:
            yield runner, Emulated(account, aws, account.root_caller(), signing_key)
        finally:
            runner.run(aws.stop())


@pytest.fixture
def run_eks(
    in_process: Aws, tmp_path_factory: pytest.TempPathFactory, keys: Path
) -> Iterator[RunEks]:
    """Runs a scenario on an EKS of its own, and stops everything that it started."""
    account = Account(str(next(_ACCOUNTS)), in_process)
    with emulated(tmp_path_factory.mktemp("k"), account, keys) as (runner, eks):
        yield lambda scenario: runner.run(scenario(eks))


@pytest.fixture(scope="module")
def module_eks(
    in_process: Aws, tmp_path_factory: pytest.TempPathFactory, keys: Path
) -> Iterator[tuple[asyncio.Runner, Emulated]]:
    account = Account(str(next(_ACCOUNTS)), in_process)
    with emulated(tmp_path_factory.mktemp("k"), account, keys) as (runner, eks):
        runner.run(eks.cluster())
        yield runner, eks


@pytest.fixture
def on_demo(module_eks: tuple[asyncio.Runner, Emulated]) -> Iterator[RunEks]:
    """Runs a scenario on the module's cluster `demo`, which has no associations and no faults."""
    runner, eks = module_eks
    yield lambda scenario: runner.run(scenario(eks))
    runner.run(_clear(eks))


@pytest.fixture(scope="session")
def wired(launched: Launched) -> Iterator[str]:
    """An ACTIVE cluster of the real kind, in the AWS process of the session; its name."""
    wire = Wire(launched)
    eks = wire.client("eks")
    eks.create_cluster(
        name="wired",
        roleArn=wire.role("wired-cluster", [], "eks.amazonaws.com"),
        resourcesVpcConfig=SUBNETS,
        accessConfig={"authenticationMode": "API"},
    )
    every = {"Delay": 0.02, "MaxAttempts": 3000}
    eks.get_waiter("cluster_active").wait(name="wired", WaiterConfig=every)
    yield "wired"
    eks.delete_cluster(name="wired")
    eks.get_waiter("cluster_deleted").wait(name="wired", WaiterConfig=every)


async def _clear(eks: Emulated) -> None:
    eks.aws.faults.set([])
    eks.aws.behaviour = Behaviour()
    for association in list(eks.record().associations):
        which = {"clusterName": "demo", "associationId": association}
        await eks.ask("DeletePodIdentityAssociation", **which)
    eks.aws.records.eks_auth.clear()
