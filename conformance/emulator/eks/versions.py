"""
Kubernetes versions that a cluster can have.

One API server answers for all of them, by the rules of the newest; an older
version is what the cluster says of itself, not what it does differently.
"""

from typing import Any

from conformance.emulator.eks.call import Call
from conformance.emulator.eks.errors import invalid_parameter
from conformance.emulator.eks.pages import page

PLATFORM_VERSIONS = {
    "1.31": "eks.40",
    "1.32": "eks.33",
    "1.33": "eks.26",
    "1.34": "eks.18",
    "1.35": "eks.11",
    "1.36": "eks.5",
    "1.37": "eks.1",
}
"""Kubernetes to platform version; all know Pod Identity. The numbers of EKS move monthly."""
DEFAULT_VERSION = "1.37"
"""What kube-apiserver our API server follows; see `cluster/apiserver`."""


def checked(version: str | None) -> str:
    """The version, or the default; raises InvalidParameterException."""
    version = version or DEFAULT_VERSION
    if version not in PLATFORM_VERSIONS:
        raise invalid_parameter(f"unsupported Kubernetes version {version}")
    return version


def next_version(version: str) -> str | None:
    """The one minor version that a cluster of this version can be updated to."""
    later = list(PLATFORM_VERSIONS)[list(PLATFORM_VERSIONS).index(version) + 1 :]
    return later[0] if later else None


async def describe(call: Call) -> dict[str, Any]:
    wanted = call["clusterVersions"] or PLATFORM_VERSIONS
    versions = [v for v in PLATFORM_VERSIONS if v in wanted]
    if call["defaultOnly"]:
        versions = [v for v in versions if v == DEFAULT_VERSION]
    asked = (call["versionStatus"] or "STANDARD_SUPPORT", call["status"] or "standard-support")
    if asked != ("STANDARD_SUPPORT", "standard-support"):
        versions = []
    here, token = page(call, versions, str)
    return {"clusterVersions": [_told(version) for version in here], "nextToken": token}


def _told(version: str) -> dict[str, Any]:
    return {
        "clusterVersion": version,
        "clusterType": "eks",
        "defaultPlatformVersion": PLATFORM_VERSIONS[version],
        "defaultVersion": version == DEFAULT_VERSION,
        "status": "standard-support",
        "versionStatus": "STANDARD_SUPPORT",
    }
