"""
What an environment can be told to do differently while it runs.

Rotation, throttling and eventual consistency are promises about time: nobody waits
six hours for credentials to expire. So these settings can be given at the start and
changed later (`PUT /settings`), on an environment that is shared. Whoever reads one
reads it when it is needed, never earlier; each default is what EKS does.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from conformance.errors import UsageError


class Behaviour(BaseModel):
    """The settings; see `conformance.emulator --help`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    token_seconds: int = Field(default=86400, ge=1, le=2**32)
    """Longest life of a service account token; EKS asks for 24 h."""
    credential_seconds: int = Field(default=21600, ge=1, le=43200)
    """Life of the credentials EKS Auth hands out; 6 h as CloudTrail shows durationSeconds 21600."""
    associations_per_cluster: int = Field(default=1000, ge=0)
    """Source: EKS user guide, service-quotas: 1,000 for a cluster, and not adjustable."""
    propagation_shortest: float = Field(default=0.0, ge=0, le=3600)
    """Seconds until a change of associations is effective, at least ..."""
    propagation_longest: float = Field(default=0.0, ge=0, le=3600)
    """... and at most; both 0: at once. Users of EKS report 5 to 10 s."""
    propagation_seed: int = 0
    """Of the random delays between the two: the same seed gives the same delays."""
    eks_auth_calls_per_second: float | None = Field(default=None, gt=0)
    """For each account; None: no limit. EKS Auth's limit is low and not published."""
    eks_auth_delay_seconds: float = Field(default=0.0, ge=0, le=60)
    """How long EKS Auth takes to answer, beside its work."""
    eks_auth_failures: int = Field(default=0, ge=0)
    """So many calls in a row fail, then one is answered as it should be, and so on."""
    eks_auth_failure: Literal["InternalServerException", "ServiceUnavailableException"] = (
        "InternalServerException"
    )
    """What they fail with: EKS Auth's model has one error with 500 and one with 503."""
    eks_auth_checks_pods: bool = False
    """
    Whether EKS Auth asks the cluster if a token's pod and service account are still there.

    Agents renew for pods that are gone until the token expires (eks-pod-identity-agent#171).
    """
    agent_clock_seconds: float = Field(default=0.0, ge=-86400, le=86400)
    """How far the clocks of the nodes' agents are ahead; negative: behind."""
    agent_elapsed_seconds: float = Field(default=0.0, ge=0, le=86400)
    """How much later it is for the nodes' agents; when it grows they have waited for so long."""
    agent_version: str = "0.1.37"
    """Release of the agent; a cluster fails to start with one that it does not know."""

    @model_validator(mode="after")
    def _in_order(self) -> "Behaviour":
        if self.propagation_shortest > self.propagation_longest:
            raise ValueError("propagation_shortest is more than propagation_longest")
        return self

    def changed(self, changes: Mapping[str, Any]) -> "Behaviour":
        """With some settings changed; raises `UsageError` naming the one that cannot be."""
        try:
            return Behaviour.model_validate(self.model_dump() | dict(changes))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "settings"
            raise UsageError(
                f"{where}: {first['msg']}",
                try_=f"settings are: {', '.join(Behaviour.model_fields)}",
            ) from error
