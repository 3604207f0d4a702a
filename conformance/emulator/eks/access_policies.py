"""
Access policies: rights in Kubernetes that EKS gives without any RBAC object.

What each of them allows is the cluster's to know (`cluster/apiserver/access_policies`);
here they have names. Those that only components of EKS Auto Mode get are left out:
an association with one would promise rights that nothing here would give.

Source: EKS user guide, access-policy-permissions.
"""

from typing import Any

from conformance.emulator.eks.call import Call, partition
from conformance.emulator.eks.pages import page

CLUSTER_ADMIN = "AmazonEKSClusterAdminPolicy"
NAMES = (
    "AmazonEKSAdminPolicy",
    "AmazonEKSAdminViewPolicy",
    CLUSTER_ADMIN,
    "AmazonEKSEditPolicy",
    "AmazonEKSSecretReaderPolicy",
    "AmazonEKSViewPolicy",
)


def arn(region: str, name: str) -> str:
    return f"arn:{partition(region)}:eks::aws:cluster-access-policy/{name}"


def known(region: str, policy_arn: str) -> bool:
    return policy_arn in {arn(region, name) for name in NAMES}


async def list_(call: Call) -> dict[str, Any]:
    here, token = page(call, NAMES, str)
    told = [{"name": name, "arn": arn(call.region, name)} for name in here]
    return {"accessPolicies": told, "nextToken": token}
