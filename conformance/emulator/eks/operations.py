"""
Every operation that is emulated: its handler, and the resource IAM is asked about.

One table, because an operation that nobody authorised is the mistake that a suite
about permissions cannot afford: an entry without a resource does not exist.

Source of the resources: Service Authorization Reference, "Actions, resources, and
condition keys for Amazon Elastic Kubernetes Service"; the ARNs in AWS's refusals.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from conformance.emulator.eks import (
    access_entries,
    access_policies,
    addon_catalogue,
    addons,
    associations,
    clusters,
    nodegroups,
    tags,
    updates,
    versions,
)
from conformance.emulator.eks.call import Call

Handler = Callable[[Call], Awaitable[dict[str, Any]]]


@dataclass(frozen=True)
class Operation:
    """A handler, and how to say which resource a call is about."""

    handler: Handler
    resource: Callable[[Call], str]


def _nothing(_: Call) -> str:
    """For actions without resource types."""
    return "*"


def _all_clusters(call: Call) -> str:
    return call.arn("cluster/*")


def _cluster(call: Call) -> str:
    return call.arn(f"cluster/{call.cluster_name}")


def _nodegroup(call: Call) -> str:
    cluster, name = call.find_cluster(), call["nodegroupName"]
    found = cluster.nodegroups.get(name) if cluster else None
    return found.arn if found else call.arn(f"nodegroup/{call.cluster_name}/{name}/*")


def _addon(call: Call) -> str:
    cluster, name = call.find_cluster(), call["addonName"]
    found = cluster.addons.get(name) if cluster else None
    return found.arn if found else call.arn(f"addon/{call.cluster_name}/{name}/*")


def _association(call: Call) -> str:
    return call.arn(f"podidentityassociation/{call.cluster_name}/{call['associationId']}")


def _access_entry(call: Call) -> str:
    cluster, principal = call.find_cluster(), call["principalArn"]
    found = cluster.access_entries.get(principal) if cluster else None
    if found:
        return found.arn
    account, _, name = principal.partition(":iam::")[2].partition(":")
    kind, _, name = name.partition("/")
    return call.arn(f"access-entry/{call.cluster_name}/{kind}/{account}/{name}/*")


def _tagged(call: Call) -> str:
    arn: str = call["resourceArn"]
    return arn


OPERATIONS: Mapping[str, Operation] = {
    "CreateCluster": Operation(clusters.create, _cluster),
    "DescribeCluster": Operation(clusters.describe, _cluster),
    "ListClusters": Operation(clusters.list_, _all_clusters),
    "UpdateClusterConfig": Operation(clusters.update_config, _cluster),
    "UpdateClusterVersion": Operation(clusters.update_version, _cluster),
    "DeleteCluster": Operation(clusters.delete, _cluster),
    "DescribeClusterVersions": Operation(versions.describe, _nothing),
    "CreateNodegroup": Operation(nodegroups.create, _cluster),
    "DescribeNodegroup": Operation(nodegroups.describe, _nodegroup),
    "ListNodegroups": Operation(nodegroups.list_, _cluster),
    "UpdateNodegroupConfig": Operation(nodegroups.update_config, _nodegroup),
    "UpdateNodegroupVersion": Operation(nodegroups.update_version, _nodegroup),
    "DeleteNodegroup": Operation(nodegroups.delete, _nodegroup),
    "CreateAddon": Operation(addons.create, _cluster),
    "DescribeAddon": Operation(addons.describe, _addon),
    "ListAddons": Operation(addons.list_, _cluster),
    "UpdateAddon": Operation(addons.update, _addon),
    "DeleteAddon": Operation(addons.delete, _addon),
    "DescribeAddonVersions": Operation(addon_catalogue.describe_versions, _nothing),
    "DescribeAddonConfiguration": Operation(addon_catalogue.describe_configuration, _nothing),
    "CreateAccessEntry": Operation(access_entries.create, _cluster),
    "DescribeAccessEntry": Operation(access_entries.describe, _access_entry),
    "ListAccessEntries": Operation(access_entries.list_, _cluster),
    "UpdateAccessEntry": Operation(access_entries.update, _access_entry),
    "DeleteAccessEntry": Operation(access_entries.delete, _access_entry),
    "AssociateAccessPolicy": Operation(access_entries.associate_policy, _access_entry),
    "DisassociateAccessPolicy": Operation(access_entries.disassociate_policy, _access_entry),
    "ListAssociatedAccessPolicies": Operation(access_entries.list_policies, _access_entry),
    "ListAccessPolicies": Operation(access_policies.list_, _nothing),
    "CreatePodIdentityAssociation": Operation(associations.create, _cluster),
    "DescribePodIdentityAssociation": Operation(associations.describe, _association),
    "ListPodIdentityAssociations": Operation(associations.list_, _cluster),
    "UpdatePodIdentityAssociation": Operation(associations.update, _association),
    "DeletePodIdentityAssociation": Operation(associations.delete, _association),
    "TagResource": Operation(tags.tag, _tagged),
    "UntagResource": Operation(tags.untag, _tagged),
    "ListTagsForResource": Operation(tags.list_, _tagged),
    "DescribeUpdate": Operation(updates.describe, _cluster),
    "ListUpdates": Operation(updates.list_, _cluster),
}


_ACCESS_KEYS = {
    "principalArn": "eks:principalArn",
    "kubernetesGroups": "eks:kubernetesGroups",
    "username": "eks:username",
    "type": "eks:accessEntryType",
    "policyArn": "eks:policyArn",
}
"""Parameters of access entries that are condition keys. Source: as for the resources."""


def conditions(call: Call, resource: str) -> dict[str, str | list[str]]:
    """Condition keys: tags of the request and of the resource, and those of access entries."""
    keys: dict[str, str | list[str]] = {}
    asked: dict[str, str] = call["tags"] or {}
    names = list(asked) or list(call["tagKeys"] or ())
    if names:
        keys["aws:TagKeys"] = names
    keys |= {f"aws:RequestTag/{key}": value for key, value in asked.items()}
    there = call.store.tagged(resource) or {}
    keys |= {f"aws:ResourceTag/{key}": value for key, value in there.items()}
    if call["principalArn"]:
        keys |= {key: call[name] for name, key in _ACCESS_KEYS.items() if call[name]}
        scope = call["accessScope"] or {}
        keys |= {"eks:accessScope": scope["type"]} if scope.get("type") else {}
        keys |= {"eks:namespaces": scope["namespaces"]} if scope.get("namespaces") else {}
    return keys
