import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conformance.emulator.behaviour import Behaviour
from conformance.emulator.eks import associations
from conformance.emulator.eks.propagation import Delays
from tests.emulator.conftest import REGION, document
from tests.emulator.eks.conftest import Emulated, RunEks

POLICY = document([{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}])


def _identity(namespace: str) -> dict[str, str]:
    return {"namespace": namespace, "serviceAccount": "app"}


def test_association_in_full(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        made = await eks.associate(tags={"a": "b"})
        assert re.fullmatch("a-[a-z0-9]{17}", made["associationId"])
        assert made["associationArn"] == (
            f"arn:aws:eks:{REGION}:{eks.account.id}:podidentityassociation/demo/"
            f"{made['associationId']}"
        )
        which = {"clusterName": "demo", "associationId": made["associationId"]}
        described = await eks.ask("DescribePodIdentityAssociation", **which)
        assert described["association"] == made
        assert made["roleArn"] == eks.role("app")
        assert made["disableSessionTags"] is False
        assert made["createdAt"] == made["modifiedAt"]
        assert not {"targetRoleArn", "externalId", "policy", "ownerArn"} & made.keys()
        deleted = await eks.ask("DeletePodIdentityAssociation", **which)
        assert deleted["association"] == made
        refused = await eks.refused(eks.ask("DescribePodIdentityAssociation", **which))
        assert (refused.status, refused.code) == (404, "ResourceNotFoundException")

    on_demo(scenario)


def test_summary_has_no_role_and_no_times(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.associate()
        [summary] = (await eks.ask("ListPodIdentityAssociations", clusterName="demo"))[
            "associations"
        ]
        assert summary.keys() == {
            "clusterName",
            "namespace",
            "serviceAccount",
            "associationArn",
            "associationId",
        }

    on_demo(scenario)


def test_webhook_knows_before_the_call_is_answered(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        before = len(eks.asked("/identities"))
        dev = await eks.associate("dev")
        await eks.associate("prod")
        await eks.ask(
            "DeletePodIdentityAssociation",
            clusterName="demo",
            associationId=dev["associationId"],
        )
        assert eks.asked("/identities")[before:] == [
            {"identities": [_identity("dev")]},
            {"identities": [_identity("dev"), _identity("prod")]},
            {"identities": [_identity("prod")]},
        ]

    on_demo(scenario)


def test_many_at_once_leave_the_webhook_with_all(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await asyncio.gather(*(eks.associate(f"ns-{number}") for number in range(20)))
        told = eks.asked("/identities")[-1]["identities"]
        assert {one["namespace"] for one in told} == {f"ns-{number}" for number in range(20)}
        assert len(eks.record().effective) == 20

    on_demo(scenario)


def test_one_association_for_a_service_account(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        made = await eks.associate()
        refused = await eks.refused(eks.associate(roleArn=eks.role("other")))
        assert (refused.status, refused.code) == (409, "ResourceInUseException")
        assert refused.message == f"Association already exists: {made['associationId']}"

    on_demo(scenario)


def test_request_token_makes_one_and_after_deletion_another(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        made = await eks.associate(clientRequestToken="t")
        assert await eks.associate(clientRequestToken="t") == made
        refused = await eks.refused(eks.associate("prod", clientRequestToken="t"))
        assert refused.code == "InvalidParameterException"
        which = {"clusterName": "demo", "associationId": made["associationId"]}
        await eks.ask("DeletePodIdentityAssociation", **which)
        again = await eks.associate(clientRequestToken="t")
        assert again["associationId"] != made["associationId"]

    on_demo(scenario)


def test_request_token_makes_one_update(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        made = await eks.associate()
        which = {"clusterName": "demo", "associationId": made["associationId"]}
        asked = which | {"clientRequestToken": "t", "roleArn": eks.role("other")}
        first = await eks.ask("UpdatePodIdentityAssociation", **asked)
        again = await eks.ask("UpdatePodIdentityAssociation", **asked)
        assert again["association"] == first["association"]
        asked["roleArn"] = eks.role("third")
        refused = await eks.refused(eks.ask("UpdatePodIdentityAssociation", **asked))
        assert refused.code == "InvalidParameterException"

    on_demo(scenario)


def test_role_must_exist_path_included(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        account = eks.account.id
        pathed = eks.account.role("pathed", Path="/team/a/")
        for role in (f"arn:aws:iam::{account}:role/nobody", f"arn:aws:iam::{account}:role/pathed"):
            refused = await eks.refused(eks.associate(roleArn=role))
            assert (refused.status, refused.code) == (400, "InvalidParameterException")
            assert refused.message == "Role provided in the request does not exist"
        assert (await eks.associate(roleArn=pathed))["roleArn"] == pathed

    on_demo(scenario)


def test_role_of_another_account_cannot_be_passed(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        refused = await eks.refused(eks.associate(roleArn="arn:aws:iam::999999999999:role/app"))
        assert (refused.status, refused.code) == (403, "AccessDeniedException")
        assert refused.message == "Cross-account pass role is not allowed."

    on_demo(scenario)


def test_role_must_be_passable_to_pods(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        use = {"Effect": "Allow", "Action": "eks:*", "Resource": "*"}
        for service, allowed in (("pods.eks.amazonaws.com", True), ("ec2.amazonaws.com", False)):
            pass_role = {
                "Effect": "Allow",
                "Action": "iam:PassRole",
                "Resource": eks.role("app"),
                "Condition": {"StringEquals": {"iam:PassedToService": service}},
            }
            caller = eks.caller(service.partition(".")[0], use, pass_role)
            call = eks.associate(service.partition(".")[0], caller)
            if allowed:
                await call
            else:
                refused = await eks.refused(call)
                assert refused.code == "AccessDeniedException"
                assert "iam:PassRole" in refused.message

    on_demo(scenario)


def test_target_role_comes_with_an_external_id(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        target = "arn:aws:iam::999999999999:role/target"
        made = await eks.associate(targetRoleArn=target)
        expected = f"{REGION}/{eks.account.id}/demo/dev/app"
        assert (made["targetRoleArn"], made["externalId"]) == (target, expected)
        which = {"clusterName": "demo", "associationId": made["associationId"]}
        gone = await eks.ask("UpdatePodIdentityAssociation", **which, targetRoleArn="")
        assert not {"targetRoleArn", "externalId"} & gone["association"].keys()

    on_demo(scenario)


def test_policy_needs_session_tags_to_be_off(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        for wrong in (
            {"policy": POLICY},
            {"policy": POLICY, "disableSessionTags": False},
            {"policy": "not json", "disableSessionTags": True},
            {"policy": "[]", "disableSessionTags": True},
        ):
            refused = await eks.refused(eks.associate(**wrong))
            assert refused.code == "InvalidParameterException"
        made = await eks.associate(policy=POLICY, disableSessionTags=True)
        assert made["policy"] == POLICY
        which = {"clusterName": "demo", "associationId": made["associationId"]}
        update = eks.ask("UpdatePodIdentityAssociation", **which, disableSessionTags=False)
        assert "policy" in (await eks.refused(update)).message
        update = eks.ask("UpdatePodIdentityAssociation", **which, policy="")
        assert "policy" not in (await update)["association"]

    on_demo(scenario)


def test_update_changes_role_and_nothing_else(
    on_demo: RunEks, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(eks: Emulated) -> None:
        made = await eks.associate(tags={"a": "b"})
        # EKS tells milliseconds, and this takes less than one.
        later = datetime.now(UTC) + timedelta(seconds=1)
        monkeypatch.setattr(associations, "now", lambda: later)
        which = {"clusterName": "demo", "associationId": made["associationId"]}
        refused = await eks.refused(eks.ask("UpdatePodIdentityAssociation", **which))
        assert refused.code == "InvalidParameterException"
        other = eks.role("other")
        updated = (await eks.ask("UpdatePodIdentityAssociation", **which, roleArn=other))[
            "association"
        ]
        changed = {name for name in updated if updated[name] != made[name]}
        assert changed == {"roleArn", "modifiedAt"}
        refused = await eks.refused(
            eks.ask("UpdatePodIdentityAssociation", **which, roleArn=other + "-not")
        )
        assert refused.message == "Role provided in the request does not exist"

    on_demo(scenario)


def test_association_ids_have_nineteen_characters(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        refused = await eks.refused(
            eks.ask("DescribePodIdentityAssociation", clusterName="demo", associationId="a-1")
        )
        assert (refused.status, refused.code) == (400, "InvalidParameterException")
        assert refused.message == "The parameter associationId should be 19 characters long."

    on_demo(scenario)


def test_names_that_kubernetes_cannot_have_are_refused(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        for name in ("", "-a", "A", "a" * 64, "a/b", "*"):
            assert (await eks.refused(eks.associate(name))).code == "InvalidParameterException"
        for name in ("", "a" * 254, "a_b"):
            refused = await eks.refused(eks.associate(serviceAccount=name))
            assert refused.code == "InvalidParameterException"
        await eks.associate("a" * 63, serviceAccount="a.b-c")

    on_demo(scenario)


def test_list_filters_and_pages(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        for namespace in ("dev", "prod"):
            for account in ("a", "b", "c"):
                await eks.associate(namespace, serviceAccount=account)

        async def listed(**filters: Any) -> tuple[list[str], str | None]:
            answer = await eks.ask("ListPodIdentityAssociations", clusterName="demo", **filters)
            names = [f"{a['namespace']}/{a['serviceAccount']}" for a in answer["associations"]]
            return names, answer.get("nextToken")

        assert await listed(namespace="dev") == (["dev/a", "dev/b", "dev/c"], None)
        assert await listed(serviceAccount="b") == (["dev/b", "prod/b"], None)
        assert await listed(namespace="prod", serviceAccount="c") == (["prod/c"], None)
        first, token = await listed(maxResults=4)
        assert first == ["dev/a", "dev/b", "dev/c", "prod/a"]
        assert await listed(maxResults=4, nextToken=token) == (["prod/b", "prod/c"], None)
        call = eks.ask("ListPodIdentityAssociations", clusterName="demo", maxResults=101)
        assert (await eks.refused(call)).code == "InvalidParameterException"

    on_demo(scenario)


def test_quota_of_a_cluster(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        assert eks.aws.behaviour.associations_per_cluster == 1000
        await eks.aws.set_behaviour({"associations_per_cluster": 1})
        await eks.associate("dev")
        refused = await eks.refused(eks.associate("prod"))
        assert (refused.status, refused.code) == (400, "ResourceLimitExceededException")

    on_demo(scenario)


def test_delayed_association_is_stored_before_it_is_effective(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        delays = {"propagation_shortest": 0.05, "propagation_longest": 0.1}
        await eks.aws.set_behaviour(delays)
        await eks.associate()
        token = eks.token()
        assert (await eks.refused(eks.assume(token))).code == "ResourceNotFoundException"
        await asyncio.sleep(0.2)
        await eks.assume(token)
        assert eks.asked("/identities")[-1] == {"identities": [_identity("dev")]}

    on_demo(scenario)


def test_deleted_association_is_in_the_way_until_its_effect_has_ended(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        made = await eks.associate()
        delays = {"propagation_shortest": 0.05, "propagation_longest": 0.1}
        await eks.aws.set_behaviour(delays)
        which = {"clusterName": "demo", "associationId": made["associationId"]}
        await eks.ask("DeletePodIdentityAssociation", **which)
        refused = await eks.refused(eks.associate())
        assert refused.message == f"Association already exists: {made['associationId']}"
        await asyncio.sleep(0.2)
        assert (await eks.associate())["associationId"] != made["associationId"]

    on_demo(scenario)


def test_cluster_that_cannot_be_told_is_an_error_of_the_server(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        refused = await eks.refused(eks.associate("broken"))
        assert (refused.status, refused.code) == (500, "ServerException")
        # Nobody may believe that it is there: the webhook does not know it.
        assert eks.record().effective == ()
        which = (await eks.ask("ListPodIdentityAssociations", clusterName="demo"))["associations"]
        assert which == []

    on_demo(scenario)


def test_delays_are_the_same_for_the_same_seed() -> None:
    random = Behaviour(propagation_shortest=1, propagation_longest=9, propagation_seed=7)
    delays, again = Delays(), Delays()
    first = [delays.next(random) for _ in range(5)]
    assert first == [again.next(random) for _ in range(5)]
    assert len(set(first)) == 5
    assert all(1 <= delay <= 9 for delay in first)
    other = random.changed({"propagation_seed": 8})
    assert delays.next(other) != first[0]
    assert delays.next(random) == first[0]
    fixed = Behaviour(propagation_shortest=3, propagation_longest=3)
    assert {delays.next(fixed) for _ in range(3)} == {3.0}
    assert delays.next(Behaviour()) == 0.0


def test_empty_role_is_refused_as_eks_does(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        made = await eks.associate()
        which = {"clusterName": "demo", "associationId": made["associationId"]}
        refused = await eks.refused(eks.ask("UpdatePodIdentityAssociation", **which, roleArn=""))
        assert refused.message == "Cross-account pass role is not allowed."

    on_demo(scenario)
