from typing import Any

import pytest

from conformance.terraform.checking.documents import document, sayings

ACCOUNT = "arn:aws:iam::111122223333:root"


def statement(**members: Any) -> dict[str, Any]:
    return {"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", **members}}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (statement(Action=["a:B", "a:C"]), {"Statement": [
            statement(Action="a:C")["Statement"], statement(Action=["a:B"])["Statement"]]}),
        (statement(Principal={"AWS": "111122223333"}), statement(Principal={"AWS": [ACCOUNT]})),
        (statement(Principal="*"), statement(Principal={"AWS": "*"})),
        (statement(Condition={"Bool": {"a:b": ["x", "y"]}}),
         statement(Condition={"Bool": {"a:b": ["y", "x"]}})),
    ],
)  # fmt: skip
def test_what_says_the_same_is_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert sayings(one) == sayings(other)


@pytest.mark.parametrize(
    "members",
    [
        {"Effect": "Deny"},
        {"Action": "s3:*"},
        {"Resource": ["*", "arn:aws:s3:::b"]},
        {"Principal": {"Service": "pods.eks.amazonaws.com"}},
        {"Condition": {"Bool": {"a:b": "true"}}},
        {"NotPrincipal": {"AWS": "*"}},
    ],
)
def test_what_says_something_else_is_not(members: dict[str, Any]) -> None:
    assert sayings(statement(**members)) != sayings(statement())


def test_what_is_not_meant_is_not_what_is() -> None:
    without = {"Statement": [{"Effect": "Allow", "NotAction": "s3:GetObject", "Resource": "*"}]}
    assert sayings(without) == {"Allow anything but s3:GetObject on *"}


def test_a_saying_is_a_line_for_people() -> None:
    asked = {"effect": "Deny", "actions": ["a:B"], "resources": ["x"], "principals": "*"}
    both = {"test": "ArnLike", "variable": "aws:SourceArn"}
    made = document([{**asked, "conditions": [{**both, "values": [v]} for v in ("p", "q")]}])
    assert sayings(made) == {"Deny a:B on x to * if ArnLike aws:SourceArn p, q"}


def test_no_document_says_nothing() -> None:
    assert sayings(None) == sayings("") == sayings(document([])) == frozenset()
