"""
Faults that can be switched on in the emulation, so that the suite can go red.

A suite that has never failed has proved nothing. Each fault breaks one part the
way a real defect would, and a test table says which requirement must notice.
They exist only in emulated parts; any other target refuses them.
"""

from dataclasses import dataclass

from conformance.errors import UsageError


@dataclass(frozen=True)
class Fault:
    """One way to break the emulation: which part, and what it then does."""

    name: str
    part: str
    effect: str


WEBHOOK_MISSES = Fault(
    "webhook-misses",
    "webhook",
    "the webhook answers without a patch for pods that have an association",
)
WEBHOOK_INJECTS_EVERYONE = Fault(
    "webhook-injects-everyone", "webhook", "the webhook injects pods that have no association"
)
AGENT_SHARES_CACHE = Fault(
    "agent-shares-cache-across-pods",
    "agent",
    "the agent's cache forgets whose token it was: one entry serves every pod of the node",
)
EKS_AUTH_IGNORES_NAMESPACE = Fault(
    "eks-auth-ignores-namespace",
    "eks-auth",
    "EKS Auth looks the association up by service account alone",
)
EKS_AUTH_SKIPS_SIGNATURE = Fault(
    "eks-auth-skips-signature",
    "eks-auth",
    "EKS Auth believes a token without checking who signed it",
)
STS_SKIPS_TRUST_POLICY = Fault(
    "sts-skips-trust-policy", "sts", "roles are assumed whatever their trust policy says"
)
S3_IGNORES_POLICIES = Fault(
    "s3-ignores-policies", "iam", "S3 answers any signed request, whatever the policies say"
)
EKS_AUTH_DOWN = Fault(
    "eks-auth-down", "eks-auth", "EKS Auth closes every connection without an answer"
)

FAULTS = {
    fault.name: fault
    for fault in (
        WEBHOOK_MISSES,
        WEBHOOK_INJECTS_EVERYONE,
        AGENT_SHARES_CACHE,
        EKS_AUTH_IGNORES_NAMESPACE,
        EKS_AUTH_SKIPS_SIGNATURE,
        STS_SKIPS_TRUST_POLICY,
        S3_IGNORES_POLICIES,
        EKS_AUTH_DOWN,
    )
}


class ActiveFaults:
    """
    The faults switched on in one process; asked at the place that would misbehave.

    Raises `UsageError` for a name that no fault has.
    """

    def __init__(self, names: list[str] | tuple[str, ...] = ()) -> None:
        self._active: frozenset[str] = frozenset()
        self.set(names)

    def set(self, names: list[str] | tuple[str, ...]) -> None:
        unknown = sorted(set(names) - set(FAULTS))
        if unknown:
            raise UsageError(
                f"--fault {unknown[0]}: no such fault", try_=f"one of: {', '.join(FAULTS)}"
            )
        self._active = frozenset(names)

    def __contains__(self, fault: Fault) -> bool:
        return fault.name in self._active

    @property
    def names(self) -> list[str]:
        return sorted(self._active)
