"""What a user may ask of a target; one shape for all, each says what it refuses."""

from dataclasses import dataclass, field

from conformance.emulator.behaviour import Behaviour
from conformance.environment import Capability


@dataclass(frozen=True)
class TargetOptions:
    """
    `provider` None means the target's own default; `network` is `auto`, `root`,
    `userns` or `loopback`; `cluster` names a cluster that is there already, `other_profile`
    a profile of a second account, and `allow` what its owner lets scenarios do; `behaviour`
    is for emulated targets only.
    """

    run: str
    provider: str | None = None
    faults: tuple[str, ...] = ()
    network: str = "auto"
    nodes: int = 3
    cluster: str | None = None
    region: str | None = None
    other_profile: str | None = None
    allow: frozenset[Capability] = frozenset()
    probe_image: str | None = None
    behaviour: Behaviour = field(default_factory=Behaviour)
