"""
What differs between releases of the agent, as data.

A platform team that upgrades the add-on asks what changes for its pods. Each
release that behaves differently is one row here; the code asks the row and
never compares version numbers.

Sources: aws/eks-pod-identity-agent at the tags named; the pull request that
made a difference is named where the field is documented, if it is known.
"""

from dataclasses import dataclass
from enum import StrEnum

from conformance.errors import UsageError


class CacheKey(StrEnum):
    """What a cached answer belongs to."""

    TOKEN = "token"  # noqa: S105 - the word, not a secret
    """The whole token: a rotated token is a stranger."""
    POD_UID = "pod-uid"
    """The pod that the token is bound to: a rotated token finds its pod's entry (#135)."""


@dataclass(frozen=True)
class AgentProfile:
    """One release's behaviour."""

    version: str
    cache_key: CacheKey
    """0.2.1 also checks a rotated token itself before it serves the pod's entry (#143, #150)."""
    relays_status: bool
    """EKS Auth's own status and text reach the pod; early releases answered 500 to everything."""
    request_seconds: float
    """How long one attempt at EKS Auth may take (#101: from 0.6 to 1 s)."""
    waits_for_active_request: bool
    """A second request with a token waits for the first one's answer."""

    @property
    def checks_rotated_tokens(self) -> bool:
        """
        Serves a pod's entry to the pod's next token, which it checks with the cluster's keys.

        It asks the API server for them, so its pod has a service account token of its own.
        """
        return self.cache_key is CacheKey.POD_UID


DEFAULT_VERSION = "0.1.37"

PROFILES = {
    profile.version: profile
    for profile in (
        AgentProfile("0.0.25", CacheKey.TOKEN, False, 0.6, False),
        AgentProfile("0.1.37", CacheKey.TOKEN, True, 1.0, True),
        AgentProfile("0.2.1", CacheKey.POD_UID, True, 1.0, True),
    )
}


def profile_of(version: str) -> AgentProfile:
    """Raises `UsageError` for a release that nobody has described."""
    try:
        return PROFILES[version]
    except KeyError:
        raise UsageError(
            f"agent version {version}: its behaviour is not described",
            try_=f"one of: {', '.join(PROFILES)}",
        ) from None
