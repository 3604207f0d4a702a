"""Pod Identity associations."""

from collections.abc import Mapping
from typing import Any, ClassVar

from conformance.terraform.provider import eks
from conformance.terraform.provider.connection import (
    Connection,
    found,
)
from conformance.terraform.provider.resource import Resource, split_id
from conformance.terraform.provider.values import Values

_REQUEST = {
    "role_arn": "roleArn",
    "target_role_arn": "targetRoleArn",
    "disable_session_tags": "disableSessionTags",
    "policy": "policy",
}
"""What can be changed: attribute to request member."""


class PodIdentityAssociation(Resource):
    name = "aws_eks_pod_identity_association"
    accepts = frozenset(
        {"cluster_name", "namespace", "region", "service_account", "tags", *_REQUEST}
    )
    replace = frozenset({"cluster_name", "namespace", "region", "service_account"})
    defaults: ClassVar[Mapping[str, Any]] = {"disable_session_tags": False}
    policies = frozenset({"policy"})
    # It is there with a target role only, and the real provider asks for it after each change.
    renewed: ClassVar[Mapping[str, frozenset[str]]] = dict.fromkeys(
        (*_REQUEST, "tags"), frozenset({"external_id"})
    )

    def create(self, aws: Connection, want: Values) -> Values:
        if want["region"] not in (None, aws.region):
            raise ValueError(f"region {want['region']} is not the provider's, {aws.region}")
        request = {member: want[attribute] for attribute, member in _REQUEST.items()}
        service = aws.client("eks")
        answer = eks.once_iam_knows(
            aws,
            lambda: service.create_pod_identity_association(
                clusterName=want["cluster_name"],
                namespace=want["namespace"],
                serviceAccount=want["service_account"],
                **eks.given(tags=want["tags_all"], **request),
            ),
        )
        return self._flat(aws, answer["association"], want)

    def read(self, aws: Connection, state: Values) -> Values | None:
        answer = found(
            eks.ABSENT, aws.client("eks").describe_pod_identity_association, **self._where(state)
        )
        return None if answer is None else self._flat(aws, answer["association"], state)

    def update(self, aws: Connection, was: Values, want: Values) -> None:
        if eks.changed(was, want, *_REQUEST):
            changes: Values = {
                # An empty text takes a value away.
                member: "" if want[attribute] is None else want[attribute]
                for attribute, member in _REQUEST.items()
                if want[attribute] != was[attribute]
            }
            service = aws.client("eks")
            eks.once_iam_knows(
                aws,
                lambda: service.update_pod_identity_association(**self._where(was), **changes),
            )
        eks.retag(aws, was["association_arn"], was, want)

    def delete(self, aws: Connection, state: Values, _within: float) -> None:
        found(eks.ABSENT, aws.client("eks").delete_pod_identity_association, **self._where(state))

    def identify(self, import_id: str) -> Values:
        cluster, association = split_id(import_id, ",", "cluster-name,association-id")
        return {"id": association, "association_id": association, "cluster_name": cluster}

    @staticmethod
    def _where(state: Values) -> Values:
        return {"clusterName": state["cluster_name"], "associationId": state["id"]}

    @staticmethod
    def _flat(aws: Connection, seen: Mapping[str, Any], state: Values) -> Values:
        tags = eks.tags(aws, seen, state)
        # Written with the plugin framework, the real one knows no tags from an empty map.
        tags["tags"] = tags["tags"] or None
        return tags | {
            "association_arn": seen["associationArn"],
            "association_id": seen["associationId"],
            "cluster_name": seen["clusterName"],
            "disable_session_tags": bool(seen.get("disableSessionTags")),
            "external_id": seen.get("externalId"),
            "id": seen["associationId"],
            "namespace": seen["namespace"],
            "policy": seen.get("policy"),
            "region": aws.region,
            "role_arn": seen["roleArn"],
            "service_account": seen["serviceAccount"],
            "target_role_arn": seen.get("targetRoleArn"),
        }
