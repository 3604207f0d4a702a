"""Which policy decided, and by which of its statements, as decisions are recorded."""

from typing import Any

import pytest

from conformance.emulator.decisions import ResourcePolicy
from conformance.emulator.principals import principal
from conformance.emulator.records import IamDecision
from conformance.emulator.service import TrustRefused
from tests.emulator.conftest import Account, document

KEY = "arn:aws:s3:::data/key"


def says(effect: str, sid: str = "", **more: Any) -> dict[str, Any]:
    named = {"Sid": sid} if sid else {}
    return {"Effect": effect, "Action": "s3:*", "Resource": "*", **named, **more}


def decision(account: Account, policy: str = "", passed: str = "", **limits: Any) -> IamDecision:
    """Of a session of a role with an inline policy `own`, about an object."""
    session = account.session(account.role("r", policy, **limits), session_policy=passed or None)
    account.aws.judge(principal(account.caller(session)), "s3:GetObject", KEY)
    return account.aws.records.decisions[-1]


def told(record: IamDecision) -> tuple[str, str, str]:
    return record.decided_by, record.policy, record.sid


def test_inline_policy_is_told_by_its_name(account: Account) -> None:
    policy = document([says("Allow", "Other", Action="sqs:*"), says("Allow", "Reads")])
    assert told(decision(account, policy)) == ("identity", "own", "Reads")


def test_managed_policy_is_told_by_its_arn(account: Account) -> None:
    arn, role = account.managed("reads", document([says("Allow")])), account.role("r")
    account.ask_iam("AttachRolePolicy", RoleName="r", PolicyArn=arn)
    session = account.session(role)
    account.aws.authorize(account.caller(session), "s3:GetObject", KEY)
    assert told(account.aws.records.decisions[-1]) == ("identity", arn, "")


def test_policy_of_a_group_is_told_by_its_name(account: Account) -> None:
    account.user("jane")
    account.ask_iam("CreateGroup", GroupName="g")
    text = document([says("Allow")])
    account.ask_iam("PutGroupPolicy", GroupName="g", PolicyName="shared", PolicyDocument=text)
    account.ask_iam("AddUserToGroup", GroupName="g", UserName="jane")
    account.aws.authorize(account.user_caller("jane"), "s3:GetObject", KEY)
    assert told(account.aws.records.decisions[-1]) == ("identity", "shared", "")


@pytest.mark.parametrize("policy", ["", document([says("Allow", "Other", Action="sqs:*")])])
def test_where_nothing_allows_no_policy_is_told(account: Account, policy: str) -> None:
    assert told(decision(account, policy)) == ("identity", "", "")


def test_deny_is_told_and_not_what_it_overrides(account: Account) -> None:
    policy = document([says("Allow", "Reads"), says("Deny", "NotHere")])
    assert told(decision(account, policy)) == ("identity", "own", "NotHere")


def test_boundary_that_denies_is_told_by_its_arn(account: Account) -> None:
    allows, denies = document([says("Allow")]), document([says("Deny", "Never")])
    boundary = account.managed("boundary", denies)
    record = decision(account, allows, PermissionsBoundary=boundary)
    assert told(record) == ("boundary", boundary, "Never")


def test_session_policy_has_no_name(account: Account) -> None:
    allows, denies = document([says("Allow")]), document([says("Deny", "Never")])
    assert told(decision(account, allows, denies)) == ("session", "", "Never")


@pytest.mark.parametrize("effect", ["Allow", "Deny"])
def test_statement_of_a_resource_policy_is_told(account: Account, effect: str) -> None:
    session = account.session(account.role("r"))
    own = document([says(effect, "Ours", Principal={"AWS": session.arn})])
    who = principal(account.caller(session))
    account.aws.judge(who, "s3:GetObject", KEY, policy=ResourcePolicy(own, account.id))
    assert told(account.aws.records.decisions[-1]) == ("resource", "", "Ours")


def test_statement_of_a_trust_policy_is_told(account: Account) -> None:
    trusts = {"Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = [{"Effect": effect, "Sid": f"{effect}Pods", **trusts} for effect in ("Allow", "Deny")]
    account.session(account.role("open", trust=document(trust[:1])))
    assert told(account.aws.records.decisions[-1]) == ("trust", "", "AllowPods")
    with pytest.raises(TrustRefused):
        account.session(account.role("closed", trust=document(trust)))
    assert told(account.aws.records.decisions[-1]) == ("trust", "", "DenyPods")
