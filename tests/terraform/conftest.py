"""An AWS to provision on, Terraform to do it with, and a life of each resource type."""

import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from conformance.contract import ClusterContract, Contract
from conformance.emulator.launch import launch
from conformance.environment import Aws
from conformance.errors import HarnessError
from conformance.spec import Association, Bucket, Condition, Role, Spec, Statement, Trust
from conformance.terraform import stacks
from conformance.terraform.engine import Engine
from conformance.terraform.finding import EngineBinary, find_engine
from conformance.terraform.sources import provider_source
from conformance.terraform.surroundings import child_environment
from conformance.terraform.workspace import Workspace
from tests.terraform.life import READ_ONLY, Life

REGION = "eu-west-1"
HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def engine_binary() -> EngineBinary:
    try:
        return find_engine()
    except HarnessError as error:
        pytest.skip(f"no Terraform on this machine: {error.try_}")


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """ministack on a free port; EKS, IAM, S3 and STS without authorisation."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = tmp_path_factory.mktemp("ministack")
    surroundings = {
        "PATH": os.defpath,
        "HOME": str(home),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        # ministack would start real clusters on a docker daemon that it finds.
        "DOCKER_HOST": "tcp://127.0.0.1:1",
    }
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ministack"], env=surroundings, stdout=log, stderr=log
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _await_listening(port, process)
        yield url
    finally:
        process.terminate()
        process.wait()


def _await_listening(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise AssertionError(f"ministack does not listen on {port}, exit code {process.poll()}")


_accounts = itertools.count()


def new_account(endpoint: str) -> Aws:
    """An account nobody else has: ministack takes 12 digits as the root key of an account."""
    account = f"{os.getpid() % 10**6 + 10**6}{next(_accounts):05d}"
    return Aws(
        region=REGION,
        account_id=account,
        endpoint=endpoint,
        access_key_id=account,
        secret_access_key="not-a-secret-of-anyone",
    )


def clients(aws: Aws) -> Callable[[str], Any]:
    def make(service: str) -> Any:
        return botocore.session.Session().create_client(
            service,
            region_name=aws.region,
            endpoint_url=aws.endpoint,
            aws_access_key_id=aws.access_key_id,
            aws_secret_access_key=aws.secret_access_key,
        )

    return make


@pytest.fixture
def aws(endpoint: str) -> Aws:
    return new_account(endpoint)


@pytest.fixture
def client(aws: Aws) -> Callable[[str], Any]:
    """A botocore client of a service, to look behind Terraform's back."""
    return clients(aws)


@pytest.fixture
def local_engine(tmp_path: Path, engine_binary: EngineBinary) -> Callable[..., Engine]:
    """An engine on a root without any provider but Terraform's own."""

    def make(hcl: str, **options: Any) -> Engine:
        folder = tmp_path / "root"
        folder.mkdir(exist_ok=True)
        (folder / "main.tf").write_text(hcl, encoding="utf-8")
        rc = tmp_path / "terraform.rc"
        rc.touch()
        surroundings = child_environment(folder, rc)
        return Engine(folder, engine_binary, surroundings, **options)

    return make


@pytest.fixture(scope="session")
def emulated(engine_binary: EngineBinary) -> Iterator[Aws]:
    """Our own emulated AWS, which checks more than ministack does and knows updates of EKS."""
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        launched = launch(Path(folder) / "aws", region=REGION)
        try:
            yield launched.aws
        finally:
            launched.stop()


@pytest.fixture
def life(tmp_path: Path, engine_binary: EngineBinary, emulated: Aws) -> Callable[[str], Life]:
    """A life with the provider that the text names."""

    def make(provider: str) -> Life:
        return Life(tmp_path / "life", provider_source(provider), engine_binary, emulated)

    return make


@pytest.fixture
def behind(emulated: Aws) -> Callable[[str], Any]:
    """A botocore client of a service, to change things behind the back of a life."""
    return clients(emulated)


@pytest.fixture(scope="session")
def golden() -> Callable[[str], Any]:
    """What the real provider did, recorded; see golden/README.md."""

    def read(name: str) -> Any:
        return json.loads((HERE / "golden" / name).read_text(encoding="utf-8"))

    return read


SPEC = Spec(
    roles=[
        Role(
            name="reader",
            statements=(
                Statement(actions=("s3:GetObject",), resources=("bucket:data/logs/*",)),
                Statement(
                    actions=("s3:ListBucket",),
                    resources=("bucket:data",),
                    conditions=(
                        Condition(
                            test="StringLike",
                            variable="s3:prefix",
                            values=("${aws:PrincipalTag/kubernetes-namespace}/*",),
                        ),
                    ),
                ),
            ),
        ),
        Role(
            name="shared",
            statements=(
                Statement(
                    actions=("s3:GetObject", "s3:PutObject"),
                    resources=("bucket:data/${aws:PrincipalTag/kubernetes-namespace}/*",),
                ),
            ),
            managed_policies=(READ_ONLY,),
        ),
        Role(
            name="bare",
            trust=(Trust(services=("ec2.amazonaws.com",), actions=("sts:AssumeRole",)),),
        ),
    ],
    buckets=[
        Bucket(name="data", objects={"hello.txt": "hello", "{namespace:dev}/one": "1"}),
        Bucket(name="empty"),
    ],
    associations=[
        Association(namespace="dev", service_account="reader", role="reader"),
        Association(namespace="prod", service_account="reader", role="shared"),
    ],
)
"""Something of everything that a Spec can ask for."""

CLUSTER = {"name": "stage", "nodes": 3, "run": "r1", "tags": {"team": "one"}}


def variables(spec: Spec, prefix: str, of: str = "r1") -> dict[str, object]:
    namespaces = {"dev": f"{of}-dev", "prod": f"{of}-prod"}
    return spec.variables(run="r1", prefix=prefix, cluster="stage", namespaces=namespaces)


@dataclass
class Bench:
    """A cluster and a world on an AWS of their own."""

    cluster: Workspace[ClusterContract]
    world: Workspace[Contract]
    prefix: str
    spec: Spec = SPEC

    def apply(self, spec: Spec = SPEC) -> Contract:
        if not self.cluster.has_state:
            self.cluster.apply(CLUSTER)
        return self.world.apply(variables(spec, self.prefix))

    def destroy(self) -> None:
        self.world.destroy()
        self.cluster.destroy()


def _bench(folder: Path, aws: Aws, binary: EngineBinary, provider: str, **options: Any) -> Bench:
    cluster = Workspace(
        folder / "cluster", stacks.cluster("emulated"), aws=aws, provider=provider, engine=binary
    )
    world = Workspace(
        folder / "world",
        stacks.stack("aws"),
        aws=aws,
        provider=provider,
        engine=binary,
        **options,
    )
    return Bench(cluster, world, f"cf-{aws.account_id}")


@pytest.fixture
def bench(tmp_path: Path, engine_binary: EngineBinary, aws: Aws) -> Callable[..., Bench]:
    """A bench with a provider; `options` are those of the world's workspace."""

    def make(provider: str = "embedded", **options: Any) -> Bench:
        return _bench(tmp_path, aws, engine_binary, provider, **options)

    return make


@dataclass
class Provisioned:
    """A bench that was applied once, for tests that only look."""

    bench: Bench
    contract: Contract
    client: Callable[[str], Any]


@pytest.fixture(scope="module")
def provisioned(
    tmp_path_factory: pytest.TempPathFactory, engine_binary: EngineBinary, endpoint: str
) -> Provisioned:
    aws = new_account(endpoint)
    made = _bench(tmp_path_factory.mktemp("provisioned"), aws, engine_binary, "embedded")
    return Provisioned(made, made.apply(), clients(aws))


@pytest.fixture(scope="session", name="variables")
def variables_of_a_spec() -> Callable[..., dict[str, object]]:
    return variables


@pytest.fixture
def applied(
    tmp_path: Path, engine_binary: EngineBinary, aws: Aws
) -> Callable[[str, str], dict[str, Any]]:
    """The outputs of a file under roots/, applied with a provider."""

    def make(name: str, provider: str) -> dict[str, Any]:
        folder = tmp_path / "applied"
        folder.mkdir()
        (folder / "main.tf").write_text((HERE / "roots" / name).read_text())
        rc = folder / "terraform.rc"
        source = provider_source(provider)
        rc.write_text(source.configuration())
        with source.serving(aws) as surroundings:
            environment = child_environment(folder, rc) | surroundings
            engine = Engine(folder, engine_binary, environment)
            if source.needs_init:
                engine.init()
            return engine.apply().outputs

    return make
