"""
A second cluster beside the environment's, for as long as a scenario needs it.

Two promises cannot be seen in one cluster: that clusters are apart, and what a newcomer
finds in one that has nothing yet. The second one has its own issuer, nodes, webhook and
agent, and the world's roles and buckets. It is made by the calls a user would make, and
takes less than a second where EKS is emulated (`Capability.CLUSTERS`).

No state of Terraform's knows it, so it is in the run's ledger before it is made, as a
world of its own: that is how a sweep may take away the cluster of a run that was killed.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import botocore.session

from conformance.environment import Cluster
from conformance.errors import HarnessError
from conformance.probes.evidence import Evidence
from conformance.spec import Role, Trust
from conformance.spec.checked import RUN_TAG
from conformance.targets.eks_token import eks_token
from conformance.targets.kubeconfig import write_kubeconfig
from conformance.terraform.ledger import BY_HAND, Entry
from conformance.world.eks_calls import EksCalls
from conformance.world.waiting import CONSECUTIVE, ONCE
from conformance.world.world import World

T = TypeVar("T")

AGENT = "eks-pod-identity-agent"
HOP_LIMIT = "imds.conformance/hop-limit"
"""Of a node group's metadata service; EKS has it in a launch template, the emulation as a label."""

SUBNETS = ["subnet-0c0f0000000000001", "subnet-0c0f0000000000002"]
WITHIN = timedelta(seconds=60)

ROLES = (
    Role(name="cluster", trust=(Trust(services=("eks.amazonaws.com",)),)),
    Role(
        name="nodes",
        trust=(Trust(services=("ec2.amazonaws.com",), actions=("sts:AssumeRole",)),),
        managed_policies=("arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy",),
    ),
)
"""What the Spec of a file that makes a cluster has to have among its roles."""


@contextmanager
def another_cluster(
    world: World,
    name: str = "second",
    *,
    nodes: int = 1,
    hop_limit: int = 1,
    agent: bool = True,
    ip_family: str = "ipv4",
) -> Iterator[World]:
    """
    The same world in a cluster of its own, which is gone after the block.

    It has no associations: `world.eks` of what is given here makes them. Without `nodes`
    there is only the API server, and without `agent` nobody on them gives credentials.
    """
    full = f"{world.contract.roles['cluster'].name}-{name}"
    # Not the world's: how a cluster comes to be is no evidence of a scenario.
    calls = EksCalls(world.environment.aws, cluster=full, run=world.tags[RUN_TAG])
    with ExitStack() as undo:
        folder = _intended(world, full)
        undo.callback(shutil.rmtree, folder)
        _made(calls, "create_cluster", name=full, **_cluster(world, ip_family))
        undo.callback(_cluster_gone, world, calls, full, folder)
        described = _active(world, calls, "cluster", name=full)
        other = world.in_cluster(_attached(world, folder, described))
        undo.callback(other.leave)
        if nodes:
            given = {
                "nodegroupName": "nodes",
                "nodeRole": world.contract.roles["nodes"].arn,
                "subnets": SUBNETS,
                "scalingConfig": {"minSize": nodes, "maxSize": nodes, "desiredSize": nodes},
                "labels": {HOP_LIMIT: str(hop_limit)},
            }
            _made(calls, "create_nodegroup", **given)
            undo.callback(_gone, world, calls, "nodegroup", nodegroupName="nodes")
            _active(world, calls, "nodegroup", nodegroupName="nodes")
        if agent:
            _made(calls, "create_addon", addonName=AGENT)
            _active(world, calls, "addon", addonName=AGENT)
        yield other


def _intended(world: World, name: str) -> Path:
    """The folder for what reaches the cluster, once the ledger names both on disk."""
    folder = world.ledger.path.parent / "worlds" / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    aws = world.environment.aws
    world.ledger.intend(
        Entry(
            workspace=str(folder),
            root=BY_HAND,
            run=world.tags[RUN_TAG],
            name=name,
            account_id=aws.account_id,
            region=aws.region,
            endpoint=aws.endpoint,
            environment=str(world.environment.file),
            tags=world.tags,
        )
    )
    return folder


def _cluster(world: World, ip_family: str) -> dict[str, Any]:
    return {
        "kubernetesNetworkConfig": {"ipFamily": ip_family},
        "roleArn": world.contract.roles["cluster"].arn,
        "resourcesVpcConfig": {"subnetIds": SUBNETS},
    }


def _attached(world: World, folder: Path, described: Mapping[str, Any]) -> Cluster:
    """How to reach it; the file holds a token that lives for a quarter of an hour."""
    name, aws = described["name"], world.environment.aws
    session = botocore.session.Session()
    if aws.access_key_id and aws.secret_access_key:
        session.set_credentials(aws.access_key_id, aws.secret_access_key)
    kubeconfig = folder / "kubeconfig"
    write_kubeconfig(
        kubeconfig,
        name=name,
        endpoint=described["endpoint"],
        certificate_authority=described["certificateAuthority"]["data"],
        user={"token": eks_token(name, aws.region, session)},
    )
    return Cluster(name=name, arn=described["arn"], kubeconfig=kubeconfig, context=name)


def _made(calls: EksCalls, operation: str, **parameters: Any) -> Evidence:
    evidence = calls.ask(operation, **parameters)
    if evidence.code:
        raise HarnessError(
            f"another cluster: EKS refuses {operation}", saw=f"{evidence.code}: {evidence.message}"
        )
    return evidence


def _active(world: World, calls: EksCalls, kind: str, **named: str) -> dict[str, Any]:
    def active() -> dict[str, Any] | None:
        told: dict[str, Any] = _made(calls, f"describe_{kind}", **named).answer[kind]
        return told if told["status"] == "ACTIVE" else None

    return _awaited(world, f"{kind} {'/'.join(named.values())} is ACTIVE", active) or {}


def _gone(world: World, calls: EksCalls, kind: str, **named: str) -> None:
    calls.ask(f"delete_{kind}", **named)
    _awaited(
        world,
        f"{kind} {'/'.join(named.values())} is gone",
        lambda: calls.ask(f"describe_{kind}", **named).code == "ResourceNotFoundException",
        consecutive=ONCE,
    )


def _cluster_gone(world: World, calls: EksCalls, name: str, folder: Path) -> None:
    _gone(world, calls, "cluster", name=name)
    world.ledger.destroyed(str(folder), "hand")


def _awaited(world: World, what: str, ask: Callable[[], T], *, consecutive: int = CONSECUTIVE) -> T:
    try:
        return world.eventually(what, ask, within=WITHIN, consecutive=consecutive)
    except AssertionError as error:
        # That EKS makes clusters is no promise of Pod Identity.
        raise HarnessError(f"another cluster: not so in {WITHIN}: {what}", saw=str(error)) from None
