"""
One account, perhaps a second, and a cluster, being swept of the runs that are over.

Everything is searched once before anything is taken away: what is there decides which
runs are spoken of, and a dry run ends there.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from conformance.errors import HarnessError
from conformance.sweep.account import Outcome, accounts_of, spared
from conformance.sweep.calls import check_account
from conformance.sweep.clusters import clear_objects, cluster_of, find_objects
from conformance.sweep.finds import Claim, Found
from conformance.sweep.runs import KnownRun, Reached
from conformance.sweep.states import destroy_worlds, end_workers
from conformance.terraform.ledger import WorldBook

_UNREACHABLE: Final = (HarnessError, ClientError, BotoCoreError, OSError)


@dataclass
class Task:
    """One run to be taken away here: with a ledger and its worlds, or by its tag alone."""

    run: str
    known: KnownRun | None = None
    worlds: list[WorldBook] = field(default_factory=list)

    @property
    def claim(self) -> Claim:
        return Claim(self.run) if self.known is None else self.known.claim(self.worlds)


class Site:
    """An account that can be reached; raises `HarnessError` when it is not the right one."""

    def __init__(self, reached: Reached, clusters: Iterable[str]) -> None:
        self.reached = reached
        self.accounts = accounts_of(reached.aws)
        self.remarks: list[str] = []
        self.trouble: list[str] = []
        self.found: list[Found] = []
        environment = reached.environment
        if reached.aws.endpoint is None:
            for account in self.accounts:
                check_account(account.clients, account.aws.account_id)
            self.clusters = sorted(set(clusters) - {""})
        else:
            # An emulation's other clusters are nobody's way in.
            self.clusters = [environment.cluster.name] if environment else []

    def look(self) -> None:
        """See what is there; afterwards `found` and `trouble` say it."""
        for account in self.accounts:
            look = account.look()
            self.found += look.found
            self.remarks += [f"may not be looked at: {each}" for each in look.unseen]
            self.trouble += [f"cannot look for {each}" for each in look.blind]
        for name in self.clusters:
            try:
                with cluster_of(self.reached.aws, name, self.reached.environment) as kube:
                    self.found += find_objects(kube)
            except _UNREACHABLE as error:
                if not _is_gone(error):
                    self.trouble.append(f"cannot look into cluster {name}: {error}")

    @property
    def own_run(self) -> str | None:
        """The run that made the environment itself; `conformance down` takes it away."""
        environment = self.reached.environment
        if environment is None or not environment.emulated:
            return None
        clusters = (found for found in self.found if found.kind == "cluster")
        return next((c.run for c in clusters if c.name == environment.cluster.name), None)

    def of(self, task: Task) -> dict[str, str]:
        """What was found of a run; with a reason where it would stay."""
        claim = task.claim
        ours = {str(found): "" for found in self.found if claim.covers(found)}
        return ours | spared(claim, self.found)

    def newest(self, run: str) -> datetime | None:
        """When the last thing of a run was made; None when AWS does not say of one of them."""
        made = [found.made for found in self.found if found.run == run]
        return max((m for m in made if m is not None), default=None) if all(made) else None

    def clear(self, tasks: list[Task]) -> dict[str, Outcome]:
        """Take the runs away; returns what became of each."""
        for task in tasks:
            if task.known is not None:
                self.remarks += end_workers(task.known, task.worlds)
        inside = {task.run: self._clear_inside(task.run) for task in tasks}
        for task in tasks:
            if task.known is not None:
                self.remarks += destroy_worlds(task.known, task.worlds, self.reached.aws)
        self.trouble = []
        for account in self.accounts:
            outcomes, last = account.clear([task.claim for task in tasks])
            self.trouble += [f"cannot look for {each}" for each in last.blind]
            for run, outcome in outcomes.items():
                inside[run].add(outcome)
        return inside

    def _clear_inside(self, run: str) -> Outcome:
        together = Outcome()
        for name in self.clusters:
            try:
                with cluster_of(self.reached.aws, name, self.reached.environment) as kube:
                    outcome = clear_objects(kube, run)
            except _UNREACHABLE as error:
                if _is_gone(error):
                    continue
                outcome = Outcome(left={f"objects of {run} in {name}": str(error)})
            # A namespace is no resource of Terraform's, and not counted as one.
            outcome.gone = 0
            together.add(outcome)
        return together


def _is_gone(error: Exception) -> bool:
    if not isinstance(error, ClientError):
        return False
    return error.response.get("Error", {}).get("Code") == "ResourceNotFoundException"
