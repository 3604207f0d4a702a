"""Who of IAM may use the Kubernetes API: entries, policies, and whose token is whose."""

import json
from typing import Any

import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.cluster.apiserver.access_policies import RULES
from conformance.emulator.eks import access_policies
from conformance.emulator.eks.token_review import AccessPolicy, Identity, TokenRefused, review
from tests.emulator.conftest import REGION, document
from tests.emulator.eks.conftest import Emulated, RunEks
from tests.emulator.eks.kubectl_tokens import ASKED, STS, in_token, of, presigned

ADMIN = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
VIEW = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"


@pytest.fixture
def with_entries(on_demo: RunEks) -> RunEks:
    """The module's cluster, which takes access entries and has none."""

    async def prepare(eks: Emulated) -> None:
        eks.record().request["accessConfig"] = {"authenticationMode": "API"}
        eks.record().access_entries.clear()

    on_demo(prepare)
    return on_demo


async def entry(eks: Emulated, principal: str, **more: Any) -> Any:
    asked = {"clusterName": "demo", "principalArn": principal, **more}
    return (await eks.ask("CreateAccessEntry", **asked))["accessEntry"]


def whose(eks: Emulated, token: str) -> Identity:
    return review(eks.aws, eks.record().arn, token)


def stranger(eks: Emulated, token: str) -> str:
    with pytest.raises(TokenRefused) as refused:
        whose(eks, token)
    return refused.value.reason


def test_entry_in_full(with_entries: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        role = eks.role("dev")
        made = await entry(eks, role, kubernetesGroups=["viewers"], tags={"a": "b"})
        assert made["username"] == (
            f"arn:aws:sts::{eks.account.id}:assumed-role/dev/{{{{SessionName}}}}"
        )
        assert (made["type"], made["kubernetesGroups"]) == ("STANDARD", ["viewers"])
        assert made["accessEntryArn"].startswith(
            f"arn:aws:eks:{REGION}:{eks.account.id}:access-entry/demo/role/{eks.account.id}/dev/"
        )
        which = {"clusterName": "demo", "principalArn": role}
        assert (await eks.ask("DescribeAccessEntry", **which))["accessEntry"] == made
        changed = await eks.ask("UpdateAccessEntry", **which, username="dev", kubernetesGroups=[])
        assert changed["accessEntry"]["username"] == "dev"
        token = which | {"clientRequestToken": "t", "username": "dev"}
        first, again = [await eks.ask("UpdateAccessEntry", **token) for _ in range(2)]
        assert again["accessEntry"] == first["accessEntry"]
        assert changed["accessEntry"]["kubernetesGroups"] == []
        tags = await eks.ask("ListTagsForResource", resourceArn=made["accessEntryArn"])
        assert tags["tags"] == {"a": "b"}
        listed = await eks.ask("ListAccessEntries", clusterName="demo")
        assert listed["accessEntries"] == [role]
        await eks.ask("DeleteAccessEntry", **which)
        refused = await eks.refused(eks.ask("DescribeAccessEntry", **which))
        assert (refused.status, refused.code) == (404, "ResourceNotFoundException")
        assert refused.message.startswith("The specified principalArn could not be found.")

    with_entries(scenario)


def test_entries_that_cannot_be(with_entries: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        role = eks.role("dev")
        here = f"arn:aws:iam::{eks.account.id}"
        cases: list[tuple[str, dict[str, Any], str]] = [
            (f"{here}:role/none", {}, "The specified principalArn is invalid: invalid principal."),
            ("no arn at all", {}, "The specified principalArn is invalid: invalid principal."),
            (f"{here}:role/aws-service-role/x/y", {}, "Service Linked Role"),
            (role, {"kubernetesGroups": ["system:masters"]}, "it cannot start with system:"),
            (role, {"username": "system:admin"}, "it cannot start with system:"),
            (role, {"username": "john{{SessionName}}"}, "must include a colon"),
            (role, {"type": "MAGIC"}, "The specified type is invalid: MAGIC"),
            (role, {"type": "EC2_LINUX", "username": "x"}, 'a type of "STANDARD"'),
        ]
        for principal, more, text in cases:
            refused = await eks.refused(entry(eks, principal, **more))
            assert (refused.status, refused.code) == (400, "InvalidParameterException")
            assert text in refused.message
        await entry(eks, role)
        refused = await eks.refused(entry(eks, role))
        assert (refused.status, refused.message) == (
            409,
            "The specified access entry resource is already in use on this cluster.",
        )

    with_entries(scenario)


def test_entries_need_an_authentication_mode(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        eks.record().request.pop("accessConfig", None)
        refused = await eks.refused(eks.ask("ListAccessEntries", clusterName="demo"))
        assert (refused.status, refused.code) == (400, "InvalidRequestException")
        assert refused.message == (
            "The cluster's authentication mode must be set to one of "
            "[API, API_AND_CONFIG_MAP] to perform this operation."
        )

    on_demo(scenario)


def test_policies_come_scoped_and_go(with_entries: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        which = {"clusterName": "demo", "principalArn": eks.role("dev")}
        await entry(eks, which["principalArn"])
        scope = {"type": "namespace", "namespaces": ["dev-*", "prod"]}
        await eks.ask("AssociateAccessPolicy", **which, policyArn=VIEW, accessScope=scope)
        await eks.ask(
            "AssociateAccessPolicy", **which, policyArn=ADMIN, accessScope={"type": "cluster"}
        )
        told = await eks.ask("ListAssociatedAccessPolicies", **which)
        assert [one["policyArn"] for one in told["associatedAccessPolicies"]] == [ADMIN, VIEW]
        assert told["associatedAccessPolicies"][1]["accessScope"] == scope
        scope = {"type": "cluster"}
        await eks.ask("AssociateAccessPolicy", **which, policyArn=VIEW, accessScope=scope)
        told = await eks.ask("ListAssociatedAccessPolicies", **which)
        assert told["associatedAccessPolicies"][1]["accessScope"]["namespaces"] == []
        for policy, found in ((ADMIN, [which["principalArn"]]), (f"{ADMIN}x", [])):
            listed = await eks.ask(
                "ListAccessEntries", clusterName="demo", associatedPolicyArn=policy
            )
            assert listed["accessEntries"] == found
        await eks.ask("DisassociateAccessPolicy", **which, policyArn=VIEW)
        refused = await eks.refused(eks.ask("DisassociateAccessPolicy", **which, policyArn=VIEW))
        assert refused.code == "ResourceNotFoundException"
        for bad in (
            {"policyArn": f"{ADMIN}x", "accessScope": {"type": "cluster"}},
            {"policyArn": VIEW, "accessScope": {"type": "namespace"}},
            {"policyArn": VIEW, "accessScope": {"type": "cluster", "namespaces": ["x"]}},
            {"policyArn": VIEW, "accessScope": {"type": "namespace", "namespaces": ["X!"]}},
        ):
            refused = await eks.refused(eks.ask("AssociateAccessPolicy", **which, **bad))
            assert refused.code == "InvalidParameterException"

    with_entries(scenario)


def test_policies_are_for_people_only(with_entries: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        role = eks.role("node", "ec2.amazonaws.com")
        made = await entry(eks, role, type="EC2_LINUX")
        assert made["username"] == "system:node:{{EC2PrivateDNSName}}"
        which = {"clusterName": "demo", "principalArn": role, "policyArn": VIEW}
        call = eks.ask("AssociateAccessPolicy", **which, accessScope={"type": "cluster"})
        assert (await eks.refused(call)).message == (
            'This operation can only be performed on Access Entries with a type of "STANDARD".'
        )

    with_entries(scenario)


def test_every_policy_has_rules_and_a_name(with_entries: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        told = await eks.ask("ListAccessPolicies")
        assert {policy["name"] for policy in told["accessPolicies"]} == set(RULES)
        assert told["accessPolicies"][2] == {"name": ADMIN.rpartition("/")[2], "arn": ADMIN}

    with_entries(scenario)
    assert access_policies.arn("cn-north-1", "X").startswith("arn:aws-cn:eks::aws:")


def test_permission_may_depend_on_principal_and_policy(with_entries: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        dev, ops = eks.role("dev"), eks.role("ops")
        only = {"ArnEquals": {"eks:principalArn": dev}, "StringEquals": {"eks:policyArn": VIEW}}
        caller = eks.caller(
            "granter",
            {
                "Effect": "Allow",
                "Action": "eks:AssociateAccessPolicy",
                "Resource": f"arn:aws:eks:{REGION}:{eks.account.id}:access-entry/demo/role/*",
                "Condition": only,
            },
        )
        for principal, policy, allowed in ((dev, VIEW, 1), (dev, ADMIN, 0), (ops, VIEW, 0)):
            if principal not in eks.record().access_entries:
                await entry(eks, principal)
            which = {"clusterName": "demo", "principalArn": principal, "policyArn": policy}
            call = eks.ask(
                "AssociateAccessPolicy", caller, **which, accessScope={"type": "cluster"}
            )
            if allowed:
                await call
            else:
                assert (await eks.refused(call)).code == "AccessDeniedException"

    with_entries(scenario)


def test_session_of_a_role_is_the_entrys_user(with_entries: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        role = eks.role("dev")
        await entry(eks, role, kubernetesGroups=["viewers"])
        scope = {"type": "namespace", "namespaces": ["dev-*"]}
        which = {"clusterName": "demo", "principalArn": role, "policyArn": VIEW}
        await eks.ask("AssociateAccessPolicy", **which, accessScope=scope)
        session = eks.account.session(role, "jo@example.com")
        found = whose(eks, in_token(presigned(of(session))))
        assert found.username == (f"arn:aws:sts::{eks.account.id}:assumed-role/dev/jo-example.com")
        assert found.groups == ("viewers", "system:authenticated")
        assert found.policies == (AccessPolicy("AmazonEKSViewPolicy", ("dev-*",)),)
        unique_id = session.assumed_role_id.partition(":")[0]
        assert found.uid == f"aws-iam-authenticator:{eks.account.id}:{unique_id}"
        assert found.extra["arn"] == [session.arn]
        assert found.extra["canonicalArn"] == [role]
        assert found.extra["sessionName"] == ["jo@example.com"]
        update = {"clusterName": "demo", "principalArn": role}
        await eks.ask("UpdateAccessEntry", **update, username="x:{{SessionNameRaw}}")
        assert whose(eks, in_token(presigned(of(session)))).username == "x:jo@example.com"
        await eks.ask("DeleteAccessEntry", **update)
        assert "has no access entry" in stranger(eks, in_token(presigned(of(session))))

    with_entries(scenario)


def test_role_with_a_path_is_found_by_its_session(with_entries: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        trust = {"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}}
        statement = {**trust, "Action": ["sts:AssumeRole", "sts:TagSession"]}
        role = eks.account.role("deep", trust=document([statement]), Path="/team/a/")
        assert "/team/a/" in role
        made = await entry(eks, role)
        assert "/team/" not in made["username"]
        assert whose(eks, in_token(presigned(of(eks.account.session(role)))))

    with_entries(scenario)


def test_role_that_was_made_again_is_somebody_else(with_entries: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        role = eks.role("phoenix")
        await entry(eks, role)
        assert whose(eks, in_token(presigned(of(eks.account.session(role)))))
        eks.account.ask_iam("DeleteRole", RoleName="phoenix")
        del eks.roles["phoenix"]
        assert eks.role("phoenix") == role
        reason = stranger(eks, in_token(presigned(of(eks.account.session(role)))))
        assert "has no access entry" in reason

    with_entries(scenario)


def test_creator_is_administrator_unless_asked_otherwise(run_eks: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        key, secret = eks.aws.mint.root(eks.account.id)
        token = in_token(presigned(Credentials(key, secret)))
        plain = {"authenticationMode": "CONFIG_MAP"}
        refused = await eks.refused(
            eks.cluster(accessConfig={**plain, "bootstrapClusterCreatorAdminPermissions": False})
        )
        assert "must be true" in refused.message
        await eks.cluster()
        assert whose(eks, token).groups == ("system:masters", "system:authenticated")
        for mode, text in (("API", "from CONFIG_MAP to API"), ("CONFIG_MAP", "to CONFIG_MAP")):
            call = eks.ask(
                "UpdateClusterConfig", name="demo", accessConfig={"authenticationMode": mode}
            )
            assert text in (await eks.refused(call)).message
        for mode in ("API_AND_CONFIG_MAP", "API"):
            await eks.ask(
                "UpdateClusterConfig", name="demo", accessConfig={"authenticationMode": mode}
            )
            found = whose(eks, token)
            assert found.policies == (AccessPolicy("AmazonEKSClusterAdminPolicy"),)
            assert found.groups == ("system:authenticated",)
        root = f"arn:aws:iam::{eks.account.id}:root"
        await eks.ask("DeleteAccessEntry", clusterName="demo", principalArn=root)
        assert "has no access entry" in stranger(eks, token)

    run_eks(scenario)


def test_nobody_is_administrator_without_bootstrap(run_eks: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        access = {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False}
        cluster = await eks.cluster(accessConfig=access)
        assert cluster["accessConfig"] == {"authenticationMode": "API"}
        assert eks.record().access_entries == {}
        await eks.ask(
            "CreateNodegroup",
            clusterName="demo",
            nodegroupName="nodes",
            nodeRole=eks.role("node", "ec2.amazonaws.com"),
            subnets=["subnet-1"],
        )
        [made] = eks.record().access_entries.values()
        assert (made.type, made.principal.arn) == ("EC2_LINUX", eks.role("node"))

    run_eks(scenario)


def test_tokens_that_are_not_good(with_entries: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        role = eks.role("dev")
        await entry(eks, role)
        mine = of(eks.account.session(role))
        good = presigned(mine)
        assert whose(eks, in_token(good))
        assert whose(eks, in_token(presigned(mine, url="http://127.0.0.1:4566/")))
        assert whose(eks, in_token(presigned(mine, url="https://sts.amazonaws.com/")))
        forged = Credentials(mine.access_key, "x" * 40, mine.token)
        unsigned = AWSRequest("GET", f"{STS}?{ASKED}")
        SigV4QueryAuth(mine, "sts", REGION, expires=60).add_auth(unsigned)
        cases = {
            "STS refuses it: SignatureDoesNotMatch": [
                in_token(presigned(mine, cluster="other")),
                in_token(presigned(forged)),
                in_token(good.replace("sts.eu-west-1.", "sts.eu-west-2.")),
            ],
            "STS refuses it: UnrecognizedClientException": [
                in_token(presigned(Credentials("AKIAEXAMPLE", "x"))),
            ],
            "its URL is not one of STS": [
                in_token(good.replace("https:", "http:")),
                in_token(presigned(mine, url="https://sts.eu-west-1.amazonaws.com.evil.test/")),
                in_token(presigned(mine, url="https://evil.test/sts.amazonaws.com/")),
            ],
            "unexpected path in its URL": [in_token(presigned(mine, url=f"{STS}x"))],
            "its URL is not one of GetCallerIdentity": [
                in_token(presigned(mine, asked="Action=GetSessionToken&Version=2011-06-15")),
                in_token(presigned(mine, asked="Version=2011-06-15")),
            ],
            "its URL has a query parameter that is not allowed": [
                in_token(presigned(mine, asked=f"{ASKED}&more=1")),
            ],
            "a query parameter of its URL is there twice": [
                in_token(f"{good}&action=AssumeRole"),
            ],
            "the header x-k8s-aws-id is not signed": [in_token(str(unsigned.url))],
            "its X-Amz-Expires is not one of 0 to 900": [in_token(presigned(mine, expires=901))],
            "it is too large": ["k8s-aws-v1." + "A" * 5000],
            "it does not begin with k8s-aws-v1.": ["k8s-aws-v2.AAAA", ""],
            "there is no URL in it": ["k8s-aws-v1.#", "k8s-aws-v1.gIA", "k8s-aws-v1.YQ==="],
        }
        for reason, tokens in cases.items():
            for token in tokens:
                assert stranger(eks, token) == reason
        with pytest.raises(TokenRefused, match="no such cluster"):
            review(eks.aws, "arn:aws:eks:eu-west-1:1:cluster/none", in_token(good))

    with_entries(scenario)


def test_token_lives_a_quarter_of_an_hour_whatever_it_says(
    with_entries: RunEks, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(eks: Emulated) -> None:
        from datetime import UTC, datetime, timedelta  # noqa: PLC0415 -- used here only

        role = eks.role("dev")
        await entry(eks, role)
        mine = of(eks.account.session(role))
        for ago, good in ((0, True), (14, True), (16, False)):
            then = datetime.now(UTC) - timedelta(minutes=ago)
            monkeypatch.setattr("botocore.auth.get_current_datetime", lambda t=then: t)
            token = in_token(presigned(mine, expires=60))
            monkeypatch.undo()
            if good:
                assert whose(eks, token)
            else:
                assert stranger(eks, token) == "STS refuses it: RequestExpired"

    with_entries(scenario)


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=200) | st.binary(max_size=200).map(lambda b: b.decode("latin-1")))
def test_generated_tokens_are_refused(in_process: Any, text: str) -> None:
    for token in (text, f"k8s-aws-v1.{text}", in_token(f"{STS}{text}")):
        with pytest.raises(TokenRefused):
            review(in_process, "arn:none", token)


def test_reasons_hold_no_token(with_entries: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        session = eks.account.session(eks.role("dev"))
        token = in_token(presigned(of(session)))
        reason = stranger(eks, token)
        told = json.dumps([reason, repr(session)])
        for secret in (token, session.session_token, session.secret_access_key):
            assert secret not in told

    with_entries(scenario)
