from typing import Any

import pytest

from conformance.audit import policies


def allow(**statement: Any) -> dict[str, Any]:
    return {"Statement": [{"Effect": "Allow", **statement}]}


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ({"Action": "*", "Resource": "*"}, "Action * on *"),
        ({"Action": ["s3:*"], "Resource": "arn:aws:s3:::data/*"}, "Action s3:* on"),
        ({"Action": "s3:GetObject", "Resource": "*"}, "Resource * for s3:GetObject"),
        ({"NotAction": "iam:*", "Resource": "*"}, "NotAction iam:* allows all other actions"),
    ],
)
def test_wildcard_is_told_in_words(statement: dict[str, Any], words: str) -> None:
    assert [told for told in policies.too_wide(allow(**statement)) if words in told]


@pytest.mark.parametrize(
    "statement",
    [
        {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::data/*"},
        {"Action": ["s3:ListAllMyBuckets"], "Resource": "*"},
        {"Action": "ec2:DescribeInstances", "Resource": ["*"]},
        {"Action": "s3:GetObject", "Resource": "*", "Condition": {"Bool": {"a": "true"}}},
    ],
)
def test_what_names_its_actions_is_not_too_wide(statement: dict[str, Any]) -> None:
    assert list(policies.too_wide(allow(**statement))) == []


def test_what_a_deny_takes_away_is_not_too_wide() -> None:
    document = {"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}

    assert list(policies.too_wide(document)) == []


@pytest.mark.parametrize(
    ("condition", "narrowed"),
    [
        ({"StringEquals": {"aws:RequestTag/kubernetes-namespace": "shop"}}, True),
        ({"StringLike": {"aws:requesttag/kubernetes-namespace": ["shop", "shop-*"]}}, True),
        ({"StringLike": {"aws:RequestTag/kubernetes-namespace": ["shop", "*"]}}, False),
        ({"StringEqualsIfExists": {"aws:RequestTag/kubernetes-namespace": "shop"}}, False),
        ({"StringNotEquals": {"aws:RequestTag/kubernetes-namespace": "shop"}}, False),
        ({"StringEquals": {"aws:RequestTag/kubernetes-pod-name": "shop"}}, False),
        ({}, False),
    ],
)
def test_condition_narrows_by_its_key(condition: dict[str, Any], narrowed: bool) -> None:
    statement = {"Condition": condition}

    assert policies.narrowed_by(statement, policies.NAMESPACE_KEYS) is narrowed


def test_deny_for_all_others_narrows_too() -> None:
    unless = {"StringNotEquals": {"aws:RequestTag/kubernetes-namespace": "shop"}}
    document = {"Statement": [{"Effect": "Deny", "Condition": unless}]}

    assert policies.denied_unless(document, policies.NAMESPACE_KEYS)
    assert not policies.denied_unless(document, policies.CLUSTER_KEYS)


def test_other_services_are_not_pods() -> None:
    assert not policies.trusts_pods({"Principal": {"Service": "ec2.amazonaws.com"}})
    assert policies.trusts_pods({"Principal": {"Service": ["pods.eks.amazonaws.com"]}})
    assert policies.trusts_pods({"Principal": "*"})
    assert not policies.trusts_pods({"Principal": {"AWS": "111122223333"}})
