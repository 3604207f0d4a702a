"""
Who may use a node's metadata service: the part of a launch template that matters here.

EKS takes these options from a launch template. The emulated EKS has none, so labels
of the node group stand in: they reach a node group through any Terraform provider.

    imds.conformance/hop-limit    1 to 64
    imds.conformance/http-tokens  required, or optional for IMDSv1 as well

Without them a group is what EKS makes of Amazon Linux 2023, its default since 1.30:
tokens required, hop limit 1. Amazon Linux 2 had `optional` and 2.
Sources: hashicorp/terraform-provider-aws#38516, aws-load-balancer-controller#3695.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from conformance.errors import UsageError

HOP_LIMIT = "imds.conformance/hop-limit"
HTTP_TOKENS = "imds.conformance/http-tokens"
_LARGEST = 64


@dataclass(frozen=True)
class MetadataOptions:
    """EC2's `HttpPutResponseHopLimit` and `HttpTokens`."""

    hop_limit: int = 1
    tokens_required: bool = True

    @classmethod
    def of(cls, labels: Mapping[str, str]) -> "MetadataOptions":
        """The options of a node group with these labels. Raises `UsageError`."""
        hops = labels.get(HOP_LIMIT, str(cls.hop_limit))
        if not hops.isdecimal() or not 1 <= int(hops) <= _LARGEST:
            raise UsageError(f"label {HOP_LIMIT}: {hops!r} is not a number from 1 to {_LARGEST}")
        tokens = labels.get(HTTP_TOKENS, "required")
        if tokens not in ("required", "optional"):
            raise UsageError(f"label {HTTP_TOKENS}: {tokens!r} is neither required nor optional")
        return cls(int(hops), tokens == "required")
