"""
Whether the pod of a token is still there, and its service account.

By itself EKS Auth does not ask: agents go on renewing for pods that are gone until the
token expires (eks-pod-identity-agent#171). The setting `eks_auth_checks_pods` makes it.
A name alone proves nothing: what was made again under its name has another UID. A
TokenReview would answer the same question from what it remembers, up to ten seconds late.
"""

from conformance.emulator.eks.cluster_api import ClusterApi
from conformance.emulator.eks.tokens import Claims


async def why_gone(cluster: ClusterApi, claims: Claims) -> str:
    """What is not there any more, in one clause; empty when all of it is."""
    of = claims.kubernetes
    for kind, plural, holder in (
        ("service account", "serviceaccounts", of.serviceaccount),
        ("pod", "pods", of.pod),
    ):
        found = await cluster.get(f"/api/v1/namespaces/{of.namespace}/{plural}/{holder.name}")
        if found is None:
            return f"its {kind} is gone"
        if found["metadata"]["uid"] != holder.uid:
            return f"its {kind} was deleted and made again"
    return ""
