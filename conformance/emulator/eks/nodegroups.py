"""
Node groups: the nodes of a cluster, by number.

A node group is ACTIVE when its nodes are Ready in the cluster. What is only told back as
it was asked for, and what is refused, is in `members.toml`.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from conformance.emulator.eks import access_entries, taints, updates
from conformance.emulator.eks.call import Call
from conformance.emulator.eks.clusters import SERVICE
from conformance.emulator.eks.control import Control, ControlError
from conformance.emulator.eks.errors import (
    ServiceError,
    in_use,
    invalid_parameter,
    invalid_request,
)
from conformance.emulator.eks.pages import page
from conformance.emulator.eks.store import Cluster, Issue, NodeGroup
from conformance.emulator.eks.versions import PLATFORM_VERSIONS, checked

DEFAULT_SCALING = {"minSize": 1, "maxSize": 2, "desiredSize": 2}
_DEFAULTS: Mapping[str, Any] = {
    "capacityType": "ON_DEMAND",
    "amiType": "AL2023_x86_64_STANDARD",
    "diskSize": 20,
    "instanceTypes": ["t3.medium"],
    "updateConfig": {"maxUnavailable": 1},
}
_ECHOED = (*_DEFAULTS, "subnets", "remoteAccess", "nodeRepairConfig")


async def create(call: Call) -> dict[str, Any]:
    again = call.repeated(NodeGroup)
    cluster = call.active_cluster()
    if again is not None:
        return {"nodegroup": _told(cluster, again)}
    name, role_arn = call["nodegroupName"], call["nodeRole"]
    members = {"clusterName": cluster.name, "nodegroupName": name}
    call.pass_role(role_arn, SERVICE, cluster.arn)
    if not call.world.role_exists(role_arn):
        raise invalid_parameter(
            f"Role with arn: {role_arn}, could not be assumed because it does not exist "
            "or the trusted entity is not correct",
            **members,
        )
    if not call["subnets"]:
        raise invalid_parameter("subnets can not be blank", **members)
    if name in cluster.nodegroups:
        raise in_use(
            f"NodeGroup already exists with name {name} and cluster name {cluster.name}", **members
        )
    scaling = _scaling(DEFAULT_SCALING, call["scalingConfig"])
    version = _version(cluster, call["version"] or cluster.version)
    nodegroup = NodeGroup(
        name=name,
        arn=call.arn(f"nodegroup/{cluster.name}/{name}/{uuid.uuid4()}"),
        role_arn=role_arn,
        minimum=scaling["minSize"],
        maximum=scaling["maxSize"],
        desired=scaling["desiredSize"],
        labels=dict(call["labels"] or {}),
        taints=taints.changed([], {"addOrUpdateTaints": call["taints"] or []}),
        tags=dict(call["tags"] or {}),
        version=version,
        release=call["releaseVersion"] or _release(version),
        request={key: call[key] for key in _ECHOED if call[key]},
    )
    cluster.nodegroups[name] = nodegroup
    access_entries.make_for_nodes(call, cluster, role_arn)
    call.remember(nodegroup)
    call.store.spawn(_make(_control(cluster), nodegroup))
    return {"nodegroup": _told(cluster, nodegroup)}


def _release(version: str) -> str:
    return f"{version}.0-emulated"


def _version(cluster: Cluster, version: str) -> str:
    """Nodes may be older than their cluster, never newer."""
    order = list(PLATFORM_VERSIONS)
    if order.index(checked(version)) > order.index(cluster.version):
        raise invalid_request(
            f"Nodegroup Kubernetes version {version} is newer than the cluster's {cluster.version}",
            clusterName=cluster.name,
        )
    return version


def _scaling(before: dict[str, int], wanted: dict[str, int] | None) -> dict[str, int]:
    """The numbers as they will be; raises when they contradict each other."""
    scaling = before | (wanted or {})
    if not scaling["minSize"] <= scaling["desiredSize"]:
        raise invalid_parameter(
            f"Minimum capacity {scaling['minSize']} can't be greater than desired size "
            f"{scaling['desiredSize']}"
        )
    if not scaling["desiredSize"] <= scaling["maxSize"]:
        raise invalid_parameter(
            f"desired capacity {scaling['desiredSize']} can't be greater than max size "
            f"{scaling['maxSize']}"
        )
    return scaling


def _control(cluster: Cluster) -> Control:
    if cluster.process is None:
        raise ServiceError("ServerException", f"cluster {cluster.name} is not running")
    return cluster.process.control


async def _put(control: Control, nodegroup: NodeGroup) -> None:
    asked = {**_DEFAULTS, **nodegroup.request}
    labels = {
        "eks.amazonaws.com/nodegroup": nodegroup.name,
        "eks.amazonaws.com/capacityType": asked["capacityType"],
        "node.kubernetes.io/instance-type": asked["instanceTypes"][0],
    }
    await control.put_nodegroup(
        nodegroup.name,
        desired=nodegroup.desired,
        role_arn=nodegroup.role_arn,
        labels=labels | nodegroup.labels,
        taints=taints.of_nodes(nodegroup.taints),
    )


async def _make(control: Control, nodegroup: NodeGroup) -> None:
    try:
        await _put(control, nodegroup)
    except ControlError as error:
        nodegroup.status = "CREATE_FAILED"
        nodegroup.issues.append(Issue("NodeCreationFailure", str(error)))
    else:
        nodegroup.status = "ACTIVE"


async def describe(call: Call) -> dict[str, Any]:
    return {"nodegroup": _told(call.cluster(), call.nodegroup())}


async def list_(call: Call) -> dict[str, Any]:
    here, token = page(call, call.cluster().nodegroups, str)
    return {"nodegroups": here, "nextToken": token}


async def update_config(call: Call) -> dict[str, Any]:
    """Scaling, labels and taints take effect; anything else is noted."""
    cluster, nodegroup = call.active_cluster(), call.nodegroup()
    if again := updates.again(call):
        return again
    _check_idle(cluster, nodegroup)
    before = {
        "minSize": nodegroup.minimum,
        "maxSize": nodegroup.maximum,
        "desiredSize": nodegroup.desired,
    }
    scaling = _scaling(before, call["scalingConfig"])
    nodegroup.taints = taints.changed(nodegroup.taints, call["taints"] or {})
    nodegroup.minimum, nodegroup.maximum = scaling["minSize"], scaling["maxSize"]
    nodegroup.desired = scaling["desiredSize"]
    labels = call["labels"] or {}
    nodegroup.labels |= labels.get("addOrUpdateLabels", {})
    for key in labels.get("removeLabels", ()):
        nodegroup.labels.pop(key, None)
    for key in ("updateConfig", "nodeRepairConfig"):
        nodegroup.request |= {key: call[key]} if call[key] else {}
    nodegroup.status = "UPDATING"
    update = updates.begin(
        call,
        cluster,
        "ConfigUpdate",
        call["scalingConfig"] or {},
        subject=f"nodegroup/{nodegroup.name}",
    )
    work = _put(_control(cluster), nodegroup)
    call.store.spawn(
        updates.carry_out(update, nodegroup, work, failed="DEGRADED", issue="NodeCreationFailure")
    )
    return {"update": updates.told(update)}


async def update_version(call: Call) -> dict[str, Any]:
    """To the cluster's version unless another is asked for; noted, nodes stay as they are."""
    cluster, nodegroup = call.active_cluster(), call.nodegroup()
    if again := updates.again(call):
        return again
    _check_idle(cluster, nodegroup)
    version = _version(cluster, call["version"] or cluster.version)
    order = list(PLATFORM_VERSIONS)
    if order.index(version) < order.index(nodegroup.version):
        raise invalid_parameter(
            f"Nodegroup cannot go back from version {nodegroup.version} to {version}",
            clusterName=cluster.name,
            nodegroupName=nodegroup.name,
        )
    nodegroup.version, nodegroup.release = version, call["releaseVersion"] or _release(version)
    nodegroup.status = "UPDATING"
    update = updates.begin(
        call,
        cluster,
        "VersionUpdate",
        {"Version": version, "ReleaseVersion": nodegroup.release},
        subject=f"nodegroup/{nodegroup.name}",
    )
    work = _put(_control(cluster), nodegroup)
    call.store.spawn(
        updates.carry_out(update, nodegroup, work, failed="DEGRADED", issue="NodeCreationFailure")
    )
    return {"update": updates.told(update)}


async def delete(call: Call) -> dict[str, Any]:
    cluster, nodegroup = call.cluster(), call.nodegroup()
    _check_idle(cluster, nodegroup)
    nodegroup.status = "DELETING"
    call.store.spawn(_remove(call, cluster, nodegroup))
    return {"nodegroup": _told(cluster, nodegroup)}


async def _remove(call: Call, cluster: Cluster, nodegroup: NodeGroup) -> None:
    # With the cluster's process its nodes are gone already.
    if cluster.process is not None and cluster.process.ended is None:
        try:
            await cluster.process.control.delete_nodegroup(nodegroup.name)
        except ControlError as error:
            nodegroup.status = "DELETE_FAILED"
            nodegroup.issues.append(Issue("InternalFailure", str(error)))
            return
    del cluster.nodegroups[nodegroup.name]
    call.store.forget_made(nodegroup)


def _check_idle(cluster: Cluster, nodegroup: NodeGroup) -> None:
    if nodegroup.status in ("CREATING", "UPDATING", "DELETING"):
        raise in_use(
            f"Nodegroup cannot be updated as it is currently in {nodegroup.status} state",
            clusterName=cluster.name,
            nodegroupName=nodegroup.name,
        )


def _told(cluster: Cluster, nodegroup: NodeGroup) -> dict[str, Any]:
    return {
        **_DEFAULTS,
        **nodegroup.request,
        "nodegroupName": nodegroup.name,
        "nodegroupArn": nodegroup.arn,
        "clusterName": cluster.name,
        "version": nodegroup.version,
        "releaseVersion": nodegroup.release,
        "createdAt": nodegroup.created_at,
        "modifiedAt": nodegroup.modified_at,
        "status": nodegroup.status,
        "scalingConfig": {
            "minSize": nodegroup.minimum,
            "maxSize": nodegroup.maximum,
            "desiredSize": nodegroup.desired,
        },
        "nodeRole": nodegroup.role_arn,
        "labels": nodegroup.labels,
        "taints": nodegroup.taints or None,
        "resources": {"autoScalingGroups": [{"name": f"eks-{nodegroup.arn.rpartition('/')[2]}"}]},
        "health": {"issues": [issue.told(nodegroup.name) for issue in nodegroup.issues]},
        "tags": nodegroup.tags,
    }
