import json
from typing import Any

import pytest

SERVICE = "ec2.amazonaws.com"


def _trust(**statement: Any) -> str:
    usual = {"Effect": "Allow", "Principal": {"Service": SERVICE}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [usual | statement]})


def test_caller_identity_needs_no_policy(wire: Any) -> None:
    told = wire.client("sts", wire.node_session("sts-me", [])).get_caller_identity()
    account = wire.launched.aws.account_id
    assert told["Arn"] == f"arn:aws:sts::{account}:assumed-role/sts-me/i-sts-me"
    assert told["Account"] == account


def test_root_may_not_assume_roles(wire: Any) -> None:
    arn = wire.role("sts-root", [], SERVICE)
    told = wire.refused(wire.client("sts").assume_role, RoleArn=arn, RoleSessionName="x1")
    assert told == ("AccessDenied", 403, "Roles may not be assumed by root accounts.")


def test_refused_trust_is_403_with_stss_text(wire: Any) -> None:
    arn = wire.role("sts-target", [], SERVICE)
    statements = [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}]
    session = wire.client("sts", wire.node_session("sts-source", statements))
    code, status, text = wire.refused(session.assume_role, RoleArn=arn, RoleSessionName="x1")
    assert (code, status) == ("AccessDenied", 403)
    assert text.endswith(f"is not authorized to perform: sts:AssumeRole on resource: {arn}")


def test_assume_role_answers_what_the_sdk_reads(wire: Any) -> None:
    iam, account = wire.client("iam"), wire.launched.aws.account_id
    arn = iam.create_role(
        RoleName="sts-answer",
        AssumeRolePolicyDocument=_trust(
            Principal={"AWS": account}, Action=["sts:AssumeRole", "sts:TagSession"]
        ),
    )["Role"]["Arn"]
    statements = [{"Effect": "Allow", "Action": "sts:*", "Resource": "*"}]
    session = wire.client("sts", wire.node_session("sts-caller", statements))
    told = session.assume_role(
        RoleArn=arn, RoleSessionName="x1", Tags=[{"Key": "team", "Value": "a b"}]
    )
    assert told["AssumedRoleUser"]["Arn"].endswith(":assumed-role/sts-answer/x1")
    assert told["PackedPolicySize"] == 2
    me = wire.client("sts", told["Credentials"]).get_caller_identity()
    assert me["Arn"] == told["AssumedRoleUser"]["Arn"]


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ("{", "This policy contains invalid Json"),
        ("{}", "Syntax errors in policy."),
        (_trust(Effect="Maybe"), "Syntax errors in policy."),
        (_trust(Resource="*"), "Has prohibited field Resource"),
        (_trust(Action="s3:GetObject"), "AssumeRole policy may only specify STS AssumeRole"),
        (_trust(Principal={"AWS": "arn:aws:iam::000000000000:role/nobody"}), "Invalid principal"),
        (_trust(Principal={"AWS": "no-arn"}), 'Invalid principal in policy: "AWS":"no-arn"'),
        (
            _trust(Principal={"Service": "pod.eks.amazonaws.com"}),
            'Invalid principal in policy: "SERVICE":"pod.eks.amazonaws.com"',
        ),
        (_trust(Principal={"Service": "pods.eks"}), "Invalid principal in policy"),
    ],
)
def test_role_with_a_trust_policy_that_is_none_is_refused(
    wire: Any, document: str, text: str
) -> None:
    code, status, message = wire.refused(
        wire.client("iam").create_role, RoleName="iam-bad", AssumeRolePolicyDocument=document
    )
    assert (code, status) == ("MalformedPolicyDocument", 400)
    assert text in message


@pytest.mark.parametrize(
    "service",
    [
        "pods.eks.amazonaws.com",
        "eks.amazonaws.com",
        "ec2.amazonaws.com",
        "ec2.amazonaws.com.cn",
        "ecs-tasks.amazonaws.com",
        "eks-fargate-pods.amazonaws.com",
        "vpc-flow-logs.amazonaws.com",
        "logs.eu-west-1.amazonaws.com",
        "dynamodb.application-autoscaling.amazonaws.com",
        "sagemaker.amazonaws.com",
        "scheduler.amazonaws.com",
    ],
)
def test_service_principals_of_every_form_are_known(service: str) -> None:
    from conformance.emulator.corrections.policy_mistakes import (  # noqa: PLC0415 -- after prepare
        known_service,
    )

    assert known_service(service)


def test_longest_session_is_twelve_hours(wire: Any) -> None:
    told = wire.refused(
        wire.client("iam").create_role,
        RoleName="iam-long",
        AssumeRolePolicyDocument=_trust(),
        MaxSessionDuration=50000,
    )
    assert told[:2] == ("ValidationError", 400)


@pytest.mark.parametrize(
    ("operation", "kind", "parameters"),
    [
        ("create_policy", "policy", {"PolicyName": "made", "PolicyDocument": "{}"}),
        ("create_role", "role", {"RoleName": "made", "AssumeRolePolicyDocument": "{}"}),
    ],
)
def test_creation_is_about_what_is_created(
    operation: str, kind: str, parameters: dict[str, str], wire: Any
) -> None:
    session = wire.client("iam", wire.node_session(f"iam-creates-{kind}", []))
    text = wire.refused(getattr(session, operation), Path="/team/", **parameters)[-1]

    assert f":{kind}/team/made because no identity-based policy" in text


def test_denied_iam_names_the_role_with_its_path(wire: Any) -> None:
    iam = wire.client("iam")
    arn = iam.create_role(RoleName="iam-path", Path="/team/", AssumeRolePolicyDocument=_trust())[
        "Role"
    ]["Arn"]
    session = wire.client("iam", wire.node_session("iam-none", []))
    code, status, text = wire.refused(session.get_role, RoleName="iam-path")
    assert (code, status) == ("AccessDenied", 403)
    assert f"iam:GetRole on resource: {arn} because no identity-based policy" in text


@pytest.mark.parametrize(
    "name",
    [
        "AmazonEKSWorkerNodePolicy",
        "AmazonEC2ContainerRegistryReadOnly",
        "AmazonEC2ContainerRegistryPullOnly",
        "AmazonEKS_CNI_Policy",
    ],
)
def test_policies_of_node_roles_exist(wire: Any, name: str) -> None:
    assert wire.client("iam").get_policy(PolicyArn=f"arn:aws:iam::aws:policy/{name}")


def test_scp_binds_a_member_account(in_process: Any, new_account: Any) -> None:
    from ministack.core.responses import request_scope  # noqa: PLC0415 -- after prepare
    from ministack.services import organizations  # noqa: PLC0415 -- after prepare

    from conformance.emulator.organizations import service_control_policies  # noqa: PLC0415

    management = new_account()
    with request_scope(management.id, "eu-west-1"):
        made = organizations._create_account({"Email": "a@b", "AccountName": "member"})
        member = json.loads(made[2])["CreateAccountStatus"]["AccountId"]
        policy = organizations._create_policy(
            {
                "Name": "no-s3",
                "Type": "SERVICE_CONTROL_POLICY",
                "Description": "",
                "Content": json.dumps(
                    {
                        "Version": "2012-10-17",
                        "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}],
                    }
                ),
            }
        )
        policy_id = json.loads(policy[2])["Policy"]["PolicySummary"]["Id"]
        organizations._attach_policy({"PolicyId": policy_id, "TargetId": member})
    levels = list(service_control_policies(member))
    assert len(levels) == 2
    assert {s.policy: s.denies for level in levels for s in level} == {
        "FullAWSAccess": False,
        "no-s3": True,
    }
    assert list(service_control_policies(management.id)) == []
