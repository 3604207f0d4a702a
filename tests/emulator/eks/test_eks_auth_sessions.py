"""What becomes of a believed token: the names, limits and conditions of the session."""

import itertools
import re
import time
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from ministack.core.responses import request_scope
from ministack.services import organizations

from conformance.emulator import eks_auth
from conformance.emulator.service import Caller
from conformance.emulator.session_rules import Wanted, check
from tests.emulator.conftest import REGION, Account, document
from tests.emulator.eks.conftest import Emulated, RunEks

ACTIONS = ["sts:AssumeRole", "sts:TagSession"]
PODS = {"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": ACTIONS}
UNAUTHORIZED = (
    "Unauthorized Exception! EKS does not have permissions to assume the associated role."
)
_NUMBERS = itertools.count(1)

CLUSTERS = st.from_regex(r"[0-9A-Za-z][A-Za-z0-9\-_]{0,99}", fullmatch=True)
PODS_NAMED = st.from_regex(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?", fullmatch=True)


@given(cluster=CLUSTERS, pod=PODS_NAMED)
def test_every_session_name_is_one_that_sts_takes(cluster: str, pod: str) -> None:
    name = eks_auth.session_name(cluster, pod)
    check(Wanted(role_arn="arn:aws:iam::1:role/r", session_name=name, duration_seconds=900))
    assert name.startswith(f"eks-{cluster[:10]}-{pod[:10]}-")
    assert re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", name[-36:])


def _role(account: Account, *trust: dict[str, Any], policy: dict[str, Any] | None = None) -> str:
    allowed = document([policy]) if policy else ""
    return account.role(f"role-{next(_NUMBERS)}", allowed, document(list(trust)))


def _may_assume(arn: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "sts:*", "Resource": arn}


def test_trust_policy_may_ask_for_the_organization(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        management = f"{next(_NUMBERS) + 810_000_000_000}"
        with request_scope(management, REGION):
            organizations._ensure_org()
            organization = organizations._orgs["self"]["Id"]
        asks = {"Condition": {"StringEquals": {"aws:SourceOrgId": organization}}}
        await eks.associate(roleArn=_role(eks.account, PODS | asks))
        assert (await eks.refused(eks.assume(eks.token()))).message == UNAUTHORIZED
        with request_scope(management, REGION):
            organizations._accounts[eks.account.id] = {"Id": eks.account.id}
            everything = {"PolicyId": organizations.FULL_ACCESS_POLICY_ID}
            organizations._attach_policy({**everything, "TargetId": eks.account.id})
        try:
            await eks.assume(eks.token())
        finally:
            with request_scope(management, REGION):
                del organizations._accounts[eks.account.id]

    on_demo(scenario)


def test_target_role_in_another_account(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        other = Account(f"{next(_NUMBERS) + 820_000_000_000}", eks.aws)
        base = _role(eks.account, PODS, policy=_may_assume("*"))
        external = f"{REGION}/{eks.account.id}/demo/dev/app"
        trust = {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{eks.account.id}:root"},
            "Action": ACTIONS,
            "Condition": {
                "ArnEquals": {"aws:PrincipalArn": base},
                "StringEquals": {"sts:ExternalId": external},
            },
        }
        target = _role(other, trust)
        made = await eks.associate(roleArn=base, targetRoleArn=target)
        assert made["externalId"] == external
        began = time.time()
        answer = await eks.assume(eks.token())
        user = answer["assumedRoleUser"]["arn"].split(":")
        assert (user[4], user[5].split("/")[1]) == (other.id, target.rpartition("/")[2])
        assert 3590 < answer["credentials"]["expiration"].timestamp() - began < 3605
        first, second = list(eks.aws.records.sessions)[-2:]
        assert (first.role_arn, second.role_arn) == (base, target)
        assert second.source.startswith(f"arn:aws:sts::{eks.account.id}:assumed-role/")
        assert dict(second.tags)["kubernetes-namespace"] == "dev"
        # Shorter lives stay as they are asked for.
        await eks.aws.set_behaviour({"credential_seconds": 30})
        answer = await eks.assume(eks.token())
        assert answer["credentials"]["expiration"].timestamp() - time.time() < 31

    on_demo(scenario)


def test_target_role_without_tags_knows_who_comes_by_external_id(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        untagged = PODS | {"Action": "sts:AssumeRole"}
        base = _role(eks.account, untagged, policy=_may_assume("*"))
        external = f"{REGION}/{eks.account.id}/demo/prod/app"
        trust = {
            "Effect": "Allow",
            "Principal": {"AWS": base},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": external}},
        }
        target = _role(eks.account, trust)
        for namespace, allowed in (("prod", True), ("dev", False)):
            await eks.associate(
                namespace, roleArn=base, targetRoleArn=target, disableSessionTags=True
            )
            call = eks.assume(eks.token(namespace))
            if allowed:
                await call
                assert eks.aws.records.sessions[-1].tags == ()
            else:
                refused = await eks.refused(call)
                assert (refused.status, refused.message) == (400, UNAUTHORIZED)

    on_demo(scenario)


def test_policy_narrows_the_target_role_and_not_the_way_to_it(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        base = _role(eks.account, PODS, policy=_may_assume("*"))
        trust = {"Effect": "Allow", "Principal": {"AWS": base}, "Action": ACTIONS}
        reads = {"Effect": "Allow", "Action": "eks:*", "Resource": "*"}
        target = _role(eks.account, trust, policy=reads)
        policy = document([reads | {"Action": "eks:ListClusters"}])
        await eks.associate(
            roleArn=base, targetRoleArn=target, policy=policy, disableSessionTags=True
        )
        answer = await eks.assume(eks.token())
        user, key = answer["assumedRoleUser"], answer["credentials"]["accessKeyId"]
        pod = Caller(eks.account.id, user["arn"], user["assumeRoleId"], "AssumedRole", key)
        assert (await eks.ask("ListClusters", pod))["clusters"] == ["demo"]
        refused = await eks.refused(eks.ask("DescribeCluster", pod, name="demo"))
        assert "because no session policy allows" in refused.message

    on_demo(scenario)


def test_base_role_must_be_allowed_to_assume_the_target(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        other = Account(f"{next(_NUMBERS) + 830_000_000_000}", eks.aws)
        base = _role(eks.account, PODS)
        trust = {"Effect": "Allow", "Principal": {"AWS": base}, "Action": ACTIONS}
        await eks.associate(roleArn=base, targetRoleArn=_role(other, trust))
        refused = await eks.refused(eks.assume(eks.token()))
        assert (refused.status, refused.code) == (400, "AccessDeniedException")

    on_demo(scenario)


def test_session_policy_that_does_not_fit_is_told_in_stss_words(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        base = _role(eks.account, PODS, policy=_may_assume("*"))
        trust = {"Effect": "Allow", "Principal": {"AWS": base}, "Action": ACTIONS}
        long = {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::" + "b" * 2048}
        await eks.associate(
            roleArn=base,
            targetRoleArn=_role(eks.account, trust),
            policy=document([long]),
            disableSessionTags=True,
        )
        refused = await eks.refused(eks.assume(eks.token()))
        assert (refused.status, refused.code) == (400, "InvalidRequestException")
        assert re.fullmatch(
            r"Packed policy consumes 1\d\d% of allotted space, please use smaller policy\.",
            refused.message,
        )
        assert eks.aws.records.eks_auth[-1].outcome == "InvalidRequest"

    on_demo(scenario)


def test_limit_of_calls_is_each_accounts_own(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.associate()
        token = eks.token()
        other = Account(f"{next(_NUMBERS) + 840_000_000_000}", eks.aws).root_caller()
        await eks.aws.set_behaviour({"eks_auth_calls_per_second": 0.5})
        await eks.assume(token)
        assert (await eks.refused(eks.assume(token))).status == 429
        # No cluster of that name there, but it was heard.
        assert (await eks.refused(eks.assume(token, other))).status == 404
        await eks.aws.set_behaviour({"eks_auth_calls_per_second": None})
        for _ in range(3):
            await eks.assume(token)

    on_demo(scenario)
