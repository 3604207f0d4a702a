"""
`hashicorp/awscc` over the same handlers.

The real one is generated from CloudFormation's resource types and works through
Cloud Control, which no emulation has; so its stack could not be tried without an
account. Here each of its types is a translation: other names, tags as a list of
pairs, policies inside of roles, ids that are ARNs.

Attributes and their order of precedence follow the provider's generated sources and
documentation (internal/aws/eks/pod_identity_association_resource_gen.go,
docs/resources/iam_role.md). Optional ones keep their value when the configuration
falls silent (UseStateForUnknown). Where the real schema nests attributes, here is a
list of objects, so all members have to be written.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from conformance.terraform.provider import iam
from conformance.terraform.provider.catalogue import Catalogue
from conformance.terraform.provider.connection import Connection, found
from conformance.terraform.provider.eks_association import PodIdentityAssociation
from conformance.terraform.provider.overlay import attribute
from conformance.terraform.provider.resource import DataSource, FailedError, Resource, split_id
from conformance.terraform.provider.schema import Attribute, Block, Schema, Schemas
from conformance.terraform.provider.values import Values, same_json

_PAIR: Final = ["object", {"key": "string", "value": "string"}]
_POLICY: Final = ["object", {"policy_document": "string", "policy_name": "string"}]
_MAY: Final = ("optional", "computed")


class Association(Resource):
    name = "awscc_eks_pod_identity_association"
    _changeable = frozenset(
        {"disable_session_tags", "policy", "role_arn", "tags", "target_role_arn"}
    )
    replace = frozenset({"cluster_name", "namespace", "service_account"})
    accepts = replace | _changeable
    policies = frozenset({"policy"})
    _aws = PodIdentityAssociation()

    def create(self, aws: Connection, want: Values) -> Values:
        untagged = want["disable_session_tags"] or False
        made = self._aws.create(
            aws, _with_maps(want) | {"region": None, "disable_session_tags": untagged}
        )
        return _with_pairs(made) | {"id": made["association_arn"]}

    def read(self, aws: Connection, state: Values) -> Values | None:
        seen = self._aws.read(aws, _with_maps(state) | _place(state["id"]))
        return None if seen is None else _with_pairs(seen) | {"id": seen["association_arn"]}

    def update(self, aws: Connection, was: Values, want: Values) -> None:
        self._aws.update(aws, _with_maps(was) | _place(was["id"]), _with_maps(want))

    def delete(self, aws: Connection, state: Values, within: float) -> None:
        self._aws.delete(aws, _place(state["id"]), within)

    def identify(self, import_id: str) -> Values:
        _place(import_id)
        return {"id": import_id, "association_arn": import_id}


class AssociationData(DataSource):
    name = "awscc_eks_pod_identity_association"
    accepts = frozenset({"id"})

    def read(self, aws: Connection, config: Values) -> Values:
        seen = Association().read(aws, {"id": config["id"], "tags": None})
        if seen is None:
            raise FailedError(f"there is no association {config['id']}")
        return seen


class Role(Resource):
    name = "awscc_iam_role"
    accepts = frozenset(
        {
            "assume_role_policy_document",
            "description",
            "managed_policy_arns",
            "max_session_duration",
            "path",
            "permissions_boundary",
            "policies",
            "role_name",
            "tags",
        }
    )
    replace = frozenset({"path", "role_name"})
    policies = frozenset({"assume_role_policy_document"})
    _aws = iam.Role()

    def create(self, aws: Connection, want: Values) -> Values:
        made = self._aws.create(aws, self._as_aws(want))
        self._settle_policies(aws, {}, want | {"role_name": made["name"]})
        return {"id": made["name"], "role_name": made["name"]}

    def read(self, aws: Connection, state: Values) -> Values | None:
        seen = self._aws.read(aws, {"id": state["id"], "tags": None})
        if seen is None:
            return None
        client, name = aws.client("iam"), state["id"]
        written = {each["policy_name"]: each for each in state.get("policies") or ()}
        inline = {
            policy: iam.compact(
                client.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            )
            for policy in client.list_role_policies(RoleName=name)["PolicyNames"]
        }
        # In the order and the spelling of the configuration where there is one.
        order = [each for each in written if each in inline]
        order += [each for each in inline if each not in written]
        told = {
            "arn": seen["arn"],
            "assume_role_policy_document": seen["assume_role_policy"],
            "description": seen["description"],
            "managed_policy_arns": seen["managed_policy_arns"],
            "max_session_duration": seen["max_session_duration"],
            "path": seen["path"],
            "permissions_boundary": seen["permissions_boundary"],
            "policies": [
                written[each]
                if each in written and same_json(written[each]["policy_document"], inline[each])
                else {"policy_name": each, "policy_document": inline[each]}
                for each in order
            ],
            "role_id": seen["unique_id"],
            "role_name": seen["name"],
        }
        return told | {"id": state["id"], "tags": _in_order(seen["tags_all"], state.get("tags"))}

    def update(self, aws: Connection, was: Values, want: Values) -> None:
        self._aws.update(aws, self._as_aws(was), self._as_aws(want))
        self._settle_policies(aws, was, want)

    def delete(self, aws: Connection, state: Values, within: float) -> None:
        self._aws.delete(aws, self._as_aws(state), within)

    def identify(self, import_id: str) -> Values:
        return {"id": import_id, "role_name": import_id}

    @staticmethod
    def _as_aws(values: Values) -> Values:
        return _with_maps(values) | {
            "assume_role_policy": values["assume_role_policy_document"],
            "force_detach_policies": True,
            "max_session_duration": values["max_session_duration"] or 3600,
            "name": values["role_name"],
            "name_prefix": None,
            "path": values["path"] or "/",
        }

    @staticmethod
    def _settle_policies(aws: Connection, was: Mapping[str, Any], want: Values) -> None:
        client, role = aws.client("iam"), want["role_name"]
        before, after = (
            {each["policy_name"]: each["policy_document"] for each in of.get("policies") or ()}
            for of in (was, want)
        )
        for name in before.keys() - after.keys():
            found(iam.ABSENT, client.delete_role_policy, RoleName=role, PolicyName=name)
        for name, document in after.items():
            if before.get(name) != document:
                client.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=document)
        attached, wanted = (set(of.get("managed_policy_arns") or ()) for of in (was, want))
        for arn in attached - wanted:
            found(iam.ABSENT, client.detach_role_policy, RoleName=role, PolicyArn=arn)
        for arn in wanted - attached:
            client.attach_role_policy(RoleName=role, PolicyArn=arn)


def _place(arn: str) -> Values:
    """Cluster and id, of which an association's ARN ends."""
    form = "arn:PARTITION:eks:REGION:ACCOUNT:podidentityassociation/CLUSTER/ID"
    _, cluster, association = split_id(arn, "/", form)
    return {"cluster_name": cluster, "id": association, "association_arn": arn}


def _with_maps(values: Values) -> Values:
    """Tags as hashicorp/aws has them."""
    tags = {pair["key"]: pair["value"] for pair in values.get("tags") or ()}
    return values | {"tags": tags, "tags_all": tags}


def _with_pairs(values: Values) -> Values:
    return values | {"tags": _in_order(values["tags_all"], None)}


def _in_order(tags: Mapping[str, str], written: list[Values] | None) -> list[Values]:
    """As pairs, those that were written first and as they were."""
    keys = [pair["key"] for pair in written or () if pair["key"] in tags]
    keys += [key for key in tags if key not in keys]
    return [{"key": key, "value": tags[key]} for key in keys]


def _schema(*attributes: Attribute) -> Schema:
    return Schema(1, Block({each.name: each for each in attributes}, {}))


_ASSOCIATION: Final = _schema(
    attribute("association_arn", "string", "computed"),
    attribute("association_id", "string", "computed"),
    attribute("cluster_name", "string", "required"),
    attribute("disable_session_tags", "bool", *_MAY),
    attribute("external_id", "string", "computed"),
    attribute("id", "string", "computed"),
    attribute("namespace", "string", "required"),
    attribute("policy", "string", *_MAY),
    attribute("role_arn", "string", "required"),
    attribute("service_account", "string", "required"),
    attribute("tags", ["set", _PAIR], *_MAY),
    attribute("target_role_arn", "string", *_MAY),
)

_ROLE: Final = _schema(
    attribute("arn", "string", "computed"),
    attribute("assume_role_policy_document", "string", "required"),
    attribute("description", "string", *_MAY),
    attribute("id", "string", "computed"),
    attribute("managed_policy_arns", ["set", "string"], *_MAY),
    attribute("max_session_duration", "number", *_MAY),
    attribute("path", "string", *_MAY),
    attribute("permissions_boundary", "string", *_MAY),
    attribute("policies", ["list", _POLICY], *_MAY),
    attribute("role_id", "string", "computed"),
    attribute("role_name", "string", *_MAY),
    attribute("tags", ["list", _PAIR], *_MAY),
)

_PROVIDER: Final = {
    "access_key": "string",
    "profile": "string",
    "region": "string",
    "secret_key": "string",
    "skip_medatadata_api_check": "bool",  # spelled so by the provider
    "token": "string",
}


@cache
def _schemas() -> Schemas:
    data = {
        name: attribute(name, a.type, "required" if name == "id" else "computed")
        for name, a in _ASSOCIATION.block.attributes.items()
    }
    return Schemas(
        "hashicorp/awscc 1.97 (documentation)",
        _schema(*(attribute(name, kind, "optional") for name, kind in _PROVIDER.items())),
        {Association.name: _ASSOCIATION, Role.name: _ROLE},
        {AssociationData.name: Schema(1, Block(data, {}))},
    )


AWSCC: Final = Catalogue(
    "hashicorp/awscc",
    {each.name: each for each in (Association(), Role())},
    {AssociationData.name: AssociationData()},
    frozenset(_PROVIDER),
    _schemas,
)
