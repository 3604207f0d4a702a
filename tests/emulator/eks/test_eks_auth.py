import json
import re
import time
from typing import Any

import pytest

from conformance.emulator import eks_auth
from conformance.emulator.records import fingerprint
from conformance.faults import EKS_AUTH_IGNORES_NAMESPACE
from tests.emulator.conftest import REGION, document
from tests.emulator.eks.conftest import Emulated, RunEks

TAGS = (
    "eks-cluster-arn",
    "eks-cluster-name",
    "kubernetes-namespace",
    "kubernetes-service-account",
    "kubernetes-pod-name",
    "kubernetes-pod-uid",
)
UNAUTHORIZED = (
    "Unauthorized Exception! EKS does not have permissions to assume the associated role."
)


def test_answer_is_the_models(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        association = await eks.associate()
        before = time.time()
        answer = await eks.assume(eks.token())
        assert answer["subject"] == {"namespace": "dev", "serviceAccount": "app"}
        assert answer["audience"] == "pods.eks.amazonaws.com"
        assert answer["podIdentityAssociation"] == {
            "associationArn": association["associationArn"],
            "associationId": association["associationId"],
        }
        user = answer["assumedRoleUser"]
        arn, role_id = user["arn"], user["assumeRoleId"]
        session = f"arn:aws:sts::{eks.account.id}:assumed-role/app/eks-demo-probe-7c9f-"
        assert arn.startswith(session)
        assert role_id.startswith("AROA")
        assert role_id.partition(":")[2] == arn.rpartition("/")[2]
        lives = answer["credentials"]["expiration"].timestamp() - before
        assert 21_595 < lives < 21_605

    on_demo(scenario)


def test_expiration_is_a_number_on_the_wire(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.associate()
        body = json.dumps({"token": eks.token()}).encode()
        path = "/clusters/demo/assume-role-for-pod-identity"
        answer = await eks.send("eks-auth", "POST", path, body)
        assert isinstance(json.loads(answer.body)["credentials"]["expiration"], float)

    on_demo(scenario)


def test_session_name_is_new_for_each_call(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.associate()
        token = eks.token()
        names = {
            (await eks.assume(token))["assumedRoleUser"]["arn"].rpartition("/")[2] for _ in range(3)
        }
        assert len(names) == 3
        for name in names:
            assert re.fullmatch(r"eks-demo-probe-7c9f-[0-9a-f-]{36}", name)

    on_demo(scenario)


def test_session_names_are_cut_at_ten_characters() -> None:
    name = eks_auth.session_name("eksworkshop-eksctl", "irsa-demo-58b4bcfb56-l9frp")
    assert re.fullmatch("eks-eksworksho-irsa-demo--[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", name)


def test_six_tags_in_order_and_all_transitive(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.associate()
        await eks.assume(eks.token())
        minted = eks.aws.records.sessions[-1]
        assert minted.tags == tuple(
            zip(
                TAGS,
                (
                    eks.record().arn,
                    "demo",
                    "dev",
                    "app",
                    "probe-7c9f-abcde",
                    "11111111-2222-3333-4444-555555555555",
                ),
                strict=True,
            )
        )
        assert minted.transitive == TAGS
        assert minted.duration_seconds == 21600
        assert minted.source == "pods.eks.amazonaws.com"

    on_demo(scenario)


def test_disabled_session_tags_are_none_at_all(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        untagged = eks.account.role("untagged", trust=document([trust]))
        await eks.associate(roleArn=untagged, disableSessionTags=True)
        await eks.assume(eks.token())
        assert eks.aws.records.sessions[-1].tags == ()

    on_demo(scenario)


@pytest.mark.parametrize(
    "trust",
    [
        {"Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": "sts:AssumeRole"},
        {
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
        },
        {
            "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": {"StringEquals": {"aws:RequestTag/kubernetes-namespace": "prod"}},
        },
        {
            "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": {"StringEquals": {"aws:SourceAccount": "999999999999"}},
        },
    ],
    ids=["no-tag-session", "other-service", "other-namespace", "other-account"],
)
def test_trust_policy_that_does_not_let_eks_in(on_demo: RunEks, trust: dict[str, Any]) -> None:
    async def scenario(eks: Emulated) -> None:
        name = f"closed-{len(eks.aws.records.decisions)}"
        closed = eks.account.role(name, trust=document([{"Effect": "Allow", **trust}]))
        await eks.associate(roleArn=closed)
        refused = await eks.refused(eks.assume(eks.token()))
        assert (refused.status, refused.code) == (400, "AccessDeniedException")
        assert refused.message == UNAUTHORIZED
        call = eks.aws.records.eks_auth[-1]
        assert (call.outcome, call.role_arn, call.session_arn) == ("AccessDenied", closed, "")

    on_demo(scenario)


def test_trust_policy_may_ask_for_the_cluster(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": {
                "ArnEquals": {"aws:SourceArn": eks.record().arn},
                "StringEquals": {"aws:SourceAccount": eks.account.id},
            },
        }
        await eks.associate(roleArn=eks.account.role("careful", trust=document([trust])))
        await eks.assume(eks.token())

    on_demo(scenario)


def test_target_role_is_reached_by_chaining(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        external = f"{REGION}/{eks.account.id}/demo/dev/app"
        target_arn = f"arn:aws:iam::{eks.account.id}:role/target"
        everything = {"Effect": "Allow", "Action": "sts:*", "Resource": target_arn}
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
        }
        base = eks.account.role("base", document([everything]), document([trust]))
        trust = {
            "Effect": "Allow",
            "Principal": {"AWS": base},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": {"StringEquals": {"sts:ExternalId": external}},
        }
        target = eks.account.role("target", trust=document([trust]))
        await eks.associate(roleArn=base, targetRoleArn=target)
        began = time.time()
        answer = await eks.assume(eks.token())
        assert ":assumed-role/target/eks-demo-" in answer["assumedRoleUser"]["arn"]
        assert answer["credentials"]["expiration"].timestamp() - began < 3605
        assert dict(eks.aws.records.sessions[-1].tags)["kubernetes-namespace"] == "dev"
        # Another namespace has another external id, which this target does not trust.
        await eks.associate("prod", roleArn=base, targetRoleArn=target)
        refused = await eks.refused(eks.assume(eks.token("prod")))
        assert (refused.code, refused.message) == ("AccessDeniedException", UNAUTHORIZED)

    on_demo(scenario)


def test_caller_needs_permission_on_the_cluster(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.associate()
        action = "eks-auth:AssumeRoleForPodIdentity"
        other = eks.record().arn + "-not"
        for name, resource, allowed in (("yes", eks.record().arn, True), ("no", other, False)):
            caller = eks.caller(name, {"Effect": "Allow", "Action": action, "Resource": resource})
            if allowed:
                await eks.assume(eks.token(), caller)
            else:
                refused = await eks.refused(eks.assume(eks.token(), caller))
                assert refused.code == "AccessDeniedException"
                assert action in refused.message

    on_demo(scenario)


def test_service_account_without_association_is_not_found(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.associate("prod")
        refused = await eks.refused(eks.assume(eks.token("dev")))
        assert (refused.status, refused.code) == (404, "ResourceNotFoundException")

    on_demo(scenario)


def test_cluster_that_is_not_there_is_not_found(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        refused = await eks.refused(eks.assume(eks.token(), None, "other"))
        assert (refused.status, refused.code) == (404, "ResourceNotFoundException")
        refused = await eks.refused(eks.assume(eks.token(), None, "-x"))
        assert (refused.status, refused.code) == (400, "InvalidParameterException")

    on_demo(scenario)


def test_too_many_calls_are_throttled(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.associate()
        token = eks.token()
        await eks.aws.set_behaviour({"eks_auth_calls_per_second": 2})
        await eks.assume(token)
        await eks.assume(token)
        refused = await eks.refused(eks.assume(token))
        assert (refused.status, refused.code) == (429, "ThrottlingException")

    on_demo(scenario)


def test_flapping_fails_so_many_calls_and_then_lets_one_pass(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.associate()
        token = eks.token()
        await eks.aws.set_behaviour({"eks_auth_failures": 2})
        for _ in range(2):
            refused = await eks.refused(eks.assume(token))
            assert (refused.status, refused.code) == (500, "InternalServerException")
        await eks.assume(token)
        assert (await eks.refused(eks.assume(token))).status == 500
        await eks.aws.set_behaviour({"eks_auth_failures": 0})
        await eks.assume(token)

    on_demo(scenario)


def test_flapping_fails_with_the_error_that_was_asked_for(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.associate()
        failure = {"eks_auth_failures": 1, "eks_auth_failure": "ServiceUnavailableException"}
        await eks.aws.set_behaviour(failure)
        refused = await eks.refused(eks.assume(eks.token()))
        assert (refused.status, refused.code) == (503, "ServiceUnavailableException")

    on_demo(scenario)


def test_slow_is_slow_by_as_much_as_was_asked_for(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.associate()
        await eks.aws.set_behaviour({"eks_auth_delay_seconds": 0.2})
        began = time.monotonic()
        await eks.assume(eks.token())
        assert time.monotonic() - began >= 0.2

    on_demo(scenario)


def test_trouble_of_ours_is_500_and_recorded(
    on_demo: RunEks, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.associate()
        monkeypatch.setattr(eks_auth, "session_name", None)
        refused = await eks.refused(eks.assume(eks.token()))
        assert (refused.status, refused.code) == (500, "InternalServerException")
        assert eks.aws.records.eks_auth[-1].outcome == "InternalServer"

    on_demo(scenario)


def test_session_that_sts_cannot_make_is_an_invalid_request(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        long = document(
            [{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::" + "b" * 2048}]
        )
        await eks.associate(policy=long, disableSessionTags=True)
        refused = await eks.refused(eks.assume(eks.token()))
        assert (refused.status, refused.code) == (400, "InvalidRequestException")
        assert "Packed policy" in refused.message

    on_demo(scenario)


def test_every_call_is_recorded_without_its_secrets(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        association = await eks.associate()
        token = eks.token()
        answer = await eks.assume(token)
        await eks.refused(eks.assume("not-a-token"))
        good, bad = eks.aws.records.eks_auth
        assert good.outcome == "ok"
        assert good.token_fingerprint == fingerprint(token)
        assert (good.namespace, good.service_account, good.pod) == (
            "dev",
            "app",
            "probe-7c9f-abcde",
        )
        assert good.association_id == association["associationId"]
        assert good.session_arn == answer["assumedRoleUser"]["arn"]
        assert good.access_key_fingerprint == fingerprint(answer["credentials"]["accessKeyId"])
        assert (bad.outcome, bad.cluster) == ("InvalidParameter", "demo")
        text = json.dumps(eks.aws.records.since())
        for secret in (token, *token.split("."), *map(str, answer["credentials"].values())):
            assert secret not in text

    on_demo(scenario)


def test_fault_that_ignores_namespaces_gives_dev_what_is_prods(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.associate("dev", roleArn=eks.role("dev"))
        await eks.associate("prod", roleArn=eks.role("prod"))
        for namespace, right, wrong in (("dev", "dev", "prod"), ("prod", "prod", "dev")):
            token = eks.token(namespace)
            eks.aws.faults.set([])
            answer = await eks.assume(token)
            assert f":assumed-role/{right}/" in answer["assumedRoleUser"]["arn"]
            eks.aws.faults.set([EKS_AUTH_IGNORES_NAMESPACE.name])
            answer = await eks.assume(token)
            assert f":assumed-role/{wrong}/" in answer["assumedRoleUser"]["arn"]

    on_demo(scenario)
