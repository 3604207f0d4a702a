"""No member of a request is passed over: each is honoured, noted as a gap, or refused."""

import inspect
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.model import ListShape, Shape, StructureShape

from conformance.emulator.eks import call, pages, store
from conformance.emulator.eks.errors import ServiceError
from conformance.emulator.eks.members import Fate, Path, check, fate_of, fates
from conformance.emulator.eks.model import api
from conformance.emulator.eks.operations import OPERATIONS
from conformance.fidelity import gaps, not_emulated
from tests.emulator.eks.conftest import SUBNETS, Emulated, RunEks

EVERY = [
    (operation, path, fate) for operation, rows in fates().items() for path, fate in rows.items()
]
OFF: dict[str, Any] = {
    "computeConfig": {"enabled": False},
    "storageConfig": {"blockStorage": {"enabled": False}},
    "zonalShiftConfig": {"enabled": False},
    "controlPlaneScalingConfig": {"tier": "standard"},
}
"""What asks for nothing, and is told back."""
NOTED: dict[str, Any] = {
    "resourcesVpcConfig": {
        **SUBNETS,
        "securityGroupIds": ["sg-1"],
        "endpointPublicAccess": False,
        "endpointPrivateAccess": True,
        "publicAccessCidrs": ["192.0.2.0/24"],
        "controlPlaneEgressMode": "CUSTOMER_ROUTED",
    },
    "kubernetesNetworkConfig": {
        "serviceIpv4Cidr": "10.8.0.0/16",
        "elasticLoadBalancing": {"enabled": False},
    },
    "logging": {"clusterLogging": [{"types": ["audit"], "enabled": True}]},
    "encryptionConfig": [{"resources": ["secrets"], "provider": {"keyArn": "arn:aws:kms:::key"}}],
    "upgradePolicy": {"supportType": "STANDARD"},
}


def leaves(shape: Shape, path: Path = ()) -> Iterator[Path]:
    """Every member that holds a value, by the names that lead to it; a map is one value."""
    if isinstance(shape, ListShape):
        yield from leaves(shape.member, path)
    elif isinstance(shape, StructureShape):
        for name, member in shape.members.items():
            yield from leaves(member, (*path, name))
    else:
        yield path


def members_of(operation: str) -> list[Path]:
    shape = api("eks").operation(operation).input_shape
    assert shape is not None
    return list(leaves(shape))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_member_that_can_be_sent_is_listed(operation: str) -> None:
    missing = [".".join(path) for path in members_of(operation) if fate_of(operation, path) is None]
    assert missing == [], "members.toml says nothing about them"


@pytest.mark.parametrize("operation", fates())
def test_every_listed_member_can_be_sent_and_is_listed_once(operation: str) -> None:
    assert operation in OPERATIONS
    for listed_, fate in fates()[operation].items():
        below = [path for path in members_of(operation) if path[: len(listed_)] == listed_]
        assert below, ".".join(listed_)
        assert {fate_of(operation, path) for path in below} == {fate}


def listed(*wanted: str) -> pytest.MarkDecorator:
    rows = [row for row in EVERY if row[2].fate in wanted]
    ids = [f"{operation}.{'.'.join(path)}" for operation, path, _ in rows]
    return pytest.mark.parametrize(("operation", "path", "fate"), rows, ids=ids)


@listed("honoured")
def test_what_is_honoured_is_read_by_name(operation: str, path: Path, fate: Fate) -> None:
    handler = sys.modules[OPERATIONS[operation].handler.__module__]
    sources = map(inspect.getsource, (handler, call, pages, store))
    assert f'"{path[-1]}"' in "".join(sources)


@listed("noted", "refused")
def test_gap_of_what_is_not_honoured_is_told(operation: str, path: Path, fate: Fate) -> None:
    assert fate.gap in gaps()


@listed("refused")
def test_what_is_refused_says_why(operation: str, path: Path, fate: Fate) -> None:
    with pytest.raises(ServiceError, match=re.escape(not_emulated(fate.gap))) as refused:
        check(operation, nested(path, "anything"))
    assert refused.value.code == "NotImplementedException"
    assert f"{'.'.join(path)}=anything is not emulated" in refused.value.message
    for harmless in fate.unless:
        check(operation, nested(path, harmless))


def nested(path: Path, value: object) -> dict[str, Any]:
    inner = value if len(path) == 1 else nested(path[1:], value)
    return {path[0]: inner}


def test_member_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ServiceError, match=r"CreateCluster: brandNew=1 is not emulated$"):
        check("CreateCluster", {"brandNew": 1})


def test_what_says_nothing_is_let_through() -> None:
    check("CreateCluster", {"computeConfig": {}, "outpostConfig": {"outpostArns": []}})


def test_a_fate_counts_for_everything_below() -> None:
    assert fate_of("CreateNodegroup", ("labels", "a.b/c")) == Fate("honoured")


@pytest.mark.parametrize(
    "asked",
    [
        {"computeConfig": {"enabled": True, "nodePools": ["system"]}},
        {"outpostConfig": {"outpostArns": ["a"], "controlPlaneInstanceType": "m5.large"}},
        {"remoteNetworkConfig": {"remoteNodeNetworks": [{"cidrs": ["10.9.0.0/16"]}]}},
    ],
)
def test_cluster_that_cannot_be_had_is_not_made(on_demo: RunEks, asked: dict[str, Any]) -> None:
    async def scenario(eks: Emulated) -> None:
        refused = await eks.refused(eks.cluster("other", **asked))
        assert (refused.status, refused.code) == (501, "NotImplementedException")
        assert "Auto Mode are not there" in refused.message
        assert (await eks.ask("ListClusters"))["clusters"] == ["demo"]

    on_demo(scenario)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"amiType": "WINDOWS_CORE_2022_x86_64"}, "amiType=WINDOWS_CORE_2022_x86_64 is not"),
        ({"amiType": "CUSTOM"}, "amiType=CUSTOM is not emulated. Windows, custom images"),
        ({"launchTemplate": {"name": "mine"}}, "launchTemplate.name=mine is not emulated"),
    ],
)
def test_nodes_that_cannot_be_had_are_not_made(
    on_demo: RunEks, asked: dict[str, Any], text: str
) -> None:
    async def scenario(eks: Emulated) -> None:
        node = {"nodeRole": eks.role("node", "ec2.amazonaws.com"), "subnets": ["subnet-1"]}
        which = {"clusterName": "demo", "nodegroupName": "nodes"}
        refused = await eks.refused(eks.ask("CreateNodegroup", **which, **node, **asked))
        assert (refused.status, refused.code) == (501, "NotImplementedException")
        assert text in refused.message
        assert eks.record().nodegroups == {}

    on_demo(scenario)


def test_who_may_not_ask_is_not_told_what_is_missing(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        nobody = eks.caller("nobody", {"Effect": "Deny", "Action": "*", "Resource": "*"})
        asked = {"name": "other", "roleArn": eks.role("cluster"), "resourcesVpcConfig": SUBNETS}
        asked |= {"computeConfig": {"enabled": True}}
        refused = await eks.refused(eks.ask("CreateCluster", nobody, **asked))
        assert refused.code == "AccessDeniedException"

    on_demo(scenario)


def test_what_is_noted_of_a_cluster_is_told(run_eks: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        asked = {**NOTED, **OFF, "bootstrapSelfManagedAddons": False}
        role = eks.role("cluster", "eks.amazonaws.com")
        await eks.ask("CreateCluster", name="demo", roleArn=role, **asked)
        told = await eks.settled("DescribeCluster", "cluster", name="demo")
        for name, value in (NOTED | OFF).items():
            assert told[name] == value | told[name] if isinstance(value, dict) else value

    run_eks(scenario)


def test_what_is_noted_of_a_nodegroup_is_told(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        asked: dict[str, Any] = {
            "subnets": ["subnet-1"],
            "remoteAccess": {"ec2SshKey": "mine"},
            "instanceTypes": ["c7g.large"],
            "capacityType": "SPOT",
            "diskSize": 30,
            "nodeRepairConfig": {"enabled": True},
            "version": "1.36",
            "releaseVersion": "1.36.1-1",
            "updateConfig": {"maxUnavailable": 2},
            "amiType": "BOTTLEROCKET_ARM_64",
        }
        which = {"clusterName": "demo", "nodegroupName": "noted"}
        role = eks.role("node", "ec2.amazonaws.com")
        await eks.ask("CreateNodegroup", **which, nodeRole=role, **asked)
        told = await eks.settled("DescribeNodegroup", "nodegroup", **which)
        assert {name: told[name] for name in asked} == asked
        await eks.ask("DeleteNodegroup", **which)
        assert await eks.settled("DescribeNodegroup", "nodegroup", **which) is None

    on_demo(scenario)
