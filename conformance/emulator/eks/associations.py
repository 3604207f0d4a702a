"""
Pod Identity associations.

One (cluster, namespace, service account), one role. Namespace and service account
need not exist; the role must, in the cluster's account. Deleting one does not
revoke sessions, and nothing but role, target role, tags and policy can change.

Sources: EKS API reference (as in botocore's model) and EKS user guide,
pod-id-association and pod-id-assign-target-role; texts as users saw them.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

from conformance.emulator.eks.call import Call
from conformance.emulator.eks.errors import ServiceError, in_use, invalid_parameter, not_found
from conformance.emulator.eks.pages import page
from conformance.emulator.eks.propagation import announce
from conformance.emulator.eks.store import (
    ASSOCIATION_ID_LENGTH,
    Association,
    Cluster,
    now,
    random_id,
)

SERVICE = "pods.eks.amazonaws.com"

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SERVICE_ACCOUNT = re.compile(r"(?=.{1,253}$)[a-z0-9]([-.a-z0-9]*[a-z0-9])?")
_TARGET_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+", re.ASCII)


async def create(call: Call) -> dict[str, Any]:
    again = call.repeated(Association)
    cluster = call.active_cluster()
    if again is None:
        again = make(
            call,
            cluster,
            _not_yet_gone(cluster),
            namespace=call["namespace"],
            service_account=call["serviceAccount"],
            role_arn=call["roleArn"],
            tags=dict(call["tags"] or {}),
        )
        # What may be refused comes before anything is stored.
        _change(call, cluster, again)
        store(cluster, again)
        call.remember(again)
    try:
        await announce(call.world, cluster)
    except ServiceError:
        # What has no effect must not look as if it were there.
        remove(call, cluster, again)
        raise
    return {"association": told(again)}


def _not_yet_gone(cluster: Cluster) -> list[Association]:
    """
    Those that are there, and deleted ones that still have their effect.

    Who makes one anew at once is told that it exists (aws-controllers-k8s/community#2684).
    """
    there = cluster.associations
    return [*there.values(), *(one for one in cluster.effective if one.id not in there)]


def make(
    call: Call,
    cluster: Cluster,
    others: Iterable[Association],
    *,
    namespace: str,
    service_account: str,
    role_arn: str,
    tags: dict[str, str],
    owner_arn: str | None = None,
) -> Association:
    """
    An association that may stand beside `others`, not yet stored.

    Raises what CreatePodIdentityAssociation refuses with.
    """
    if not _NAMESPACE.fullmatch(namespace):
        raise invalid_parameter(
            f"The parameter namespace is not a valid namespace name: {namespace}"
        )
    if not _SERVICE_ACCOUNT.fullmatch(service_account):
        raise invalid_parameter(
            f"The parameter serviceAccount is not a valid service account name: {service_account}"
        )
    _check_role(call, cluster, role_arn)
    others = list(others)
    for other in others:
        if other.subject == (namespace, service_account):
            raise in_use(f"Association already exists: {other.id}", clusterName=cluster.name)
    quota = call.world.behaviour.associations_per_cluster
    if len(others) >= quota:
        raise ServiceError(
            "ResourceLimitExceededException",
            f"Cluster {cluster.name} has {quota} pod identity associations, which is the limit.",
            clusterName=cluster.name,
        )
    association_id = "a-" + random_id(ASSOCIATION_ID_LENGTH - 2)
    return Association(
        cluster_name=cluster.name,
        namespace=namespace,
        service_account=service_account,
        role_arn=role_arn,
        arn=call.arn(f"podidentityassociation/{cluster.name}/{association_id}"),
        id=association_id,
        tags=tags,
        owner_arn=owner_arn,
    )


def store(cluster: Cluster, association: Association) -> None:
    """From now on it is there; effective it becomes by `announce`."""
    cluster.associations[association.id] = association


def _check_role(call: Call, cluster: Cluster, role_arn: str) -> None:
    call.pass_role(role_arn, SERVICE, cluster.arn)
    if not call.world.role_exists(role_arn):
        # Word for word: Terraform's provider waits for IAM when it reads this.
        raise invalid_parameter("Role provided in the request does not exist")


def _change(call: Call, cluster: Cluster, association: Association) -> None:
    """
    Take over target role, session tags and policy; an empty text takes a value away.

    Raises InvalidParameterException and changes nothing when they do not go together.
    """
    target = _new(call["targetRoleArn"], association.target_role_arn)
    policy = _new(call["policy"], association.policy)
    untagged = call["disableSessionTags"]
    untagged = association.disable_session_tags if untagged is None else untagged
    if target and not _TARGET_ROLE.fullmatch(target):
        raise invalid_parameter(f"Invalid role ARN: {target}")
    if policy and not untagged:
        raise invalid_parameter("The parameter policy needs disableSessionTags to be true")
    if policy and not _is_policy(policy):
        raise invalid_parameter("The parameter policy is not a policy in JSON")
    association.target_role_arn, association.policy = target, policy
    association.disable_session_tags = untagged
    owner = f"{cluster.region}/{cluster.account_id}/{cluster.name}"
    association.external_id = (
        f"{owner}/{association.namespace}/{association.service_account}" if target else None
    )


def _new(given: str | None, before: str | None) -> str | None:
    return before if given is None else given or None


def _is_policy(text: str) -> bool:
    try:
        policy = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(policy, dict) and isinstance(policy.get("Statement"), list | dict)


async def describe(call: Call) -> dict[str, Any]:
    return {"association": told(_find(call))}


async def list_(call: Call) -> dict[str, Any]:
    wanted = [
        association
        for association in call.cluster().associations.values()
        if call["namespace"] in (None, association.namespace)
        and call["serviceAccount"] in (None, association.service_account)
    ]
    here, token = page(call, wanted, lambda a: f"{a.created_at.isoformat()} {a.id}")
    return {"associations": [_summary(a) for a in here], "nextToken": token}


async def update(call: Call) -> dict[str, Any]:
    cluster, association = call.cluster(), _find(call)
    if call.repeated(Association):
        return {"association": told(association)}
    changes = ("roleArn", "disableSessionTags", "targetRoleArn", "policy")
    if all(call[name] is None for name in changes):
        raise invalid_parameter(f"At least one of {', '.join(changes)} should be given")
    if call["roleArn"] is not None:
        _check_role(call, cluster, call["roleArn"])
    _change(call, cluster, association)
    association.role_arn = call["roleArn"] or association.role_arn
    association.modified_at = now()
    await announce(call.world, cluster)
    call.remember(association)
    return {"association": told(association)}


async def delete(call: Call) -> dict[str, Any]:
    cluster, association = call.cluster(), _find(call)
    remove(call, cluster, association)
    try:
        await announce(call.world, cluster)
    except ServiceError:
        store(cluster, association)
        raise
    return {"association": told(association)}


def remove(call: Call, cluster: Cluster, association: Association) -> None:
    """It is no longer there; its effect ends by `announce`."""
    cluster.associations.pop(association.id, None)
    call.store.forget_made(association)


def _find(call: Call) -> Association:
    cluster, association_id = call.cluster(), call["associationId"]
    if len(association_id) != ASSOCIATION_ID_LENGTH:
        raise invalid_parameter(
            f"The parameter associationId should be {ASSOCIATION_ID_LENGTH} characters long."
        )
    if association_id not in cluster.associations:
        raise not_found(f"No association found for ID: {association_id}", clusterName=cluster.name)
    return cluster.associations[association_id]


def _summary(association: Association) -> dict[str, Any]:
    return {
        "clusterName": association.cluster_name,
        "namespace": association.namespace,
        "serviceAccount": association.service_account,
        "associationArn": association.arn,
        "associationId": association.id,
        "ownerArn": association.owner_arn,
    }


def told(association: Association) -> dict[str, Any]:
    """An association in full."""
    return {
        **_summary(association),
        "roleArn": association.role_arn,
        "tags": association.tags,
        "createdAt": association.created_at,
        "modifiedAt": association.modified_at,
        "disableSessionTags": association.disable_session_tags,
        "targetRoleArn": association.target_role_arn,
        "externalId": association.external_id,
        "policy": association.policy,
    }
