from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.environment import Aws
from conformance.terraform.checking import check_stack
from conformance.terraform.checking.permissions import Calls

pytestmark = pytest.mark.long

MODULE = Path(__file__).parents[1] / "stand_ins" / "eks-pod-identity"


def test_the_stack_awscc_keeps_the_agreement(agree: Callable[..., Calls]) -> None:
    agree("awscc", untried=set(), quick=("one association", "everything at once"))


def test_the_stack_module_keeps_the_agreement(agree: Callable[..., Calls]) -> None:
    agree(
        f"module={MODULE}",
        untried={"trust policies", "everything at once"},
        quick=("one association", "target roles", "trust policies"),
        role_update=False,
    )


def test_the_stack_brownfield_reads_what_another_stack_made(
    chosen: Callable[..., Any], checked_aws: Aws, cluster: str, tmp_path: Path
) -> None:
    # Between them they have one of everything to read, but for a second account.
    specs = chosen("storage and resource policies", "target roles", "names at their limits")
    steps = check_stack(
        "brownfield", aws=checked_aws, cluster=cluster, folder=tmp_path / "w", specs=specs
    )

    assert [step for step in steps if step.trouble] == []
    read = {step.spec for step in steps if step.what == "nothing made"}
    assert read == set(specs) - {"a second account", "everything at once"}
