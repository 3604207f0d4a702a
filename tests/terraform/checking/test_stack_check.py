from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.contract import Contract
from conformance.environment import Aws
from conformance.terraform import stacks
from conformance.terraform.checking import check_stack
from conformance.terraform.checking.expected import Place, differences
from conformance.terraform.checking.specs import ONE
from conformance.terraform.workspace import Workspace


@pytest.fixture
def broken(tmp_path: Path) -> Callable[[str, str], str]:
    """The stack `aws` with one text in its main.tf replaced."""

    def make(text: str, by: str) -> str:
        folder = tmp_path / "broken"
        source = stacks.fixtures_folder() / "stacks" / "aws"
        folder.mkdir()
        (folder / "stack.json").write_text((source / "stack.json").read_text())
        hcl = (source / "main.tf").read_text()
        assert text in hcl
        (folder / "main.tf").write_text(hcl.replace(text, by))
        return str(folder)

    return make


def test_a_stack_that_tells_another_story_is_found_out(
    broken: Callable[[str, str], str], checked_aws: Aws, cluster: str, tmp_path: Path
) -> None:
    stack = broken("namespace            = association.namespace", 'namespace = "elsewhere"')
    workspace = Workspace(tmp_path / "w", stacks.stack(stack), aws=checked_aws)
    place = Place(checked_aws, cluster, "st-broken")

    contract = workspace.apply(place.variables(ONE))
    workspace.destroy()

    assert differences(ONE, contract, place) == [
        "contract.associations.shop/reader.namespace is 'elsewhere', not 'shop-st-broken'"
    ]


def test_a_stack_that_terraform_refuses_is_one_step_with_its_words(
    broken: Callable[[str, str], str], checked_aws: Aws, cluster: str, tmp_path: Path
) -> None:
    stack = broken("association.external_id", "association.no_such")
    steps = check_stack(stack, aws=checked_aws, cluster=cluster, folder=tmp_path / "w")

    # Terraform sees it when there is an association for the first time.
    assert (steps[-1].spec, steps[-1].what) == ("one association", "Terraform")
    assert "no_such" in steps[-1].trouble


def test_two_things_that_are_not_there_are_two_lines(checked_aws: Aws) -> None:
    place = Place(checked_aws, "c", "p")
    account = checked_aws.account_id
    kinds = ("roles", "policies", "buckets", "tables", "queues", "addons", "associations")
    told: dict[str, Any] = {
        "schema": 1,
        "account_id": account,
        "other_account_id": checked_aws.other.account_id if checked_aws.other else "",
        "region": checked_aws.region,
        "cluster": {"arn": f"arn:aws:eks:eu-west-1:{account}:cluster/c", "name": "c"},
    }
    contract = Contract.model_validate(told | {kind: {} for kind in kinds})

    assert differences(ONE, contract, place) == [
        "contract.roles.reader is missing",
        "contract.roles.writer is missing",
        "contract.buckets.data is missing",
        "contract.associations.shop/reader is missing",
    ]
