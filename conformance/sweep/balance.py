"""What a sweep did, as people and machines read it: intended, created, destroyed, left."""

from dataclasses import asdict, dataclass, field
from typing import Any

from conformance.sweep.machine import Cleaned
from conformance.terraform.ledger import Books


@dataclass
class RunBalance:
    """One run. Numbers count as Terraform does: an attachment and an object are one each."""

    run: str
    intended: int = 0
    created: int = 0
    destroyed: int = 0
    left: list[str] = field(default_factory=list)
    """What is still there, each with the reason; in a dry run what would be taken away."""
    removed: list[str] = field(default_factory=list)
    """What this sweep found and took away; what Terraform destroyed is in the number only."""
    how: str = ""
    """`swept`, `gone with its environment`, `would be swept`."""

    def count(self, books: Books, workspaces: set[str], *, gone: int, left: int) -> None:
        """
        Add one account's numbers, from the ledger and from what went without Terraform.

        What nobody saw being created, and was destroyed or is there, was created.
        """
        some = [world.book for key, world in books.worlds.items() if key in workspaces]
        destroyed = sum(book.destroyed for book in some) + gone
        self.intended += sum(book.intended for book in some)
        self.destroyed += destroyed
        self.created += max(sum(book.created for book in some), destroyed + left)


@dataclass(frozen=True)
class Spared:
    """A run that was left alone."""

    run: str
    why: str
    things: list[str]


@dataclass
class Swept:
    """Everything that one sweep has to say."""

    dry_run: bool
    runs: list[RunBalance] = field(default_factory=list)
    spared: list[Spared] = field(default_factory=list)
    machine: Cleaned = field(default_factory=Cleaned)
    remarks: list[str] = field(default_factory=list)
    """What went differently than hoped and cost nothing."""
    trouble: list[str] = field(default_factory=list)
    """Where nobody could look: nothing is known to be gone there."""

    @property
    def clean(self) -> bool:
        """Whether nothing is left of any run that had to go."""
        dead = self.machine.processes or self.machine.folders if self.dry_run else []
        return not (self.trouble or self.machine.left or dead) and not any(
            run.left for run in self.runs
        )

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {**asdict(self), "clean": self.clean}
