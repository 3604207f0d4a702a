from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.environment import Aws
from conformance.spec import (
    Addon,
    Association,
    Bucket,
    Condition,
    Queue,
    ResourceStatement,
    Role,
    Spec,
    Statement,
    Table,
    Trust,
)
from conformance.terraform import stacks
from conformance.terraform.checking import check_stack
from conformance.terraform.checking.behind import Behind
from conformance.terraform.checking.expected import Place, differences
from conformance.terraform.checking.realised import unlike
from conformance.terraform.workspace import Workspace

READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
READ = Statement(actions=("s3:GetObject",), resources=("bucket:data/*",))
IN_SHOP = Condition(
    test="StringEquals",
    variable="aws:RequestTag/kubernetes-namespace",
    values=("{namespace:shop}",),
)
SPEC = Spec(
    roles=(
        Role(
            name="reader",
            statements=(READ,),
            managed_policies=(READ_ONLY,),
            trust=(Trust(conditions=(IN_SHOP,)),),
        ),
        Role(name="second", tags={"team": "a"}),
    ),
    buckets=(
        Bucket(
            name="data",
            objects={"hello.txt": "hello"},
            statements=(ResourceStatement(actions=("s3:GetObject",), roles=("reader",)),),
        ),
    ),
    tables=(Table(name="orders", indexes={"by-customer": "customer"}),),
    queues=(Queue(name="jobs", visibility_seconds=5),),
    addons=(Addon(name="vpc-cni", associations={"aws-node": "second"}),),
    associations=(
        Association(
            namespace="shop",
            service_account="reader",
            role="reader",
            target_role="second",
            disable_session_tags=True,
            policy=(READ,),
        ),
    ),
)

# Each overrides what the stack `aws` says; its Contract and its second plan are as agreed.
TAGS = """
resource "aws_iam_role" "this" { tags = each.value.tags }
resource "aws_s3_bucket" "this" { tags = {} }
resource "aws_sqs_queue" "this" { tags = {} }
resource "aws_dynamodb_table" "this" { tags = {} }
resource "aws_eks_addon" "this" { tags = {} }
resource "aws_eks_pod_identity_association" "this" { tags = {} }
"""
POLICIES = """
resource "aws_iam_role" "this" {
  assume_role_policy = data.aws_iam_policy_document.this["trust:second"].json
}
resource "aws_iam_role_policy" "this" { for_each = {} }
resource "aws_iam_role_policy_attachment" "this" { for_each = {} }
resource "aws_s3_bucket_policy" "this" { for_each = {} }
resource "aws_eks_pod_identity_association" "this" { policy = null }
"""
CONTENTS = """
resource "aws_s3_object" "this" { content = "something else" }
resource "aws_sqs_queue" "this" { visibility_timeout_seconds = 30 }
resource "aws_iam_policy" "mine" {
  name   = "${var.spec.prefix}-mine"
  policy = data.aws_iam_policy_document.this["role:reader"].json
}
"""


@pytest.fixture
def broken(tmp_path: Path) -> Callable[[str], str]:
    """The stack `aws`, with a file of Terraform's that overrides parts of it."""

    def make(hcl: str) -> str:
        folder, source = tmp_path / "broken", stacks.fixtures_folder() / "stacks" / "aws"
        folder.mkdir()
        for name in ("stack.json", "main.tf"):
            (folder / name).write_text((source / name).read_text())
        mine, _, added = hcl.partition('resource "aws_iam_policy" "mine"')
        (folder / "broken_override.tf").write_text(mine)
        if added:
            (folder / "added.tf").write_text(f'resource "aws_iam_policy" "mine"{added}')
        return str(folder)

    return make


def found(stack: str, aws: Aws, cluster: str, folder: Path) -> list[str]:
    workspace = Workspace(folder, stacks.stack(stack), aws=aws)
    place = Place(aws, cluster, "real")
    try:
        contract = workspace.apply(place.variables(SPEC))
        assert differences(SPEC, contract, place) == []
        return unlike(SPEC, place, Behind(aws))
    finally:
        workspace.destroy()


@pytest.mark.long
def test_tags_that_are_left_out_are_found_out(
    broken: Callable[[str], str], checked_aws: Aws, cluster: str, tmp_path: Path
) -> None:
    untagged = ("addons.vpc-cni", "associations.shop/reader", "buckets.data", "queues.jobs")
    assert sorted(found(broken(TAGS), checked_aws, cluster, tmp_path / "w")) == [
        f"{thing}, tag 'conformance:run': AWS has None, not 'checked'"
        for thing in (*untagged, "roles.reader", "roles.second", "tables.orders")
    ]


def test_policies_that_are_left_out_are_found_out(
    broken: Callable[[str], str], checked_aws: Aws, cluster: str, tmp_path: Path
) -> None:
    account, pods = checked_aws.account_id, "to pods.eks.amazonaws.com"
    shop = " if StringEquals aws:RequestTag/kubernetes-namespace shop-real"
    actions = ("sts:AssumeRole", "sts:TagSession")
    read = "Allow s3:GetObject on arn:aws:s3:::real-data/*"
    reader = f"arn:aws:iam::{account}:role/real-reader"
    assert sorted(found(broken(POLICIES), checked_aws, cluster, tmp_path / "w")) == sorted(
        [
            f"associations.shop/reader, policy: lacks {read}",
            f"buckets.data, policy: lacks {read} to {reader}",
            f"buckets.data, policy: lacks {read.removesuffix('/*')} to {reader}",
            f"roles.reader, permissions: lacks {read}",
            f"roles.reader, policies: lacks {READ_ONLY}",
            *(f"roles.reader, trust policy: lacks Allow {each} {pods}{shop}" for each in actions),
            *(f"roles.reader, trust policy: has besides Allow {each} {pods}" for each in actions),
        ]
    )


def test_other_contents_are_found_out_and_so_is_what_was_made_besides(
    broken: Callable[[str], str], checked_aws: Aws, cluster: str, tmp_path: Path
) -> None:
    assert sorted(found(broken(CONTENTS), checked_aws, cluster, tmp_path / "w")) == [
        "buckets.data, object 'hello.txt': AWS has 'something else', not 'hello'",
        "policies.mine, tag 'conformance:run': AWS has None, not 'checked'",
        "queues.jobs, visibility: AWS has '30', not '5'",
    ]


@pytest.mark.long
def test_it_is_a_step_of_the_check(
    broken: Callable[[str], str], checked_aws: Aws, cluster: str, tmp_path: Path
) -> None:
    steps = check_stack(
        broken(TAGS),
        aws=checked_aws,
        cluster=cluster,
        folder=tmp_path / "w",
        prefix="pi-real",
        specs={"smallest": Spec(roles=(Role(name="alone"),))},
    )
    (step,) = [step for step in steps if step.trouble]
    assert (step.spec, step.what) == ("smallest", "as AWS has it")
    assert step.trouble.startswith("roles.alone, tag 'conformance:run'")
