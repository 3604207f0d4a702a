import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.environment import Aws
from conformance.errors import HarnessError
from conformance.terraform import stacks
from conformance.terraform.ledger import Ledger
from conformance.terraform.messages import Progress, TerraformError
from conformance.terraform.workspace import Workspace

MakeBench = Callable[..., Any]
Client = Callable[[str], Any]


def test_a_spec_becomes_a_contract(provisioned: Any) -> None:
    contract, prefix = provisioned.contract, provisioned.bench.prefix
    account = provisioned.bench.world.aws.account_id

    assert (contract.account_id, contract.region) == (account, "eu-west-1")
    assert contract.cluster.arn == f"arn:aws:eks:eu-west-1:{account}:cluster/stage"
    assert set(contract.roles) == {"reader", "shared", "bare"}
    assert contract.roles["reader"].name == f"{prefix}-reader"
    assert contract.buckets["empty"].arn == f"arn:aws:s3:::{prefix}-empty"
    association = contract.associations["dev/reader"]
    assert association.namespace == "r1-dev"
    stored = provisioned.client("eks").describe_pod_identity_association(
        clusterName="stage", associationId=association.id
    )["association"]
    assert stored["roleArn"] == association.role_arn == contract.roles["reader"].arn


def test_a_second_apply_would_change_nothing(provisioned: Any) -> None:
    assert provisioned.bench.world.plan() == []
    assert provisioned.bench.cluster.plan() == []


def test_policy_variables_reach_iam_as_they_are(provisioned: Any) -> None:
    iam, contract = provisioned.client("iam"), provisioned.contract

    def policy(role: str) -> Any:
        name = contract.roles[role].name
        return iam.get_role_policy(RoleName=name, PolicyName="spec")["PolicyDocument"]

    data = contract.buckets["data"].arn
    own_namespace = "${aws:PrincipalTag/kubernetes-namespace}/*"
    assert policy("shared")["Statement"][0]["Resource"] == f"{data}/{own_namespace}"
    read, list_ = policy("reader")["Statement"]
    assert read["Resource"] == f"{data}/logs/*"
    assert list_["Resource"] == data
    assert list_["Condition"] == {"StringLike": {"s3:prefix": own_namespace}}


def test_trust_policies_are_those_of_the_spec(provisioned: Any) -> None:
    def trust(role: str) -> Any:
        got = provisioned.client("iam").get_role(RoleName=provisioned.contract.roles[role].name)
        return got["Role"]["AssumeRolePolicyDocument"]["Statement"][0]

    assert trust("reader")["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert set(trust("reader")["Action"]) == {"sts:AssumeRole", "sts:TagSession"}
    assert trust("bare")["Principal"] == {"Service": "ec2.amazonaws.com"}
    assert trust("bare")["Action"] == "sts:AssumeRole"


def test_objects_are_in_their_buckets(provisioned: Any) -> None:
    bucket = provisioned.contract.buckets["data"].name

    body = provisioned.client("s3").get_object(Bucket=bucket, Key="r1-dev/one")["Body"].read()
    assert body == b"1"


def test_everything_that_takes_tags_names_the_run(provisioned: Any) -> None:
    contract, client = provisioned.contract, provisioned.client
    expected = {"Key": "conformance:run", "Value": "r1"}

    bucket = client("s3").get_bucket_tagging(Bucket=contract.buckets["data"].name)
    assert bucket["TagSet"] == [expected]
    role = client("iam").get_role(RoleName=contract.roles["bare"].name)
    assert role["Role"]["Tags"] == [expected]
    association = client("eks").describe_pod_identity_association(
        clusterName="stage", associationId=contract.associations["dev/reader"].id
    )
    assert association["association"]["tags"] == {"conformance:run": "r1"}


def test_no_key_is_in_any_file(provisioned: Any) -> None:
    world = provisioned.bench.world
    files = [path for path in world.folder.rglob("*") if path.is_file()]
    secret = world.aws.secret_access_key.encode()

    assert len(files) > 4
    assert not [path for path in files if secret in path.read_bytes()]


@pytest.mark.long
def test_an_association_can_go_and_come_back(bench: MakeBench, client: Client) -> None:
    made = bench()
    made.apply()
    less = made.apply(made.spec.without_association("dev", "reader"))

    def count() -> int:
        found = client("eks").list_pod_identity_associations(clusterName="stage")
        return len(found["associations"])

    assert set(less.associations) == {"prod/reader"}
    assert count() == 1
    assert set(made.apply().associations) == {"dev/reader", "prod/reader"}
    assert count() == 2


def test_destroy_leaves_nothing_and_empties_buckets_that_pods_wrote_to(
    bench: MakeBench, client: Client
) -> None:
    made = bench()
    contract = made.apply()
    client("s3").put_object(Bucket=contract.buckets["empty"].name, Key="by/a/pod", Body=b"x")

    made.destroy()

    assert client("eks").list_clusters()["clusters"] == []
    assert client("s3").list_buckets()["Buckets"] == []
    assert made.prefix not in json.dumps(client("iam").list_roles()["Roles"], default=str)


def test_destroying_nothing_is_no_error(bench: MakeBench) -> None:
    bench().destroy()


def test_a_cluster_that_is_there_gives_the_same_contract(provisioned: Any, tmp_path: Path) -> None:
    made = provisioned.bench.cluster
    found = Workspace(tmp_path / "existing", stacks.cluster("existing"), aws=made.aws)

    assert found.apply({"name": "stage"}).model_dump() == made.engine.output("cluster")
    found.destroy()
    assert made.plan() == []


def test_a_cluster_that_is_not_there_is_named(tmp_path: Path, aws: Aws, engine_binary: Any) -> None:
    found = Workspace(
        tmp_path / "existing", stacks.cluster("existing"), aws=aws, engine=engine_binary
    )

    with pytest.raises(TerraformError, match="no cluster is named nowhere") as caught:
        found.apply({"name": "nowhere"})
    assert caught.value.diagnostics[0].address == "data.aws_eks_cluster.this"


def test_what_the_spec_cannot_check_terraform_refuses_before_it_makes_anything(
    bench: MakeBench, client: Client
) -> None:
    made = bench()
    made.cluster.apply({"name": "stage", "run": "r1"})
    made.prefix = "far-too-long-to-begin-a-name-with"

    with pytest.raises(TerraformError, match="prefix must be 3 to 24"):
        made.apply()
    assert client("s3").list_buckets()["Buckets"] == []


def test_aws_errors_come_with_address_and_code(bench: MakeBench, client: Client) -> None:
    made = bench()
    client("iam").create_role(RoleName=f"{made.prefix}-reader", AssumeRolePolicyDocument="{}")

    with pytest.raises(TerraformError) as caught:
        made.apply()

    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.address == 'aws_iam_role.this["reader"]'
    assert "EntityAlreadyExists" in diagnostic.summary


def test_an_interrupted_apply_can_be_destroyed(bench: MakeBench, client: Client) -> None:
    def leave(step: Progress) -> None:
        if step.address.startswith("aws_s3_bucket") and step.state == "finished":
            raise KeyboardInterrupt

    made = bench(progress=leave)
    with pytest.raises(KeyboardInterrupt):
        made.apply()
    assert client("s3").list_buckets()["Buckets"] != []
    made.world._progress = None

    made.destroy()

    assert client("s3").list_buckets()["Buckets"] == []
    assert made.prefix not in json.dumps(client("iam").list_roles()["Roles"], default=str)


@pytest.mark.long
def test_an_interrupted_apply_can_be_finished(bench: MakeBench) -> None:
    def leave(step: Progress) -> None:
        if step.state == "finished":
            made.world._progress = None
            made.world.interrupt()

    made = bench(progress=leave)
    with pytest.raises(TerraformError):
        made.apply()

    assert set(made.apply().roles) == {"reader", "shared", "bare"}


def test_two_workspaces_at_once_keep_to_their_own(
    tmp_path: Path, endpoint: str, engine_binary: Any
) -> None:
    found: dict[str, str] = {}

    def make(account: str) -> None:
        aws = Aws(
            region="eu-west-1",
            account_id=account,
            endpoint=endpoint,
            access_key_id=account,
            secret_access_key="x",
        )
        cluster = stacks.cluster("emulated")
        made = Workspace(tmp_path / account, cluster, aws=aws, engine=engine_binary)
        found[account] = made.apply({"name": f"c{account}", "run": "r1"}).account_id
        made.destroy()

    accounts = [f"{os.getpid() % 10**6:06d}9{n:05d}" for n in range(3)]
    threads = [threading.Thread(target=make, args=(account,)) for account in accounts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == {account: account for account in accounts}


def test_intent_is_on_disk_before_anything_is_made(bench: MakeBench, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.ndjson")
    seen: list[str] = []

    def look(_step: Progress) -> None:
        seen.extend(entry.name for entry in ledger.left())

    made = bench(ledger=ledger, progress=look)
    made.apply()
    assert set(seen) == {made.prefix}
    assert made.world.created == 12

    made.destroy()
    assert ledger.left() == []
    assert made.world.destroyed == 12


def test_the_embedded_provider_never_asks_the_real_aws(tmp_path: Path, engine_binary: Any) -> None:
    real = Aws(region="eu-west-1", account_id="111122223333")
    made = Workspace(tmp_path / "w", stacks.cluster("existing"), aws=real, engine=engine_binary)

    with pytest.raises(HarnessError, match="on an emulation only"):
        made.apply({"name": "stage"})


def test_an_output_that_is_not_as_agreed_is_named() -> None:
    with pytest.raises(HarnessError, match=r"output contract.schema"):
        stacks.stack("aws").parse({"contract": {"schema": 2}})
    with pytest.raises(HarnessError, match="no output 'contract'"):
        stacks.stack("aws").parse({})
