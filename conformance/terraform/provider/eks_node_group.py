"""Node groups."""

from conformance.terraform.provider import eks
from conformance.terraform.provider.connection import Connection, found, unique_name
from conformance.terraform.provider.resource import Resource, split_id
from conformance.terraform.provider.values import Values, tag_changes


class NodeGroup(Resource):
    name = "aws_eks_node_group"
    accepts = frozenset(
        {
            "ami_type",
            "capacity_type",
            "cluster_name",
            "disk_size",
            "instance_types",
            "labels",
            "node_group_name",
            "node_group_name_prefix",
            "node_role_arn",
            "scaling_config",
            "subnet_ids",
            "tags",
            "taint",
            "timeouts",
        }
    )
    replace = frozenset(
        {
            "ami_type",
            "capacity_type",
            "cluster_name",
            "disk_size",
            "instance_types",
            "node_group_name",
            "node_group_name_prefix",
            "node_role_arn",
            "subnet_ids",
        }
    )
    computed_blocks = frozenset({"node_repair_config", "update_config"})

    def create(self, aws: Connection, want: Values) -> Values:
        name = want["node_group_name"] or unique_name(want["node_group_name_prefix"])
        aws.client("eks").create_nodegroup(
            clusterName=want["cluster_name"],
            nodegroupName=name,
            nodeRole=want["node_role_arn"],
            subnets=want["subnet_ids"],
            scalingConfig=_scaling(want),
            **eks.given(
                amiType=want["ami_type"],
                capacityType=want["capacity_type"],
                diskSize=want["disk_size"],
                instanceTypes=want["instance_types"],
                labels=want["labels"],
                tags=want["tags_all"],
                taints=[eks.given(**taint) for taint in want["taint"]],
            ),
        )
        return {
            "id": f"{want['cluster_name']}:{name}",
            "cluster_name": want["cluster_name"],
            "node_group_name": name,
        }

    def ready(self, aws: Connection, state: Values, within: float) -> None:
        eks.await_active(
            aws, f"node group {state['id']}", lambda: self._describe(aws, state), within
        )

    def read(self, aws: Connection, state: Values) -> Values | None:
        seen = self._describe(aws, state)
        if seen is None:
            return None
        scaling, resources = seen.get("scalingConfig", {}), seen.get("resources", {})
        groups = [{"name": group["name"]} for group in resources.get("autoScalingGroups", ())]
        return {
            "ami_type": seen.get("amiType"),
            "arn": seen["nodegroupArn"],
            "capacity_type": seen.get("capacityType", "ON_DEMAND"),
            "cluster_name": seen["clusterName"],
            "disk_size": seen.get("diskSize"),
            "id": state["id"],
            "instance_types": seen.get("instanceTypes", []),
            "labels": seen.get("labels", {}),
            "node_group_name": seen["nodegroupName"],
            "node_group_name_prefix": state["node_group_name_prefix"] or "",
            "node_role_arn": seen.get("nodeRole"),
            "release_version": seen.get("releaseVersion"),
            "resources": [{"autoscaling_groups": groups, "remote_access_security_group_id": ""}],
            "scaling_config": [
                {
                    "desired_size": scaling.get("desiredSize"),
                    "max_size": scaling.get("maxSize"),
                    "min_size": scaling.get("minSize"),
                }
            ],
            "status": seen["status"],
            "subnet_ids": seen.get("subnets", []),
            "taint": [
                {"key": each["key"], "value": each.get("value"), "effect": each["effect"]}
                for each in seen.get("taints", ())
            ],
            "version": seen.get("version"),
        } | eks.tags(aws, seen, state)

    def update(self, aws: Connection, was: Values, want: Values) -> None:
        if eks.changed(was, want, "scaling_config", "labels", "taint"):
            removed, added = tag_changes(was["labels"] or {}, want["labels"] or {})
            aws.client("eks").update_nodegroup_config(
                clusterName=want["cluster_name"],
                nodegroupName=want["node_group_name"],
                scalingConfig=_scaling(want),
                **eks.given(
                    labels=eks.given(addOrUpdateLabels=added, removeLabels=removed),
                    taints=_taint_changes(was["taint"], want["taint"]),
                ),
            )
        eks.retag(aws, was["arn"], was, want)

    def delete(self, aws: Connection, state: Values, within: float) -> None:
        found(eks.ABSENT, aws.client("eks").delete_nodegroup, **self._where(state))
        eks.await_end(aws, f"node group {state['id']}", lambda: self._describe(aws, state), within)

    def identify(self, import_id: str) -> Values:
        cluster, name = split_id(import_id, ":", "cluster-name:node-group-name")
        return {"id": import_id, "cluster_name": cluster, "node_group_name": name}

    @staticmethod
    def _where(state: Values) -> Values:
        return {"clusterName": state["cluster_name"], "nodegroupName": state["node_group_name"]}

    def _describe(self, aws: Connection, state: Values) -> Values | None:
        answer = found(eks.ABSENT, aws.client("eks").describe_nodegroup, **self._where(state))
        return None if answer is None else answer["nodegroup"]


def _taint_changes(was: list[Values], want: list[Values]) -> Values:
    """What EKS is asked to remove and to set; it knows a taint by key and effect."""
    kept = {(taint["key"], taint["effect"]) for taint in want}
    return eks.given(
        addOrUpdateTaints=[eks.given(**taint) for taint in want if taint not in was],
        removeTaints=[
            eks.given(**taint) for taint in was if (taint["key"], taint["effect"]) not in kept
        ],
    )


def _scaling(want: Values) -> Values:
    scaling = want["scaling_config"][0]
    return {
        "minSize": scaling["min_size"],
        "maxSize": scaling["max_size"],
        "desiredSize": scaling["desired_size"],
    }
