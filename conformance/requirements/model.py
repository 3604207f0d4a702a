"""The shape of a requirement."""

from dataclasses import dataclass
from enum import StrEnum

from conformance.stages import Stage


class Level(StrEnum):
    """How much a requirement weighs in the verdict of a run."""

    CORE = "core"
    """Skipping one makes the result *partial*."""
    EXTENDED = "extended"
    """Promised, but not everywhere; skipping is said and costs nothing."""
    PROVISIONAL = "provisional"
    """Under observation; a failure is reported and does not break the run."""


class Targets(StrEnum):
    """Where keeping a promise can be observed."""

    ALL = "embedded, kube, kind, eks"
    EMULATED = "embedded, kube, kind"
    """Only where AWS is emulated: what EKS Auth and IAM did inside must be read back."""
    REAL = "eks"
    """Only on a real account: nobody knows yet what an emulation would have to do."""

    @property
    def names(self) -> tuple[str, ...]:
        """The targets one by one, as `--target` has them."""
        return tuple(self.split(", "))


@dataclass(frozen=True)
class Requirement:
    """
    One promise of Pod Identity.

    `source` is the document section or source file that makes the promise, with
    its version; `stage` is where keeping or breaking it is decided; `since` the
    agent, API or Kubernetes version that made it true; `targets` where it can be
    observed; `aws_validated` the date of the last run against a real account, or
    "never". None has a default: optional fields are left empty.
    """

    id: str
    title: str
    level: Level
    promise: str
    rationale: str
    source: str
    stage: Stage
    since: str
    targets: Targets
    aws_validated: str
