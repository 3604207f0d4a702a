"""Roles, their inline policies, managed policies, and which are attached to which."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from conformance.terraform.provider.connection import Connection, found, unique_name
from conformance.terraform.provider.resource import Resource, split_id
from conformance.terraform.provider.values import Values, as_pairs, from_pairs, tag_changes

ABSENT = ("NoSuchEntity",)


def compact(policy: object) -> str:
    """A policy as AWS stores it, on one line."""
    return json.dumps(policy, separators=(",", ":"))


def flat_role(role: Mapping[str, Any]) -> Values:
    """A role without its tags, as the resource and the data source have it."""
    return {
        "arn": role["Arn"],
        "assume_role_policy": compact(role["AssumeRolePolicyDocument"]),
        "create_date": role["CreateDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "description": role.get("Description", ""),
        "id": role["RoleName"],
        "max_session_duration": role.get("MaxSessionDuration"),
        "name": role["RoleName"],
        "path": role["Path"],
        "permissions_boundary": role.get("PermissionsBoundary", {}).get(
            "PermissionsBoundaryArn", ""
        ),
        "unique_id": role["RoleId"],
    }


class Role(Resource):
    name = "aws_iam_role"
    accepts = frozenset(
        {
            "assume_role_policy",
            "description",
            "force_detach_policies",
            "max_session_duration",
            "name",
            "name_prefix",
            "path",
            "permissions_boundary",
            "tags",
        }
    )
    replace = frozenset({"name", "name_prefix", "path"})
    defaults: ClassVar[Mapping[str, Any]] = {
        "path": "/",
        "max_session_duration": 3600,
        "force_detach_policies": False,
    }
    policies = frozenset({"assume_role_policy"})
    computed_blocks = frozenset({"inline_policy"})

    def create(self, aws: Connection, want: Values) -> Values:
        name = want["name"] or unique_name(want["name_prefix"])
        optional = {
            "Description": want["description"],
            "PermissionsBoundary": want["permissions_boundary"],
        }
        aws.client("iam").create_role(
            RoleName=name,
            Path=want["path"],
            AssumeRolePolicyDocument=want["assume_role_policy"],
            MaxSessionDuration=want["max_session_duration"],
            Tags=as_pairs(want["tags_all"]),
            **{key: value for key, value in optional.items() if value},
        )
        return {"id": name, "name": name, "name_prefix": want["name_prefix"]}

    def read(self, aws: Connection, state: Values) -> Values | None:
        iam = aws.client("iam")
        answer = found(ABSENT, iam.get_role, RoleName=state["id"])
        if answer is None:
            return None
        attached = found(ABSENT, iam.list_attached_role_policies, RoleName=state["id"]) or {}
        tags = from_pairs(answer["Role"].get("Tags", ()))
        return flat_role(answer["Role"]) | {
            "managed_policy_arns": [p["PolicyArn"] for p in attached.get("AttachedPolicies", ())],
            "tags": aws.user_tags(tags, state),
            "tags_all": tags,
        }

    def update(self, aws: Connection, was: Values, want: Values) -> None:
        iam, name = aws.client("iam"), want["id"]
        if want["assume_role_policy"] != was["assume_role_policy"]:
            iam.update_assume_role_policy(RoleName=name, PolicyDocument=want["assume_role_policy"])
        if any(want[a] != was[a] for a in ("description", "max_session_duration")):
            iam.update_role(
                RoleName=name,
                Description=want["description"] or "",
                MaxSessionDuration=want["max_session_duration"],
            )
        if want["permissions_boundary"] != was["permissions_boundary"]:
            if want["permissions_boundary"]:
                iam.put_role_permissions_boundary(
                    RoleName=name, PermissionsBoundary=want["permissions_boundary"]
                )
            else:
                iam.delete_role_permissions_boundary(RoleName=name)
        removed, added = tag_changes(was["tags_all"] or {}, want["tags_all"] or {})
        if removed:
            iam.untag_role(RoleName=name, TagKeys=removed)
        if added:
            iam.tag_role(RoleName=name, Tags=as_pairs(added))

    def delete(self, aws: Connection, state: Values, _within: float) -> None:
        iam, name = aws.client("iam"), state["id"]
        if state["force_detach_policies"]:
            attached = found(ABSENT, iam.list_attached_role_policies, RoleName=name) or {}
            for policy in attached.get("AttachedPolicies", ()):
                found(ABSENT, iam.detach_role_policy, RoleName=name, PolicyArn=policy["PolicyArn"])
            inline = found(ABSENT, iam.list_role_policies, RoleName=name) or {}
            for policy_name in inline.get("PolicyNames", ()):
                found(ABSENT, iam.delete_role_policy, RoleName=name, PolicyName=policy_name)
        found(ABSENT, iam.delete_role, RoleName=name)

    def identify(self, import_id: str) -> Values:
        return {"id": import_id, "name": import_id, "force_detach_policies": False}


class RolePolicy(Resource):
    name = "aws_iam_role_policy"
    accepts = frozenset({"name", "name_prefix", "policy", "role"})
    replace = frozenset({"name", "name_prefix", "role"})
    policies = frozenset({"policy"})

    def create(self, aws: Connection, want: Values) -> Values:
        name = want["name"] or unique_name(want["name_prefix"])
        self._put(aws, want["role"], name, want["policy"])
        return {
            "id": f"{want['role']}:{name}",
            "name": name,
            "name_prefix": want["name_prefix"],
            "role": want["role"],
        }

    def read(self, aws: Connection, state: Values) -> Values | None:
        role, name = split_id(state["id"], ":", "role:policy")
        answer = found(ABSENT, aws.client("iam").get_role_policy, RoleName=role, PolicyName=name)
        if answer is None:
            return None
        policy = compact(answer["PolicyDocument"])
        return {"id": state["id"], "name": name, "policy": policy, "role": role}

    def update(self, aws: Connection, _was: Values, want: Values) -> None:
        self._put(aws, want["role"], want["name"], want["policy"])

    def delete(self, aws: Connection, state: Values, _within: float) -> None:
        found(
            ABSENT,
            aws.client("iam").delete_role_policy,
            RoleName=state["role"],
            PolicyName=state["name"],
        )

    def identify(self, import_id: str) -> Values:
        role, name = split_id(import_id, ":", "role:policy")
        return {"id": import_id, "role": role, "name": name}

    @staticmethod
    def _put(aws: Connection, role: str, name: str, policy: str) -> None:
        aws.client("iam").put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=policy)


class RolePolicyAttachment(Resource):
    name = "aws_iam_role_policy_attachment"
    accepts = frozenset({"policy_arn", "role"})
    replace = accepts

    def create(self, aws: Connection, want: Values) -> Values:
        aws.client("iam").attach_role_policy(RoleName=want["role"], PolicyArn=want["policy_arn"])
        return {
            "id": unique_name(f"{want['role']}-"),
            "role": want["role"],
            "policy_arn": want["policy_arn"],
        }

    def read(self, aws: Connection, state: Values) -> Values | None:
        iam = aws.client("iam")
        answer = found(ABSENT, iam.list_attached_role_policies, RoleName=state["role"])
        attached = [policy["PolicyArn"] for policy in (answer or {}).get("AttachedPolicies", ())]
        if state["policy_arn"] not in attached:
            return None
        return {name: state[name] for name in ("id", "role", "policy_arn")}

    def delete(self, aws: Connection, state: Values, _within: float) -> None:
        found(
            ABSENT,
            aws.client("iam").detach_role_policy,
            RoleName=state["role"],
            PolicyArn=state["policy_arn"],
        )

    def identify(self, import_id: str) -> Values:
        role, policy_arn = split_id(import_id, "/", "role-name/policy-arn")
        return {"id": f"{role}-{policy_arn}", "role": role, "policy_arn": policy_arn}


# IAM keeps five versions of a policy (IAM user guide, access_policies_managed-versioning).
_MOST_VERSIONS = 5


class Policy(Resource):
    name = "aws_iam_policy"
    accepts = frozenset({"description", "name", "name_prefix", "path", "policy", "tags"})
    replace = frozenset({"description", "name", "name_prefix", "path"})
    defaults: ClassVar[Mapping[str, Any]] = {"path": "/"}
    policies = frozenset({"policy"})

    def create(self, aws: Connection, want: Values) -> Values:
        name = want["name"] or unique_name(want["name_prefix"])
        description = {"Description": want["description"]} if want["description"] else {}
        made = aws.client("iam").create_policy(
            PolicyName=name,
            Path=want["path"],
            PolicyDocument=want["policy"],
            Tags=as_pairs(want["tags_all"]),
            **description,
        )
        return {"id": made["Policy"]["Arn"], "name": name, "name_prefix": want["name_prefix"]}

    def read(self, aws: Connection, state: Values) -> Values | None:
        seen = flat_policy(aws, state["id"])
        return None if seen is None else seen | {"tags": aws.user_tags(seen["tags_all"], state)}

    def update(self, aws: Connection, was: Values, want: Values) -> None:
        iam, arn = aws.client("iam"), want["id"]
        if was["policy"] != want["policy"]:
            versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
            if len(versions) >= _MOST_VERSIONS:
                old = [each for each in versions if not each["IsDefaultVersion"]]
                oldest = min(old, key=lambda each: each["CreateDate"])
                iam.delete_policy_version(PolicyArn=arn, VersionId=oldest["VersionId"])
            iam.create_policy_version(
                PolicyArn=arn, PolicyDocument=want["policy"], SetAsDefault=True
            )
        removed, added = tag_changes(was["tags_all"] or {}, want["tags_all"] or {})
        if removed:
            iam.untag_policy(PolicyArn=arn, TagKeys=removed)
        if added:
            iam.tag_policy(PolicyArn=arn, Tags=as_pairs(added))

    def delete(self, aws: Connection, state: Values, _within: float) -> None:
        iam, arn = aws.client("iam"), state["id"]
        answer = found(ABSENT, iam.list_policy_versions, PolicyArn=arn) or {}
        for version in answer.get("Versions", ()):
            if not version["IsDefaultVersion"]:
                found(
                    ABSENT,
                    iam.delete_policy_version,
                    PolicyArn=arn,
                    VersionId=version["VersionId"],
                )
        found(ABSENT, iam.delete_policy, PolicyArn=arn)

    def identify(self, import_id: str) -> Values:
        return {"id": import_id, "arn": import_id}


def flat_policy(aws: Connection, arn: str) -> Values | None:
    """A managed policy, as the resource and the data source have it."""
    iam = aws.client("iam")
    answer = found(ABSENT, iam.get_policy, PolicyArn=arn)
    if answer is None:
        return None
    policy = answer["Policy"]
    version = iam.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])
    return {
        "arn": arn,
        "attachment_count": policy.get("AttachmentCount", 0),
        "description": policy.get("Description", ""),
        "id": arn,
        "name": policy["PolicyName"],
        "path": policy["Path"],
        "policy": compact(version["PolicyVersion"]["Document"]),
        "policy_id": policy["PolicyId"],
        "tags_all": from_pairs(policy.get("Tags", ())),
    }
