import json
from collections.abc import Iterator
from typing import Any

import pytest

from conformance.cluster.agent_chart import VALUES
from conformance.emulator.eks.addon_configuration import NOT_HONOURED, parsed, schema
from conformance.emulator.eks.errors import ServiceError
from tests.emulator.eks.conftest import Emulated, RunEks

AGENT = "eks-pod-identity-agent"


@pytest.fixture
def on_demo_cleaned(on_demo: RunEks) -> Iterator[RunEks]:
    yield on_demo

    async def clean(eks: Emulated) -> None:
        for name in list(eks.record().nodegroups):
            await eks.ask("DeleteNodegroup", clusterName="demo", nodegroupName=name)
            await _settled_nodegroup(eks, name)
        for name in list(eks.record().addons):
            await eks.ask("DeleteAddon", clusterName="demo", addonName=name)
            await _settled_addon(eks, name)

    on_demo(clean)


async def _nodegroup(eks: Emulated, name: str = "nodes", **more: Any) -> Any:
    parameters = {
        "clusterName": "demo",
        "nodegroupName": name,
        "nodeRole": eks.role("node", "ec2.amazonaws.com"),
        "subnets": ["subnet-1"],
        "scalingConfig": {"minSize": 1, "maxSize": 3, "desiredSize": 2},
        **more,
    }
    return (await eks.ask("CreateNodegroup", **parameters))["nodegroup"]


async def _settled_nodegroup(eks: Emulated, name: str = "nodes") -> Any:
    which = {"clusterName": "demo", "nodegroupName": name}
    return await eks.settled("DescribeNodegroup", "nodegroup", **which)


async def _addon(eks: Emulated, name: str = AGENT, **more: Any) -> Any:
    await eks.ask("CreateAddon", clusterName="demo", addonName=name, **more)
    return await _settled_addon(eks, name)


async def _settled_addon(eks: Emulated, name: str = AGENT) -> Any:
    return await eks.settled("DescribeAddon", "addon", clusterName="demo", addonName=name)


def test_nodegroup_is_active_when_its_nodes_are(on_demo_cleaned: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        made = await _nodegroup(eks, labels={"pool": "a"})
        assert made["status"] == "CREATING"
        seen = await _settled_nodegroup(eks)
        assert seen["status"] == "ACTIVE"
        assert seen["scalingConfig"] == {"minSize": 1, "maxSize": 3, "desiredSize": 2}
        assert eks.asked("/nodegroups/nodes")[0] == {
            "desired": 2,
            "role_arn": eks.role("node"),
            "labels": {
                "eks.amazonaws.com/nodegroup": "nodes",
                "eks.amazonaws.com/capacityType": "ON_DEMAND",
                "node.kubernetes.io/instance-type": "t3.medium",
                "pool": "a",
            },
            "taints": [],
        }
        assert (await eks.ask("ListNodegroups", clusterName="demo"))["nodegroups"] == ["nodes"]

    on_demo_cleaned(scenario)


def test_cluster_with_nodegroups_cannot_be_deleted(on_demo_cleaned: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await _nodegroup(eks)
        refused = await eks.refused(eks.ask("DeleteCluster", name="demo"))
        assert (refused.status, refused.code) == (409, "ResourceInUseException")
        assert refused.message == "Cluster has nodegroups attached"
        await _settled_nodegroup(eks)

    on_demo_cleaned(scenario)


def test_scaling_is_an_update_to_wait_for(on_demo_cleaned: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await _nodegroup(eks)
        await _settled_nodegroup(eks)
        which = {"clusterName": "demo", "nodegroupName": "nodes"}
        made = await eks.ask(
            "UpdateNodegroupConfig", **which, scalingConfig={"desiredSize": 3}, labels={}
        )
        about = {"name": "demo", "updateId": made["update"]["id"], "nodegroupName": "nodes"}
        assert (await eks.settled("DescribeUpdate", "update", **about))["status"] == "Successful"
        assert (await _settled_nodegroup(eks))["scalingConfig"]["desiredSize"] == 3
        assert eks.asked("/nodegroups/nodes")[-1]["desired"] == 3
        refused = await eks.refused(
            eks.ask("UpdateNodegroupConfig", **which, scalingConfig={"desiredSize": 4})
        )
        assert refused.message == "desired capacity 4 can't be greater than max size 3"

    on_demo_cleaned(scenario)


def test_taints_reach_the_nodes_and_are_told(on_demo_cleaned: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        taint = {"key": "team", "value": "a", "effect": "NO_SCHEDULE"}
        await _nodegroup(eks, taints=[taint])
        assert (await _settled_nodegroup(eks))["taints"] == [taint]
        [asked] = eks.asked("/nodegroups/nodes")[-1]["taints"]
        assert asked == {"key": "team", "value": "a", "effect": "NoSchedule"}

    on_demo_cleaned(scenario)


def test_taints_change_by_key_and_effect(on_demo_cleaned: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        gone, kept = {"key": "a", "effect": "NO_EXECUTE"}, {"key": "a", "effect": "NO_SCHEDULE"}
        await _nodegroup(eks, taints=[gone, kept | {"value": "before"}])
        await _settled_nodegroup(eks)
        which = {"clusterName": "demo", "nodegroupName": "nodes"}
        changed = kept | {"value": "after"}
        change = {"addOrUpdateTaints": [changed], "removeTaints": [gone]}
        await eks.ask("UpdateNodegroupConfig", **which, taints=change)
        assert (await _settled_nodegroup(eks))["taints"] == [changed]
        refused = await eks.refused(_nodegroup(eks, "other", taints=[{"key": "a"}]))
        assert refused.message == "A taint needs a key and an effect."

    on_demo_cleaned(scenario)


def test_same_request_token_is_one_update_of_a_nodegroup(on_demo_cleaned: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await _nodegroup(eks, version="1.36")
        await _settled_nodegroup(eks)
        asked = {"clusterName": "demo", "nodegroupName": "nodes", "clientRequestToken": "t"}
        for operation, change in (
            ("UpdateNodegroupConfig", {"scalingConfig": {"desiredSize": 3}}),
            ("UpdateNodegroupVersion", {"version": "1.37"}),
        ):
            # The second comes while the first is carried out, as an SDK's that had no answer.
            first, again = [await eks.ask(operation, **asked, **change) for _ in range(2)]
            assert again["update"]["id"] == first["update"]["id"]
            await _settled_nodegroup(eks)

    on_demo_cleaned(scenario)


def test_nodegroup_that_cannot_be_made_says_why(on_demo_cleaned: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await _nodegroup(eks, "broken")
        seen = await _settled_nodegroup(eks, "broken")
        assert seen["status"] == "CREATE_FAILED"
        [issue] = seen["health"]["issues"]
        assert issue["code"] == "NodeCreationFailure"
        assert "broken, as asked" in issue["message"]
        await eks.ask("DeleteNodegroup", clusterName="demo", nodegroupName="broken")
        assert (await _settled_nodegroup(eks, "broken"))["status"] == "DELETE_FAILED"
        del eks.record().nodegroups["broken"]

    on_demo_cleaned(scenario)


def test_node_role_must_exist(on_demo_cleaned: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        role = f"arn:aws:iam::{eks.account.id}:role/none"
        refused = await eks.refused(_nodegroup(eks, nodeRole=role))
        assert refused.code == "InvalidParameterException"
        assert eks.record().nodegroups == {}

    on_demo_cleaned(scenario)


def test_addon_is_active_when_it_runs(on_demo_cleaned: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        configuration = '{"agent": {"additionalArgs": {"-b": "169.254.170.23"}}}'
        seen = await _addon(eks, configurationValues=configuration)
        assert seen["status"] == "ACTIVE"
        assert seen["addonVersion"] == "v1.3.10-eksbuild.2"
        assert eks.asked(f"/addons/{AGENT}")[-1] == {
            "version": "v1.3.10-eksbuild.2",
            "configuration": {"agent": {"additionalArgs": {"-b": "169.254.170.23"}}},
            "conflicts": "NONE",
        }
        refused = await eks.refused(_addon(eks))
        assert (refused.code, refused.message) == (
            "ResourceInUseException",
            "Addon already exists.",
        )

    on_demo_cleaned(scenario)


def test_addons_that_are_there_anyway_are_records(on_demo_cleaned: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        assert (await _addon(eks, "coredns"))["status"] == "ACTIVE"
        assert eks.asked("/addons/coredns") == []

    on_demo_cleaned(scenario)


def test_unknown_addons_and_versions_are_refused(on_demo_cleaned: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        for name, version, text in (
            ("cert-manager", None, "Addon specified is not supported"),
            (AGENT, "v0.0.1-eksbuild.1", "Addon version specified is not supported"),
        ):
            more = {"addonVersion": version} if version else {}
            refused = await eks.refused(_addon(eks, name, **more))
            assert (refused.code, refused.message) == ("InvalidParameterException", text)
        refused = await eks.refused(_addon(eks, configurationValues="a: [b"))
        assert refused.code == "InvalidParameterException"

    on_demo_cleaned(scenario)


def test_addon_that_cannot_be_made_says_why(on_demo_cleaned: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        seen = await _addon(eks, configurationValues='{"podLabels": {"broken": "x"}}')
        assert seen["status"] == "CREATE_FAILED"
        assert "broken, as asked" in seen["health"]["issues"][0]["message"]

    on_demo_cleaned(scenario)


def test_addon_configuration_may_be_yaml(on_demo_cleaned: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        text = "agent:\n  additionalArgs:\n    -b: 169.254.170.23\npodLabels: {since: 2024-01-01}\n"
        seen = await _addon(eks, configurationValues=text)
        assert seen["configurationValues"] == text
        assert eks.asked(f"/addons/{AGENT}")[-1]["configuration"] == {
            "agent": {"additionalArgs": {"-b": "169.254.170.23"}},
            "podLabels": {"since": "2024-01-01"},
        }

    on_demo_cleaned(scenario)


@pytest.mark.parametrize(
    ("configuration", "text"),
    [
        ("a: [b", "ConfigurationValue is not in JSON or YAML"),
        ("a: &x [1]\nb: *x", "ConfigurationValue is not in JSON or YAML"),
        ("!!python/object:os.system x", "ConfigurationValue is not in JSON or YAML"),
        ("resources: .nan", "ConfigurationValue is not in JSON or YAML"),
        ("just text", "$: str found, object expected"),
        ('{"agents": {}}', "$.agents: is not defined in the schema and the schema does not allow"),
        ('{"daemonsets": {"hybrid-x": {}}}', "$.daemonsets.hybrid-x: is not defined"),
        ('{"tolerations": {}}', "$.tolerations: dict found, array or null expected"),
        ('{"tolerations": ["all"]}', "$.tolerations[0]: str found, object expected"),
        ('{"podLabels": {"tier": 1}}', "$.podLabels.tier: int found, string expected"),
    ],
)
def test_addon_configuration_that_cannot_be(
    on_demo_cleaned: RunEks, configuration: str, text: str
) -> None:
    async def scenario(eks: Emulated) -> None:
        refused = await eks.refused(_addon(eks, configurationValues=configuration))
        assert refused.code == "InvalidParameterException"
        assert text in refused.message

    on_demo_cleaned(scenario)


@pytest.mark.parametrize(
    ("configuration", "what", "harmless"),
    [
        ({"daemonsets": {"hybrid": {"create": True}}}, "daemonsets.hybrid.create", False),
        ({"nameOverride": "agent"}, "nameOverride", AGENT),
        ({"fullnameOverride": "agent"}, "fullnameOverride", None),
    ],
)
def test_addon_configuration_that_nothing_reads_is_refused(
    configuration: dict[str, Any], what: str, harmless: object
) -> None:
    with pytest.raises(ServiceError, match=f"{what} is not emulated") as refused:
        parsed(AGENT, json.dumps(configuration))
    assert refused.value.code == "NotImplementedException"
    inner = configuration
    *folders, name = what.split(".")
    for folder in folders:
        inner = inner[folder]
    inner[name] = harmless
    assert parsed(AGENT, json.dumps(configuration)) == configuration


@pytest.mark.parametrize("name", schema(AGENT)["properties"])
def test_every_value_of_the_agents_schema_is_rendered_or_refused(name: str) -> None:
    refused = {path.partition(".")[0] for path in NOT_HONOURED[AGENT]}
    assert name in refused | set(VALUES)


def test_addon_configuration_is_described(on_demo_cleaned: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        which = {"addonName": AGENT, "addonVersion": "v1.3.10-eksbuild.2"}
        told = await eks.ask("DescribeAddonConfiguration", **which)
        assert "additionalArgs" in told["configurationSchema"]
        assert told["podIdentityConfiguration"] == []
        which = {"addonName": "vpc-cni", "addonVersion": "v1.21.1-eksbuild.1"}
        told = await eks.ask("DescribeAddonConfiguration", **which)
        [account] = told["podIdentityConfiguration"]
        assert account["serviceAccount"] == "aws-node"

    on_demo_cleaned(scenario)


def test_conflicts_fail_unless_they_are_resolved(on_demo_cleaned: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        changed = {"configurationValues": '{"podLabels": {"x": "changed by somebody"}}'}
        refused = await eks.refused(_addon(eks, resolveConflicts="PRESERVE"))
        assert "PRESERVE is not supported for operation CreateAddon" in refused.message
        seen = await _addon(eks, **changed)
        assert seen["status"] == "CREATE_FAILED"
        assert seen["health"]["issues"][0]["code"] == "ConfigurationConflict"
        which = {"clusterName": "demo", "addonName": AGENT}
        for resolve, status in (("NONE", "Failed"), ("OVERWRITE", "Successful")):
            made = await eks.ask("UpdateAddon", **which, **changed, resolveConflicts=resolve)
            about = {"name": "demo", "updateId": made["update"]["id"], "addonName": AGENT}
            update = await eks.settled("DescribeUpdate", "update", **about)
            assert update["status"] == status
            assert [e["errorCode"] for e in update.get("errors", [])] == (
                ["ConfigurationConflict"] if status == "Failed" else []
            )
        assert (await _settled_addon(eks))["status"] == "ACTIVE"

    on_demo_cleaned(scenario)


def test_same_request_token_is_one_update_of_an_addon(on_demo_cleaned: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await _addon(eks)
        asked = {"clusterName": "demo", "addonName": AGENT, "clientRequestToken": "t"}
        first, again = [await eks.ask("UpdateAddon", **asked) for _ in range(2)]
        assert again["update"]["id"] == first["update"]["id"]
        other = eks.ask("UpdateAddon", **asked, configurationValues="{}")
        assert (await eks.refused(other)).code == "InvalidParameterException"
        await _settled_addon(eks)

    on_demo_cleaned(scenario)


def test_nodegroup_version_follows_when_it_is_told_to(on_demo_cleaned: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        refused = await eks.refused(_nodegroup(eks, version="1.10"))
        assert refused.message == "unsupported Kubernetes version 1.10"
        await _nodegroup(eks, version="1.36")
        assert (await _settled_nodegroup(eks))["version"] == "1.36"
        which = {"clusterName": "demo", "nodegroupName": "nodes"}
        made = await eks.ask("UpdateNodegroupVersion", **which)
        assert {p["type"]: p["value"] for p in made["update"]["params"]}["Version"] == "1.37"
        about = {"name": "demo", "updateId": made["update"]["id"], "nodegroupName": "nodes"}
        assert (await eks.settled("DescribeUpdate", "update", **about))["type"] == "VersionUpdate"
        assert (await _settled_nodegroup(eks))["version"] == "1.37"
        refused = await eks.refused(eks.ask("UpdateNodegroupVersion", **which, version="1.36"))
        assert "cannot go back" in refused.message

    on_demo_cleaned(scenario)


def test_missing_things_are_named_as_aws_names_them(on_demo_cleaned: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        call = eks.ask("DescribeAddon", clusterName="demo", addonName="vpc-cni")
        assert (await eks.refused(call)).message == "No addon: vpc-cni found in cluster: demo"
        call = eks.ask("DescribeNodegroup", clusterName="demo", nodegroupName="n")
        assert (await eks.refused(call)).message == "No node group found for name: n."

    on_demo_cleaned(scenario)


def test_addon_owns_its_associations(on_demo_cleaned: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        pods = [{"serviceAccount": "aws-node", "roleArn": eks.role("app")}]
        addon = await _addon(eks, "vpc-cni", podIdentityAssociations=pods)
        [arn] = addon["podIdentityAssociations"]
        which = {"clusterName": "demo", "associationId": arn.rpartition("/")[2]}
        owned = (await eks.ask("DescribePodIdentityAssociation", **which))["association"]
        assert owned["ownerArn"] == addon["addonArn"]
        assert owned["namespace"] == "kube-system"
        update = {"clusterName": "demo", "addonName": "vpc-cni"}
        await eks.ask("UpdateAddon", **update, addonVersion=addon["addonVersion"])
        assert (await _settled_addon(eks, "vpc-cni"))["podIdentityAssociations"] == [arn]
        await eks.ask("UpdateAddon", **update, podIdentityAssociations=pods)
        replaced = (await _settled_addon(eks, "vpc-cni"))["podIdentityAssociations"]
        assert len(replaced) == 1
        await eks.ask("UpdateAddon", **update, podIdentityAssociations=[])
        assert (await _settled_addon(eks, "vpc-cni"))["podIdentityAssociations"] == []
        assert eks.record().effective == ()

    on_demo_cleaned(scenario)


def test_associations_outlive_an_addon_only_when_preserved(on_demo_cleaned: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        pods = [{"serviceAccount": "aws-node", "roleArn": eks.role("app")}]
        which = {"clusterName": "demo", "addonName": "vpc-cni"}
        for preserve, left in ((False, 0), (True, 1)):
            await _addon(eks, "vpc-cni", podIdentityAssociations=pods)
            await eks.ask("DeleteAddon", **which, preserve=preserve)
            assert await _settled_addon(eks, "vpc-cni") is None
            assert len(eks.record().effective) == left

    on_demo_cleaned(scenario)


def test_nobody_owns_what_a_preserved_addon_leaves(on_demo_cleaned: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        pods = [{"serviceAccount": "aws-node", "roleArn": eks.role("app")}]
        await _addon(eks, "vpc-cni", podIdentityAssociations=pods)
        which = {"clusterName": "demo", "addonName": "vpc-cni"}
        await eks.ask("DeleteAddon", **which, preserve=True)
        [left] = eks.record().associations
        asked = eks.ask("DescribePodIdentityAssociation", clusterName="demo", associationId=left)
        told = (await asked)["association"]
        assert (told["serviceAccount"], "ownerArn" in told) == ("aws-node", False)

    on_demo_cleaned(scenario)


def test_addon_without_service_accounts_knows_no_pod_identity(on_demo_cleaned: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        pods = [{"serviceAccount": "coredns", "roleArn": eks.role("app")}]
        refused = await eks.refused(_addon(eks, "coredns", podIdentityAssociations=pods))
        assert refused.code == "InvalidParameterException"
        assert refused.message == (
            "Pod Identity feature is not supported for addon version: v1.13.2-eksbuild.1"
        )

    on_demo_cleaned(scenario)


def test_addon_refuses_other_service_accounts_and_adopts_nothing(on_demo_cleaned: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        stranger = [{"serviceAccount": "app", "roleArn": eks.role("app")}]
        refused = await eks.refused(_addon(eks, "vpc-cni", podIdentityAssociations=stranger))
        assert refused.message == (
            "Service account app in pod identity configuration is not supported for addon vpc-cni"
        )
        await eks.associate("kube-system", serviceAccount="aws-node")
        pods = [{"serviceAccount": "aws-node", "roleArn": eks.role("app")}]
        refused = await eks.refused(_addon(eks, "vpc-cni", podIdentityAssociations=pods))
        assert refused.code == "ResourceInUseException"
        assert eks.record().addons == {}

    on_demo_cleaned(scenario)
