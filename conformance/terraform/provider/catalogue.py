"""
Every resource type and data source that is served; one more is one more line here.

A catalogue is one provider: its address, its types, their schemas, and what its
provider block may say.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from conformance.terraform.provider import (
    dynamodb,
    eks_access,
    eks_addon,
    eks_association,
    eks_cluster,
    eks_node_group,
    existing,
    iam,
    overlay,
    policy_document,
    s3,
    sqs,
    sts,
)
from conformance.terraform.provider.resource import DataSource, Resource
from conformance.terraform.provider.schema import Schemas


@dataclass(frozen=True)
class Catalogue:
    """One provider that this process can serve."""

    source: str
    """As `required_providers` has it: `hashicorp/aws`."""
    resources: Mapping[str, Resource]
    data_sources: Mapping[str, DataSource]
    accepts: frozenset[str]
    """Arguments of the provider block that are honoured, or that leave out what is never done."""
    read_schemas: Callable[[], Schemas]

    @property
    def schemas(self) -> Schemas:
        """Read when first asked for."""
        return self.read_schemas()


RESOURCES: Final[dict[str, Resource]] = {
    resource.name: resource
    for resource in (
        dynamodb.Table(),
        eks_access.AccessEntry(),
        eks_access.AccessPolicyAssociation(),
        eks_addon.Addon(),
        eks_cluster.Cluster(),
        eks_node_group.NodeGroup(),
        eks_association.PodIdentityAssociation(),
        iam.Policy(),
        iam.Role(),
        iam.RolePolicy(),
        iam.RolePolicyAttachment(),
        s3.Bucket(),
        s3.BucketPolicy(),
        s3.Object(),
        sqs.Queue(),
        sqs.QueuePolicy(),
    )
}

DATA_SOURCES: Final[dict[str, DataSource]] = {
    source.name: source
    for source in (
        dynamodb.TableData(),
        eks_addon.AddonData(),
        eks_cluster.ClusterData(),
        existing.BucketData(),
        existing.PolicyData(),
        existing.RoleData(),
        policy_document.PolicyDocument(),
        sqs.QueueData(),
        sts.CallerIdentity(),
        sts.Partition(),
        sts.Region(),
    )
}

PROVIDER_ACCEPTS: Final = frozenset(
    {
        "access_key",
        "default_tags",
        "endpoints",
        "profile",
        "region",
        "s3_use_path_style",
        "secret_key",
        "skip_credentials_validation",
        "skip_metadata_api_check",
        "skip_region_validation",
        "skip_requesting_account_id",
        "token",
    }
)

AWS: Final = Catalogue("hashicorp/aws", RESOURCES, DATA_SOURCES, PROVIDER_ACCEPTS, overlay.schemas)
