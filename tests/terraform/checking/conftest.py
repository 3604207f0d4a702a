"""An emulated AWS with a cluster and a second account, shared by the stacks that are checked."""

import json
import os
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, cast

import botocore.session
import pytest

from conformance.cli.stack import Asked
from conformance.contract import Contract
from conformance.emulator.launch import Launched, launch
from conformance.environment import Aws
from conformance.spec import Spec
from conformance.terraform.checking import PREFIX, SPECS, CheckedStep, check_stack
from conformance.terraform.checking.permissions import Calls
from conformance.terraform.finding import EngineBinary

CLUSTER = "checked"


@pytest.fixture(scope="session")
def checked(engine_binary: EngineBinary) -> Iterator[Launched]:
    """The cluster has no nodes: no pod runs here."""
    with tempfile.TemporaryDirectory(prefix="checking-") as folder:
        launched = launch(Path(folder) / "aws", region="eu-west-1", network="loopback")
        try:
            _make_cluster(launched.aws)
            yield launched
        finally:
            launched.stop()


@pytest.fixture(scope="session")
def checked_aws(checked: Launched) -> Aws:
    return checked.aws


def _make_cluster(aws: Aws) -> None:
    trust = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Service": "eks.amazonaws.com"},
            "Action": "sts:AssumeRole",
        },
    }
    # botocore makes its methods when it runs, so no type knows them.
    iam, eks = (
        cast("Any", botocore.session.Session()).create_client(
            service,
            region_name=aws.region,
            endpoint_url=aws.endpoint,
            aws_access_key_id=aws.access_key_id,
            aws_secret_access_key=aws.secret_access_key,
        )
        for service in ("iam", "eks")
    )
    role = iam.create_role(RoleName="cluster", AssumeRolePolicyDocument=json.dumps(trust))
    eks.create_cluster(
        name=CLUSTER,
        roleArn=role["Role"]["Arn"],
        resourcesVpcConfig={"subnetIds": ["subnet-00000000000000001", "subnet-00000000000000002"]},
    )
    eks.get_waiter("cluster_active").wait(
        name=CLUSTER, WaiterConfig={"Delay": 0.05, "MaxAttempts": 400}
    )


@pytest.fixture
def cluster(checked_aws: Aws) -> str:
    """The name of the cluster."""
    return CLUSTER


def _chosen(*quick: str) -> dict[str, Spec]:
    """These Specs in `make test`, all eleven where nobody is in a hurry."""
    names = SPECS if os.environ.get("CONFORMANCE_PARITY") == "full" else quick
    return {name: SPECS[name] for name in names}


@pytest.fixture(scope="session")
def chosen() -> Callable[..., dict[str, Spec]]:
    return _chosen


@pytest.fixture
def agree(checked: Launched, tmp_path: Path) -> Callable[..., Calls]:
    """
    Check a stack; what it has not tried must be what is named. Returns what it asked of IAM.

    `quick` names the Specs of `make test`, see `_chosen`.
    """

    def check(
        stack: str,
        *,
        untried: set[str],
        quick: Collection[str] = tuple(SPECS),
        role_update: bool = True,
        seen: Callable[[CheckedStep, Contract | None], None] = lambda _step, _contract: None,
        **options: Any,
    ) -> Calls:
        specs = _chosen(*quick)
        asked = Asked(checked.admin)

        def both(step: CheckedStep, contract: Contract | None) -> None:
            asked.listen(step)
            seen(step, contract)

        steps = check_stack(
            stack,
            aws=checked.aws,
            cluster=CLUSTER,
            folder=tmp_path / "stack",
            specs=specs,
            seen=both,
            **options,
        )
        assert [step for step in steps if step.trouble] == []
        skipped = {step.spec for step in steps if step.skipped and step.what == "contract"}
        assert skipped == untried & set(specs)
        life = {step.what: not step.skipped for step in steps if step.spec == "one association"}
        assert life == {
            "contract": True,
            "second plan": True,
            "as AWS has it": True,
            "update in place": role_update,
            "replacement": True,
            "drift": True,
            "import": True,
            "deleted behind its back": True,
        }
        assert steps[-1] == CheckedStep("all", "nothing left")
        return asked.calls(PREFIX, CLUSTER)

    return check
