"""
Access entries: IAM principals that may use a cluster's Kubernetes API.

An entry belongs to a principal, not to its ARN: EKS keeps the unique id, so a role
that was deleted and made again is refused until its entry is made again, too. Rights
come from groups, which RBAC binds, and from access policies. What an entry means is
asked anew for each request (`token_review`), so a change counts at once.

Sources: EKS user guide, creating-access-entries and access-policies; refusals as users
of Terraform, ACK and the workshops saw them.
"""

import re
import uuid
from typing import Any, Literal

from conformance.emulator.eks import access_policies
from conformance.emulator.eks.call import Call, partition
from conformance.emulator.eks.errors import (
    ServiceError,
    in_use,
    invalid_parameter,
    invalid_request,
    not_found,
)
from conformance.emulator.eks.pages import page
from conformance.emulator.eks.store import AccessEntry, Cluster, Person, PolicyAssociation, now

STANDARD = "STANDARD"
EC2_LINUX = "EC2_LINUX"
_NODE_BY_INSTANCE = "system:node:{{EC2PrivateDNSName}}"
_NODE_BY_SESSION = "system:node:{{SessionName}}"
_USERNAMES = {
    EC2_LINUX: _NODE_BY_INSTANCE,
    "EC2_WINDOWS": _NODE_BY_INSTANCE,
    "EC2": _NODE_BY_INSTANCE,
    "FARGATE_LINUX": _NODE_BY_SESSION,
    "HYBRID_LINUX": _NODE_BY_SESSION,
}
"""Types but STANDARD, and the username that EKS sets; all of them are nodes."""
_EC2 = "ec2.amazonaws.com"
_RESERVED = ("system:", "eks:", "aws:", "amazon:", "iam:")
_NAMESPACE = re.compile(r"[a-z0-9*]([-a-z0-9*]{0,61}[a-z0-9*])?")


async def create(call: Call) -> dict[str, Any]:
    again = call.repeated(AccessEntry)
    cluster = _cluster_with_entries(call)
    if again is not None:
        return {"accessEntry": _told(cluster, again)}
    principal_arn, type_ = call["principalArn"], call["type"] or STANDARD
    if type_ != STANDARD and type_ not in _USERNAMES:
        raise invalid_parameter(f"The specified type is invalid: {type_}")
    if ":role/aws-service-role/" in principal_arn:
        raise invalid_parameter(
            "The caller is not allowed to modify access entries with a principalArn value of a "
            "Service Linked Role"
        )
    unique_id = call.world.unique_id(principal_arn)
    of_account = principal_arn.split(":")[4] == call.account_id if unique_id else False
    if unique_id is None or (type_ != STANDARD and not of_account):
        raise invalid_parameter("The specified principalArn is invalid: invalid principal.")
    if type_ != STANDARD and (call["username"] or call["kubernetesGroups"]):
        raise _standard_only()
    if principal_arn in cluster.access_entries:
        raise in_use("The specified access entry resource is already in use on this cluster.")
    if type_ in (EC2_LINUX, "EC2_WINDOWS"):
        call.pass_role(principal_arn, _EC2, cluster.arn)
    entry = make(
        cluster,
        Person(principal_arn, unique_id),
        type_=type_,
        username=call["username"],
        groups=call["kubernetesGroups"] or [],
        tags=call["tags"] or {},
    )
    cluster.access_entries[principal_arn] = entry
    call.remember(entry)
    return {"accessEntry": _told(cluster, entry)}


def make(
    cluster: Cluster,
    principal: Person,
    *,
    type_: str = STANDARD,
    username: str | None = None,
    groups: list[str] | None = None,
    tags: dict[str, str] | None = None,
) -> AccessEntry:
    """An entry, not yet stored; raises InvalidParameterException for a name that is reserved."""
    groups = groups or []
    _check_names(username, groups)
    account, kind = principal.arn.split(":")[4], principal.arn.split(":", 5)[5]
    kind, _, name = kind.partition("/")
    where = f"arn:{partition(cluster.region)}:eks:{cluster.region}:{cluster.account_id}"
    path = "/".join(filter(None, (kind, account, name)))
    return AccessEntry(
        principal=principal,
        arn=f"{where}:access-entry/{cluster.name}/{path}/{uuid.uuid4()}",
        type=type_,
        username=username or _USERNAMES.get(type_) or _default_username(principal.arn),
        groups=list(groups),
        tags=dict(tags or {}),
    )


def make_for_creator(cluster: Cluster) -> None:
    """The cluster's creator becomes its administrator."""
    entry = make(cluster, cluster.creator)
    arn = access_policies.arn(cluster.region, access_policies.CLUSTER_ADMIN)
    entry.policies[arn] = PolicyAssociation(arn, "cluster", [])
    cluster.access_entries.setdefault(cluster.creator.arn, entry)


def make_for_nodes(call: Call, cluster: Cluster, role_arn: str) -> None:
    """What EKS does for a managed node group: its role may join nodes."""
    unique_id = call.world.unique_id(role_arn)
    if cluster.authentication_mode == "CONFIG_MAP" or unique_id is None:
        return
    entry = make(cluster, Person(role_arn, unique_id), type_=EC2_LINUX)
    cluster.access_entries.setdefault(role_arn, entry)


def _default_username(principal_arn: str) -> str:
    """A role's path is left out, as STS leaves it out."""
    parts = principal_arn.split(":", 5)
    if not parts[5].startswith("role/"):
        return principal_arn
    name = parts[5].rpartition("/")[2]
    return f"arn:{parts[1]}:sts::{parts[4]}:assumed-role/{name}/{{{{SessionName}}}}"


def _check_names(username: str | None, groups: list[str]) -> None:
    for what, name in (("username", username or ""), *(("group name", group) for group in groups)):
        for prefix in _RESERVED:
            if name.startswith(prefix):
                raise invalid_parameter(
                    f"The kubernetes {what} {name} is invalid, it cannot start with {prefix}"
                )
    before, placeholder, _ = (username or "").partition("{{SessionName")
    if placeholder and ":" not in before:
        raise invalid_parameter(
            f"The kubernetes username {username} is invalid, it must include a colon before "
            "{{SessionName}}"
        )


def _standard_only() -> ServiceError:
    return invalid_parameter(
        'This operation can only be performed on Access Entries with a type of "STANDARD".'
    )


def _cluster_with_entries(call: Call) -> Cluster:
    cluster = call.active_cluster()
    if cluster.authentication_mode == "CONFIG_MAP":
        raise invalid_request(
            "The cluster's authentication mode must be set to one of "
            "[API, API_AND_CONFIG_MAP] to perform this operation.",
            clusterName=cluster.name,
        )
    return cluster


def _entry(call: Call) -> tuple[Cluster, AccessEntry]:
    cluster = _cluster_with_entries(call)
    if call["principalArn"] not in cluster.access_entries:
        raise not_found(
            "The specified principalArn could not be found. You can view your available access "
            "entries with 'list-access-entries'.",
            clusterName=cluster.name,
        )
    return cluster, cluster.access_entries[call["principalArn"]]


async def describe(call: Call) -> dict[str, Any]:
    return {"accessEntry": _told(*_entry(call))}


async def list_(call: Call) -> dict[str, Any]:
    wanted = call["associatedPolicyArn"]
    entries = _cluster_with_entries(call).access_entries
    arns = [arn for arn, entry in entries.items() if wanted in (None, *entry.policies)]
    here, token = page(call, arns, str)
    return {"accessEntries": here, "nextToken": token}


async def update(call: Call) -> dict[str, Any]:
    cluster, entry = _entry(call)
    if call.repeated(AccessEntry):
        return {"accessEntry": _told(cluster, entry)}
    username, groups = call["username"], call["kubernetesGroups"]
    if entry.type != STANDARD:
        raise _standard_only()
    _check_names(username, groups or [])
    entry.username = username or entry.username
    entry.groups = entry.groups if groups is None else list(groups)
    entry.modified_at = now()
    call.remember(entry)
    return {"accessEntry": _told(cluster, entry)}


async def delete(call: Call) -> dict[str, Any]:
    cluster, entry = _entry(call)
    del cluster.access_entries[entry.principal.arn]
    call.store.forget_made(entry)
    return {}


async def associate_policy(call: Call) -> dict[str, Any]:
    """The same policy again gets a new scope."""
    cluster, entry = _entry(call)
    policy_arn, scope = call["policyArn"], call["accessScope"]
    if entry.type != STANDARD:
        raise _standard_only()
    if not access_policies.known(call.region, policy_arn):
        raise invalid_parameter(f"The specified policyArn is invalid: {policy_arn}")
    kind: Literal["cluster", "namespace"] = scope.get("type") or "cluster"
    namespaces: list[str] = scope.get("namespaces") or []
    if bool(namespaces) is (kind == "cluster"):
        raise invalid_parameter(
            "accessScope: namespaces go with the type namespace, and only with it"
        )
    wrong = [name for name in namespaces if not _NAMESPACE.fullmatch(name)]
    if wrong:
        raise invalid_parameter(f"accessScope: {wrong[0]} is not a namespace name or pattern")
    made = PolicyAssociation(policy_arn, kind, namespaces)
    before = entry.policies.get(policy_arn)
    made.created_at = before.created_at if before else made.created_at
    entry.policies[policy_arn] = made
    entry.modified_at = now()
    return {
        "clusterName": cluster.name,
        "principalArn": entry.principal.arn,
        "associatedAccessPolicy": _policy_told(made),
    }


async def disassociate_policy(call: Call) -> dict[str, Any]:
    cluster, entry = _entry(call)
    if entry.policies.pop(call["policyArn"], None) is None:
        raise not_found(
            f"The specified policyArn is not associated: {call['policyArn']}",
            clusterName=cluster.name,
        )
    entry.modified_at = now()
    return {}


async def list_policies(call: Call) -> dict[str, Any]:
    cluster, entry = _entry(call)
    here, token = page(call, entry.policies.values(), lambda policy: policy.policy_arn)
    return {
        "clusterName": cluster.name,
        "principalArn": entry.principal.arn,
        "associatedAccessPolicies": [_policy_told(policy) for policy in here],
        "nextToken": token,
    }


def _policy_told(policy: PolicyAssociation) -> dict[str, Any]:
    return {
        "policyArn": policy.policy_arn,
        "accessScope": {"type": policy.scope, "namespaces": policy.namespaces},
        "associatedAt": policy.created_at,
        "modifiedAt": policy.modified_at,
    }


def _told(cluster: Cluster, entry: AccessEntry) -> dict[str, Any]:
    return {
        "clusterName": cluster.name,
        "principalArn": entry.principal.arn,
        "kubernetesGroups": entry.groups,
        "accessEntryArn": entry.arn,
        "createdAt": entry.created_at,
        "modifiedAt": entry.modified_at,
        "tags": entry.tags,
        "username": entry.username,
        "type": entry.type,
    }
