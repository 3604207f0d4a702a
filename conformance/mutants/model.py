"""What a mutant is."""

from dataclasses import dataclass
from enum import StrEnum


class Part(StrEnum):
    """What is broken; each part has a module beside this one, or mutants in those of several."""

    AGENT = "agent"
    WEBHOOK = "webhook"
    EKS_AUTH = "eks-auth"
    STS = "sts"
    IAM = "iam"
    ASSOCIATIONS = "associations"
    API_SERVER = "api-server"
    NODE = "node"
    ADDON = "add-on"
    CLOUDTRAIL = "cloudtrail"


@dataclass(frozen=True)
class Mutant:
    """
    One text of the emulation's source, and what stands there instead.

    `old` is in `module` exactly once. `broken` is the id of the requirement that must
    notice; `because` says in one line what the cluster then does, as a defect would be
    reported. `agent_version` is the release that promises it, where the usual one does not.
    `stage` is the one that must be blamed; without it that is told, beside the requirement's own.
    """

    name: str
    part: Part
    module: str
    """Below the package, such as `cluster.agent.credentials`."""
    old: str
    new: str
    broken: str
    because: str
    agent_version: str = ""
    stage: str = ""

    @property
    def options(self) -> tuple[str, ...]:
        """Of `conformance run`."""
        return ("--agent-version", self.agent_version) if self.agent_version else ()

    @property
    def path(self) -> str:
        """The module's file, below the package's folder."""
        return f"{self.module.replace('.', '/')}.py"
