"""
Clusters: CreateCluster really starts one.

Subnets and security groups are taken at their word, since no EC2 is emulated;
everything that Pod Identity stands on (issuer, endpoint, certificate authority,
role, the family of addresses) is real and checked. What is only told back, and what
is refused, is in `members.toml`.
"""

import hashlib
import itertools
import secrets
from typing import Any

from conformance.emulator.eks import access_entries, lifecycle, updates
from conformance.emulator.eks.call import Call
from conformance.emulator.eks.errors import in_use, invalid_parameter, invalid_request
from conformance.emulator.eks.pages import page
from conformance.emulator.eks.store import Cluster, Person, Update
from conformance.emulator.eks.versions import PLATFORM_VERSIONS, checked, next_version
from conformance.emulator.service import InvalidSession, TrustRefused

SERVICE = "eks.amazonaws.com"

_CHANGEABLE = {
    "resourcesVpcConfig": "VpcConfigUpdate",
    "accessConfig": "AccessConfigUpdate",
    "upgradePolicy": "UpgradePolicyUpdate",
    "logging": "LoggingUpdate",
    "deletionProtection": "DeletionProtectionUpdate",
}
"""What UpdateClusterConfig may change, one at a time, and what the update is called."""
_MODES = ("CONFIG_MAP", "API_AND_CONFIG_MAP", "API")
_BUSY = ("CREATING", "DELETING")
_ECHOED = ("computeConfig", "storageConfig", "zonalShiftConfig", "controlPlaneScalingConfig")
"""Told back where it was asked for: that it is off, or as it always is."""


async def create(call: Call) -> dict[str, Any]:
    again = call.repeated(Cluster)
    if again is not None:
        return {"cluster": _told(again)}
    name, role_arn = call["name"], call["roleArn"]
    version = checked(call["version"])
    if len(set(call["resourcesVpcConfig"].get("subnetIds", ()))) < 2:
        raise invalid_parameter(
            "Subnets specified must be in at least two different AZs", clusterName=name
        )
    addresses = call["kubernetesNetworkConfig"] or {}
    if addresses.get("ipFamily") == "ipv6" and "serviceIpv4Cidr" in addresses:
        raise invalid_parameter(
            "serviceIpv4Cidr can't be specified for a cluster with ipFamily ipv6", clusterName=name
        )
    arn = call.arn(f"cluster/{name}")
    bootstrap = _bootstrap(call)
    call.pass_role(role_arn, SERVICE, arn)
    if call.find_cluster() is not None:
        raise in_use(f"Cluster already exists with name: {name}", clusterName=name)
    _assume(call, role_arn)
    cluster = Cluster(
        name=name,
        arn=arn,
        account_id=call.account_id,
        region=call.region,
        role_arn=role_arn,
        version=version,
        issuer=f"https://oidc.eks.{call.region}.amazonaws.com/id/{secrets.token_hex(16).upper()}",
        creator=_creator(call),
        tags=dict(call["tags"] or {}),
        request=dict(call.parameters),
    )
    if bootstrap and cluster.authentication_mode != "CONFIG_MAP":
        access_entries.make_for_creator(cluster)
    call.store.clusters[cluster.account_id, cluster.region, cluster.name] = cluster
    call.remember(cluster)
    lifecycle.begin(call.world, cluster)
    return {"cluster": _told(cluster)}


def _creator(call: Call) -> Person:
    caller = call.request.caller
    unique_id = caller.user_id.partition(":")[0]
    return Person(call.world.principal_arn(caller), unique_id)


def _bootstrap(call: Call) -> bool:
    """Whether the creator becomes an administrator, which is so unless asked otherwise."""
    access = call["accessConfig"] or {}
    wanted = access.get("bootstrapClusterCreatorAdminPermissions", True)
    if not wanted and access.get("authenticationMode", "CONFIG_MAP") == "CONFIG_MAP":
        raise invalid_parameter(
            "bootstrapClusterCreatorAdminPermissions must be true if cluster authentication mode "
            "is set to CONFIG_MAP",
            clusterName=call["name"],
        )
    return bool(wanted)


def _assume(call: Call, role_arn: str) -> None:
    """EKS takes on the cluster's role before it makes anything."""
    try:
        call.world.assume_role_for_service(
            role_arn, service=SERVICE, session_name="AmazonEKS", duration_seconds=900
        )
    except (TrustRefused, InvalidSession) as error:
        raise invalid_parameter(
            f"Role with arn: {role_arn}, could not be assumed because it does not exist "
            "or the trusted entity is not correct",
            clusterName=call["name"],
        ) from error


async def describe(call: Call) -> dict[str, Any]:
    return {"cluster": _told(call.cluster())}


async def list_(call: Call) -> dict[str, Any]:
    names = [cluster.name for cluster in call.store.of(call.account_id, call.region)]
    here, token = page(call, names, str)
    return {"clusters": here, "nextToken": token}


async def update_config(call: Call) -> dict[str, Any]:
    cluster = call.cluster()
    if again := updates.again(call):
        return again
    if cluster.status != "ACTIVE":
        raise in_use(f"Cluster is not in ACTIVE status: {cluster.status}", clusterName=cluster.name)
    wanted = {name: call[name] for name in _CHANGEABLE if call[name] is not None}
    if len(wanted) != 1 or set(call.parameters) - wanted.keys() - {"name", "clientRequestToken"}:
        raise invalid_parameter(f"Only one type of update can be allowed: {', '.join(_CHANGEABLE)}")
    [(name, value)] = wanted.items()
    if name == "accessConfig":
        _change_mode(cluster, value)
    before = cluster.request.get(name)
    merged = isinstance(value, dict) and isinstance(before, dict)
    cluster.request[name] = before | value if merged and before else value
    update = updates.begin(call, cluster, _CHANGEABLE[name], {name: value})
    # These are told back and change nothing that runs, so they are done at once.
    update.status = "Successful"
    return {"update": updates.told(update)}


def _change_mode(cluster: Cluster, access: dict[str, Any]) -> None:
    """One step at a time, and never back; the creator's right becomes an access entry."""
    before: str = cluster.authentication_mode
    after: str = access.get("authenticationMode", before)
    if (before, after) not in list(itertools.pairwise(_MODES)):
        raise invalid_parameter(
            f"Unsupported authentication mode update from {before} to {after}",
            clusterName=cluster.name,
        )
    if before == "CONFIG_MAP":
        access_entries.make_for_creator(cluster)


async def update_version(call: Call) -> dict[str, Any]:
    """One minor version up; what runs is the same API server and says the new version."""
    cluster = call.cluster()
    if again := updates.again(call):
        return again
    if cluster.status != "ACTIVE":
        raise in_use(f"Cluster is not in ACTIVE status: {cluster.status}", clusterName=cluster.name)
    version = checked(call["version"])
    if version != next_version(cluster.version):
        raise invalid_parameter(
            f"Unsupported Kubernetes minor version update from {cluster.version} to {version}",
            clusterName=cluster.name,
        )
    params = {"Version": version, "PlatformVersion": PLATFORM_VERSIONS[version]}
    update = updates.begin(call, cluster, "VersionUpdate", params)
    cluster.status = "UPDATING"
    call.store.spawn(_take_version(cluster, version, update))
    return {"update": updates.told(update)}


async def _take_version(cluster: Cluster, version: str, update: Update) -> None:
    cluster.version = version
    cluster.status, update.status = "ACTIVE", "Successful"


async def delete(call: Call) -> dict[str, Any]:
    cluster = call.cluster()
    if cluster.nodegroups:
        raise in_use("Cluster has nodegroups attached", clusterName=cluster.name)
    if cluster.status in _BUSY:
        raise in_use(
            f"Cluster {cluster.name} is in {cluster.status} status", clusterName=cluster.name
        )
    if cluster.request.get("deletionProtection"):
        raise invalid_request(
            "Cluster cannot be deleted while deletion protection is enabled",
            clusterName=cluster.name,
        )
    cluster.status = "DELETING"
    told = _told(cluster)
    cluster.associations.clear()
    cluster.effective = ()
    call.store.spawn(lifecycle.end(call.world, cluster))
    return {"cluster": told}


def _told(cluster: Cluster) -> dict[str, Any]:
    """A cluster as DescribeCluster has it."""
    asked = cluster.request
    ready = cluster.process.ready if cluster.process is not None else None
    access = {**asked.get("accessConfig", {}), "authenticationMode": cluster.authentication_mode}
    access.pop("bootstrapClusterCreatorAdminPermissions", None)
    return {
        "name": cluster.name,
        "arn": cluster.arn,
        "createdAt": cluster.created_at,
        "version": cluster.version,
        "platformVersion": PLATFORM_VERSIONS[cluster.version],
        "endpoint": ready and ready.endpoint,
        "certificateAuthority": {"data": ready.ca} if ready else {},
        "identity": {"oidc": {"issuer": cluster.issuer}},
        "roleArn": cluster.role_arn,
        "status": cluster.status,
        "health": {"issues": [issue.told(cluster.name) for issue in cluster.issues]},
        "resourcesVpcConfig": _network_of(cluster),
        "kubernetesNetworkConfig": _addresses_of(cluster),
        "logging": asked.get("logging") or {"clusterLogging": []},
        "accessConfig": access,
        "upgradePolicy": asked.get("upgradePolicy") or {"supportType": "EXTENDED"},
        "deletionProtection": bool(asked.get("deletionProtection")),
        "encryptionConfig": asked.get("encryptionConfig"),
        "clientRequestToken": asked.get("clientRequestToken"),
        "tags": cluster.tags,
        **{name: asked[name] for name in _ECHOED if name in asked},
    }


def _addresses_of(cluster: Cluster) -> dict[str, Any]:
    """Services have addresses of the cluster's family; those of IPv6 cannot be chosen."""
    asked = cluster.request.get("kubernetesNetworkConfig") or {}
    if cluster.ip_family == "ipv4":
        return {"serviceIpv4Cidr": "172.20.0.0/16", "ipFamily": "ipv4", **asked}
    digest = hashlib.sha256(cluster.arn.encode()).hexdigest()
    cidr = f"fd{digest[:2]}:{digest[2:6]}:{digest[6:10]}::/108"
    return {"serviceIpv6Cidr": cidr, **asked}


def _network_of(cluster: Cluster) -> dict[str, Any]:
    """As asked for, with a VPC and a security group that stay the same for a cluster."""
    digest = hashlib.sha256(cluster.arn.encode()).hexdigest()[:17]
    return {
        "subnetIds": [],
        "securityGroupIds": [],
        "endpointPublicAccess": True,
        "endpointPrivateAccess": False,
        "publicAccessCidrs": ["0.0.0.0/0"],
        **cluster.request["resourcesVpcConfig"],
        "clusterSecurityGroupId": f"sg-{digest}",
        "vpcId": f"vpc-{digest}",
    }
