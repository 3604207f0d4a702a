"""
Add-ons, with the associations that they own; the agent is one.

EKS answers with the ARNs of owned associations, the configuration speaks of service
accounts and roles: each is looked up.
"""

from collections.abc import Mapping
from typing import Any

from conformance.terraform.provider import eks
from conformance.terraform.provider.connection import Connection, found
from conformance.terraform.provider.resource import DataSource, FailedError, Resource, split_id
from conformance.terraform.provider.values import Values, own


class Addon(Resource):
    name = "aws_eks_addon"
    accepts = frozenset(
        {
            "addon_name",
            "addon_version",
            "cluster_name",
            "configuration_values",
            "pod_identity_association",
            "preserve",
            "resolve_conflicts_on_create",
            "resolve_conflicts_on_update",
            "service_account_role_arn",
            "tags",
            "timeouts",
        }
    )
    replace = frozenset({"addon_name", "cluster_name"})

    def create(self, aws: Connection, want: Values) -> Values:
        aws.client("eks").create_addon(
            **self._where(want),
            **eks.given(
                addonVersion=want["addon_version"],
                configurationValues=want["configuration_values"],
                podIdentityAssociations=_owned_request(want),
                resolveConflicts=want["resolve_conflicts_on_create"],
                serviceAccountRoleArn=want["service_account_role_arn"],
                tags=want["tags_all"],
            ),
        )
        return {
            "id": f"{want['cluster_name']}:{want['addon_name']}",
            "addon_name": want["addon_name"],
            "cluster_name": want["cluster_name"],
        }

    def ready(self, aws: Connection, state: Values, within: float) -> None:
        eks.await_active(aws, f"add-on {state['id']}", lambda: self._describe(aws, state), within)

    def read(self, aws: Connection, state: Values) -> Values | None:
        seen = self._describe(aws, state)
        if seen is None:
            return None
        return _flat(aws, seen) | {"id": state["id"]} | eks.tags(aws, seen, state)

    def update(self, aws: Connection, was: Values, want: Values) -> None:
        settings = ("addon_version", "configuration_values", "service_account_role_arn")
        owned = {}
        if eks.changed(was, want, "pod_identity_association"):
            # An empty list takes all of them away; none at all would leave them.
            owned = {"podIdentityAssociations": _owned_request(want)}
        if owned or eks.changed(was, want, *settings):
            aws.client("eks").update_addon(
                **self._where(want),
                **owned,
                **eks.given(
                    addonVersion=want["addon_version"],
                    configurationValues=want["configuration_values"],
                    resolveConflicts=want["resolve_conflicts_on_update"],
                    serviceAccountRoleArn=want["service_account_role_arn"],
                ),
            )
        eks.retag(aws, was["arn"], was, want)

    def delete(self, aws: Connection, state: Values, within: float) -> None:
        found(
            eks.ABSENT,
            aws.client("eks").delete_addon,
            **self._where(state),
            **eks.given(preserve=state["preserve"]),
        )
        eks.await_end(aws, f"add-on {state['id']}", lambda: self._describe(aws, state), within)

    def identify(self, import_id: str) -> Values:
        cluster, name = split_id(import_id, ":", "cluster-name:addon-name")
        return {"id": import_id, "cluster_name": cluster, "addon_name": name}

    @staticmethod
    def _where(state: Values) -> Values:
        return {"clusterName": state["cluster_name"], "addonName": state["addon_name"]}

    def _describe(self, aws: Connection, state: Values) -> Values | None:
        answer = found(eks.ABSENT, aws.client("eks").describe_addon, **self._where(state))
        return None if answer is None else answer["addon"]


class AddonData(DataSource):
    name = "aws_eks_addon"
    accepts = frozenset({"addon_name", "cluster_name"})

    def read(self, aws: Connection, config: Values) -> Values:
        cluster, name = config["cluster_name"], config["addon_name"]
        answer = found(
            eks.ABSENT, aws.client("eks").describe_addon, clusterName=cluster, addonName=name
        )
        if answer is None:
            raise FailedError(f"cluster {cluster} has no add-on {name}")
        flat = _flat(aws, answer["addon"])
        return flat | {"id": f"{cluster}:{name}", "tags": own(answer["addon"].get("tags", {}))}


def _owned_request(want: Values) -> list[Values]:
    return [
        {"serviceAccount": each["service_account"], "roleArn": each["role_arn"]}
        for each in want["pod_identity_association"]
    ]


def _flat(aws: Connection, seen: Mapping[str, Any]) -> Values:
    return {
        "addon_name": seen["addonName"],
        "addon_version": seen.get("addonVersion"),
        "arn": seen["addonArn"],
        "cluster_name": seen["clusterName"],
        "configuration_values": seen.get("configurationValues", ""),
        "created_at": eks.moment(seen, "createdAt"),
        "modified_at": eks.moment(seen, "modifiedAt"),
        "pod_identity_association": [
            _owned(aws, seen["clusterName"], arn) for arn in seen.get("podIdentityAssociations", ())
        ],
        "service_account_role_arn": seen.get("serviceAccountRoleArn", ""),
    }


def _owned(aws: Connection, cluster: str, arn: str) -> Values:
    found_ = aws.client("eks").describe_pod_identity_association(
        clusterName=cluster, associationId=arn.rpartition("/")[2]
    )["association"]
    return {"role_arn": found_["roleArn"], "service_account": found_["serviceAccount"]}
