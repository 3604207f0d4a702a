"""
The add-ons that can be asked for.

The Pod Identity agent really runs. The three that every cluster has are known by
name, so that a stack that lists them works, but what they would do is already
there. Anything else is refused as EKS refuses it: an add-on that silently does
nothing would be worse.
"""

import json
from dataclasses import dataclass
from typing import Any

from conformance.emulator.eks import addon_configuration
from conformance.emulator.eks.call import Call
from conformance.emulator.eks.errors import invalid_parameter
from conformance.emulator.eks.pages import page
from conformance.emulator.eks.versions import PLATFORM_VERSIONS


@dataclass(frozen=True)
class AddonKind:
    """One add-on of the catalogue."""

    name: str
    type: str
    versions: tuple[str, ...]
    """Newest first; the first one is the default."""
    runs: bool
    """False: a record only."""
    service_accounts: tuple[str, ...] = ()
    """Those that may have an association with the add-on."""
    recommended_policies: tuple[str, ...] = ()
    """Managed policies for the roles of those service accounts."""
    namespace: str = "kube-system"


CATALOGUE = {
    kind.name: kind
    for kind in (
        AddonKind(
            "eks-pod-identity-agent",
            "security",
            ("v1.3.10-eksbuild.2", "v1.3.10-eksbuild.1"),
            runs=True,
        ),
        AddonKind(
            "vpc-cni",
            "networking",
            ("v1.21.1-eksbuild.1",),
            runs=False,
            service_accounts=("aws-node",),
            recommended_policies=("arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy",),
        ),
        AddonKind("kube-proxy", "networking", ("v1.37.0-eksbuild.1",), runs=False),
        AddonKind("coredns", "networking", ("v1.13.2-eksbuild.1",), runs=False),
    )
}


def checked(name: str, version: str | None) -> tuple[AddonKind, str]:
    """The add-on and its version, by default the newest; raises InvalidParameterException."""
    if name not in CATALOGUE:
        raise invalid_parameter("Addon specified is not supported", addonName=name)
    kind = CATALOGUE[name]
    version = version or kind.versions[0]
    if version not in kind.versions:
        raise invalid_parameter("Addon version specified is not supported", addonName=name)
    return kind, version


async def describe_versions(call: Call) -> dict[str, Any]:
    wanted = [kind for name, kind in CATALOGUE.items() if call["addonName"] in (None, name)]
    if call["types"]:
        wanted = [kind for kind in wanted if kind.type in call["types"]]
    if "eks" not in (call["publishers"] or ["eks"]) or "aws" not in (call["owners"] or ["aws"]):
        wanted = []
    if (call["kubernetesVersion"] or next(iter(PLATFORM_VERSIONS))) not in PLATFORM_VERSIONS:
        wanted = []
    here, token = page(call, wanted, lambda kind: kind.name)
    return {"addons": [_told(kind, call["kubernetesVersion"]) for kind in here], "nextToken": token}


async def describe_configuration(call: Call) -> dict[str, Any]:
    kind, version = checked(call["addonName"], call["addonVersion"])
    policies = list(kind.recommended_policies)
    return {
        "addonName": kind.name,
        "addonVersion": version,
        "configurationSchema": json.dumps(addon_configuration.schema(kind.name)),
        "podIdentityConfiguration": [
            {"serviceAccount": account, "recommendedManagedPolicies": policies}
            for account in kind.service_accounts
        ],
    }


def _told(kind: AddonKind, only: str | None) -> dict[str, Any]:
    clusters = [only] if only else list(PLATFORM_VERSIONS)
    return {
        "addonName": kind.name,
        "type": kind.type,
        "publisher": "eks",
        "owner": "aws",
        "defaultNamespace": kind.namespace,
        "addonVersions": [
            {
                "addonVersion": version,
                "architecture": ["amd64", "arm64"],
                "compatibilities": [
                    {
                        "clusterVersion": cluster,
                        "platformVersions": ["*"],
                        "defaultVersion": version == kind.versions[0],
                    }
                    for cluster in clusters
                ],
                "requiresConfiguration": False,
                "requiresIamPermissions": bool(kind.service_accounts),
            }
            for version in kind.versions
        ],
    }
