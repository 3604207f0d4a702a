"""
aws_eks_access_entry and aws_eks_access_policy_association: who may use the cluster's API.

An entry is made and changed at once. A policy of an entry has no identity of its own, so
its id is put together, and any change of its scope is another association.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from conformance.terraform.provider import eks
from conformance.terraform.provider.connection import Connection, found
from conformance.terraform.provider.resource import Resource, split_id
from conformance.terraform.provider.values import Values


def _of(state: Values) -> Values:
    return {"clusterName": state["cluster_name"], "principalArn": state["principal_arn"]}


def _go_text(at: datetime) -> str:
    """As the real provider writes the times of these, and of no others: Go's Time.String."""
    whole, _, parts = at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f").partition(".")
    parts = parts.rstrip("0")
    return f"{whole}{'.' if parts else ''}{parts} +0000 UTC"


class AccessEntry(Resource):
    name = "aws_eks_access_entry"
    accepts = frozenset(
        {
            "cluster_name",
            "kubernetes_groups",
            "principal_arn",
            "tags",
            "timeouts",
            "type",
            "user_name",
        }
    )
    replace = frozenset({"cluster_name", "principal_arn", "type"})
    defaults: ClassVar[Mapping[str, Any]] = {"type": "STANDARD"}

    def create(self, aws: Connection, want: Values) -> Values:
        service = aws.client("eks")
        eks.once_iam_knows(
            aws,
            lambda: service.create_access_entry(
                **_of(want),
                type=want["type"],
                **eks.given(
                    kubernetesGroups=want["kubernetes_groups"],
                    tags=want["tags_all"],
                    username=want["user_name"],
                ),
            ),
        )
        return {"id": f"{want['cluster_name']}:{want['principal_arn']}"}

    def read(self, aws: Connection, state: Values) -> Values | None:
        answer = found(eks.ABSENT, aws.client("eks").describe_access_entry, **_of(state))
        if answer is None:
            return None
        seen = answer["accessEntry"]
        return {
            "access_entry_arn": seen["accessEntryArn"],
            "cluster_name": seen["clusterName"],
            "created_at": eks.moment(seen, "createdAt"),
            "id": f"{seen['clusterName']}:{seen['principalArn']}",
            "kubernetes_groups": seen.get("kubernetesGroups", []),
            "modified_at": eks.moment(seen, "modifiedAt"),
            "principal_arn": seen["principalArn"],
            "type": seen["type"],
            "user_name": seen.get("username"),
        } | eks.tags(aws, seen, state)

    def update(self, aws: Connection, was: Values, want: Values) -> None:
        if eks.changed(was, want, "kubernetes_groups", "user_name"):
            aws.client("eks").update_access_entry(
                **_of(was),
                kubernetesGroups=want["kubernetes_groups"] or [],
                **eks.given(username=want["user_name"]),
            )
        eks.retag(aws, was["access_entry_arn"], was, want)

    def delete(self, aws: Connection, state: Values, _within: float) -> None:
        found(eks.ABSENT, aws.client("eks").delete_access_entry, **_of(state))

    def identify(self, import_id: str) -> Values:
        cluster, principal = split_id(import_id, ":", "cluster-name:principal-arn")
        return {"id": import_id, "cluster_name": cluster, "principal_arn": principal}


class AccessPolicyAssociation(Resource):
    name = "aws_eks_access_policy_association"
    accepts = frozenset({"access_scope", "cluster_name", "policy_arn", "principal_arn", "timeouts"})
    replace = frozenset({"access_scope", "cluster_name", "policy_arn", "principal_arn"})

    def create(self, aws: Connection, want: Values) -> Values:
        scope = want["access_scope"][0]
        aws.client("eks").associate_access_policy(
            **_of(want),
            policyArn=want["policy_arn"],
            accessScope=eks.given(type=scope["type"], namespaces=scope["namespaces"]),
        )
        parts = (want["cluster_name"], want["principal_arn"], want["policy_arn"])
        return {"id": "#".join(parts)}

    def read(self, aws: Connection, state: Values) -> Values | None:
        answer = found(eks.ABSENT, aws.client("eks").list_associated_access_policies, **_of(state))
        listed = answer["associatedAccessPolicies"] if answer else []
        for seen in listed:
            if seen["policyArn"] == state["policy_arn"]:
                scope = seen["accessScope"]
                return {
                    "access_scope": [
                        {"type": scope["type"], "namespaces": scope.get("namespaces", [])}
                    ],
                    "associated_at": _go_text(seen["associatedAt"]),
                    "modified_at": _go_text(seen["modifiedAt"]),
                    **{k: state[k] for k in ("cluster_name", "principal_arn", "policy_arn", "id")},
                }
        return None

    def update(self, aws: Connection, was: Values, want: Values) -> None:
        """Nothing of it changes in place."""

    def delete(self, aws: Connection, state: Values, _within: float) -> None:
        found(
            eks.ABSENT,
            aws.client("eks").disassociate_access_policy,
            **_of(state),
            policyArn=state["policy_arn"],
        )

    def identify(self, import_id: str) -> Values:
        cluster, principal, policy = split_id(
            import_id, "#", "cluster-name#principal-arn#policy-arn"
        )
        return {
            "id": import_id,
            "cluster_name": cluster,
            "principal_arn": principal,
            "policy_arn": policy,
        }
