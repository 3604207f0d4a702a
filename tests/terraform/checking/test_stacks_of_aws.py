from collections.abc import Callable

import pytest

from conformance.terraform.checking.permissions import Calls, read_calls

ALL = "everything at once"


def test_the_stack_aws_keeps_the_agreement(agree: Callable[..., Calls]) -> None:
    calls = agree(
        "aws",
        untried=set(),
        # The last holds the others; a hundred associations are as good as a few.
        quick=("one association", ALL, "everything changed"),
    )

    # What `conformance requirements --iam-policy` prints was made by these calls.
    known = read_calls()
    unknown = {each for each, what in calls.items() if not known.get(each, set()) >= what}
    assert unknown == set()


@pytest.mark.long
def test_the_stack_aws6_keeps_the_agreement(agree: Callable[..., Calls]) -> None:
    agree("aws6", untried={ALL}, quick=("one association", "target roles", ALL))


@pytest.mark.long
def test_the_stack_aws5_keeps_the_agreement(agree: Callable[..., Calls]) -> None:
    agree(
        "aws5",
        untried={"target roles", ALL},
        quick=("one association", "target roles", "storage and resource policies"),
    )
