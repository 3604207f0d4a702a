"""
What may be taken away, and what was found.

The rule that everything here serves: a thing is ours when its tag `conformance:run`
names the run, or when the ledger names it and it could not be tagged yet. Names alone
prove nothing; somebody's `pi-something` is somebody's.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

ONLY_TAGGED: Final = "its tag names the run, and no ledger here names the cluster"
"""Why a cluster or node group stays."""

TAG: Final = "conformance:run"
LABEL: Final = "conformance/run"
"""The same on Kubernetes objects, where a colon cannot be."""


@dataclass(frozen=True)
class Found:
    """One thing in an account or cluster."""

    kind: str
    """As in `kinds.KINDS`: `role`, `bucket`."""
    name: str
    """What people call it; an association is `cluster/namespace/service account`."""
    tags: Mapping[str, str]
    made: datetime | None
    """None where AWS does not say."""
    handle: Mapping[str, Any] = field(default_factory=dict)
    """The parameters by which AWS takes it away."""

    @property
    def run(self) -> str | None:
        return self.tags.get(TAG)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


Each = Callable[[Callable[[Any], Found | None], Iterable[Any]], Iterator[Found]]
"""Applies a function to many things at once and leaves out what is not there any more."""


@dataclass(frozen=True)
class Claim:
    """
    What one run may have made.

    `untagged` are names that the ledger intended, by kind, and when: what bears one, no
    tag at all, and is not older, was made by a run that was killed between making and
    tagging it. Only S3 makes first and tags after; everything else is born tagged.
    `clusters` are names of clusters that the ledger intended; a tag alone takes no
    cluster away.
    """

    run: str
    untagged: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    clusters: frozenset[str] = frozenset()

    def covers(self, found: Found) -> bool:
        """Whether the thing is this run's."""
        if found.tags:
            return found.run == self.run and (
                found.kind not in ("cluster", "node group") or self._cluster_of(found)
            )
        intended = self.untagged.get((found.kind, found.name))
        return intended is not None and found.made is not None and found.made >= intended

    def spares(self, found: Found) -> bool:
        """Whether it bears the run's tag and stays all the same, which somebody has to be told."""
        return found.run == self.run and not self.covers(found)

    def _cluster_of(self, found: Found) -> bool:
        return found.name.partition("/")[0] in self.clusters
