"""The cluster, as resource and as data source."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from conformance.terraform.provider import eks
from conformance.terraform.provider.connection import Connection, found
from conformance.terraform.provider.resource import DataSource, FailedError, Resource
from conformance.terraform.provider.values import Values, own


def _describe_cluster(aws: Connection, name: str) -> Values | None:
    answer = found(eks.ABSENT, aws.client("eks").describe_cluster, name=name)
    return None if answer is None else answer["cluster"]


def _flat_cluster(seen: Mapping[str, Any]) -> Values:
    """A cluster as both the resource and the data source have it."""
    network = seen.get("kubernetesNetworkConfig", {})
    vpc = seen.get("resourcesVpcConfig", {})
    access = seen.get("accessConfig", {})
    return {
        "access_config": [{"authentication_mode": access["authenticationMode"]}] if access else [],
        "arn": seen["arn"],
        "certificate_authority": [{"data": seen.get("certificateAuthority", {}).get("data", "")}],
        "created_at": eks.moment(seen, "createdAt"),
        "endpoint": seen.get("endpoint", ""),
        "id": seen["name"],
        "identity": [
            {"oidc": [{"issuer": seen.get("identity", {}).get("oidc", {}).get("issuer", "")}]}
        ],
        "kubernetes_network_config": [
            {
                "ip_family": network.get("ipFamily"),
                "service_ipv4_cidr": network.get("serviceIpv4Cidr"),
                "service_ipv6_cidr": network.get("serviceIpv6Cidr"),
            }
        ],
        "name": seen["name"],
        "platform_version": seen.get("platformVersion", ""),
        "role_arn": seen.get("roleArn"),
        "status": seen["status"],
        "upgrade_policy": [
            {"support_type": seen.get("upgradePolicy", {}).get("supportType", "EXTENDED")}
        ],
        "version": seen.get("version"),
        "vpc_config": [
            {
                "cluster_security_group_id": vpc.get("clusterSecurityGroupId", ""),
                "endpoint_private_access": vpc.get("endpointPrivateAccess", False),
                "endpoint_public_access": vpc.get("endpointPublicAccess", True),
                "public_access_cidrs": vpc.get("publicAccessCidrs", []),
                "security_group_ids": vpc.get("securityGroupIds", []),
                "subnet_ids": vpc.get("subnetIds", []),
                "vpc_id": vpc.get("vpcId", ""),
            }
        ],
    }


_CREATOR_IS_ADMIN: Final = "bootstrap_cluster_creator_admin_permissions"


class Cluster(Resource):
    name = "aws_eks_cluster"
    accepts = frozenset(
        {
            "access_config",
            "bootstrap_self_managed_addons",
            "kubernetes_network_config",
            "name",
            "role_arn",
            "tags",
            "timeouts",
            "upgrade_policy",
            "version",
            "vpc_config",
        }
    )
    replace = frozenset(
        {
            f"access_config.{_CREATOR_IS_ADMIN}",
            "bootstrap_self_managed_addons",
            "kubernetes_network_config.ip_family",
            "kubernetes_network_config.service_ipv4_cidr",
            "name",
            "role_arn",
        }
    )
    defaults: ClassVar[Mapping[str, Any]] = {
        # EKS's own default is true; the real provider sends false with any access_config.
        "access_config": {_CREATOR_IS_ADMIN: False},
        "bootstrap_self_managed_addons": True,
        "vpc_config": {"endpoint_private_access": False, "endpoint_public_access": True},
    }
    computed_blocks = frozenset({"access_config", "kubernetes_network_config", "upgrade_policy"})

    def create(self, aws: Connection, want: Values) -> Values:
        service = aws.client("eks")
        request = {
            "name": want["name"],
            "roleArn": want["role_arn"],
            "resourcesVpcConfig": _vpc_request(want["vpc_config"][0]),
            "bootstrapSelfManagedAddons": want["bootstrap_self_managed_addons"],
            "accessConfig": _first(
                want["access_config"],
                authenticationMode="authentication_mode",
                bootstrapClusterCreatorAdminPermissions=_CREATOR_IS_ADMIN,
            ),
            "kubernetesNetworkConfig": _first(
                want["kubernetes_network_config"],
                ipFamily="ip_family",
                serviceIpv4Cidr="service_ipv4_cidr",
            ),
            "upgradePolicy": _first(want["upgrade_policy"], supportType="support_type"),
            "tags": want["tags_all"],
            "version": want["version"],
        }
        eks.once_iam_knows(aws, lambda: service.create_cluster(**eks.given(**request)))
        return {"id": want["name"], "name": want["name"]}

    def ready(self, aws: Connection, state: Values, within: float) -> None:
        name = state["id"]
        eks.await_active(aws, f"cluster {name}", lambda: _describe_cluster(aws, name), within)

    def read(self, aws: Connection, state: Values) -> Values | None:
        seen = _describe_cluster(aws, state["id"])
        if seen is None:
            return None
        # Only Outposts have a cluster_id; AWS never tells who was made admin at creation.
        flat = _flat_cluster(seen) | eks.tags(aws, seen, state)
        for written, read in zip(state["access_config"] or (), flat["access_config"], strict=False):
            read[_CREATOR_IS_ADMIN] = written[_CREATOR_IS_ADMIN]
        return flat

    def update(self, aws: Connection, was: Values, want: Values) -> None:
        service, name = aws.client("eks"), want["id"]
        if eks.changed(was, want, "version"):
            service.update_cluster_version(name=name, version=want["version"])
        if eks.changed(was, want, "vpc_config"):
            service.update_cluster_config(
                name=name, resourcesVpcConfig=_vpc_request(want["vpc_config"][0])
            )
        if eks.changed(was, want, "access_config") and want["access_config"]:
            mode = want["access_config"][0]["authentication_mode"]
            service.update_cluster_config(name=name, accessConfig={"authenticationMode": mode})
        eks.retag(aws, was["arn"], was, want)

    def delete(self, aws: Connection, state: Values, within: float) -> None:
        name = state["id"]
        found(eks.ABSENT, aws.client("eks").delete_cluster, name=name)
        eks.await_end(aws, f"cluster {name}", lambda: _describe_cluster(aws, name), within)

    def identify(self, import_id: str) -> Values:
        return {"id": import_id, "name": import_id}


def _vpc_request(vpc: Values) -> Values:
    return eks.given(
        subnetIds=vpc["subnet_ids"],
        securityGroupIds=vpc["security_group_ids"],
        endpointPublicAccess=vpc["endpoint_public_access"],
        endpointPrivateAccess=vpc["endpoint_private_access"],
        publicAccessCidrs=vpc["public_access_cidrs"],
    )


def _first(block: list[Values] | None, **members: str) -> Values:
    """The request form of a block that is there at most once."""
    if not block:
        return {}
    return eks.given(**{member: block[0][attribute] for member, attribute in members.items()})


class ClusterData(DataSource):
    name = "aws_eks_cluster"
    accepts = frozenset({"name"})

    def read(self, aws: Connection, config: Values) -> Values:
        seen = _describe_cluster(aws, config["name"])
        if seen is None:
            raise FailedError(f"no cluster is named {config['name']} in {aws.region}")
        return _flat_cluster(seen) | {"tags": own(seen.get("tags", {}))}
