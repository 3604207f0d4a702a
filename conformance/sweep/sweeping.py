"""
The sweep: this machine, then every run that is over.

For each run, in this order: what still works for it is ended; namespaces with its label
go; Terraform destroys what the state knows; and then the account is searched for what
bears the run's tag or was intended, because the state does not know what was being made
when Terraform was killed. Only an account that was seen to be empty of a run closes its
ledger.
"""

import shutil
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from conformance.environment import Aws, Environment
from conformance.errors import HarnessError, UsageError
from conformance.processes import Stamp
from conformance.sweep import machine
from conformance.sweep.account import Outcome
from conformance.sweep.balance import RunBalance, Spared, Swept
from conformance.sweep.runs import (
    KnownRun,
    Life,
    Place,
    Reached,
    known_run,
    known_runs,
    old_enough,
    reach,
)
from conformance.sweep.site import Site, Task
from conformance.terraform.ledger import BY_HAND, Books, Entry, Ledger


@dataclass(frozen=True)
class Request:
    """
    What a user asked for.

    `environment` or `aws` is an account to search for tags besides those that ledgers
    name; `cluster` is one to search for namespaces there.
    """

    reports: Path
    run: str | None = None
    older_than: timedelta | None = None
    dry_run: bool = False
    environment: Environment | None = None
    aws: Aws | None = None
    cluster: str | None = None
    keep_folders: bool = False
    """Leave Terraform's work folders: the report names them, and somebody will look."""


def sweep(request: Request) -> Swept:
    """
    Take away what runs left; see the module.

    Raises `UsageError` when the run that was named is still running, or nobody knows it.
    """
    swept = Swept(request.dry_run)
    swept.machine = machine.clean(dry_run=request.dry_run)
    sweep_ = _Sweep(request, known_runs(request.reports), swept)
    sweep_.check()
    for place, tasks in sweep_.places().items():
        sweep_.place(place, tasks)
    sweep_.check_found()
    notes = frozenset(sweep_.notes) if swept.clean else frozenset()
    _merge(swept.machine, machine.clean(dry_run=request.dry_run, notes=notes))
    return swept


def tidy(ledger: Ledger, environment: Environment) -> RunBalance | None:
    """
    What a run does itself at its end, while its environment is still there.

    None when there is nothing to do, or when another process of the run is at work still.
    """
    run = known_run(ledger, mine=Stamp.own())
    if run is None or not run.books.open or run.life is not Life.OVER:
        return None
    swept = Swept(dry_run=False)
    request = Request(ledger.path.parent, run.id, environment=environment, keep_folders=True)
    sweep_ = _Sweep(request, [run], swept)
    for place, tasks in sweep_.places().items():
        sweep_.place(place, tasks)
    return swept.runs[0] if swept.runs else None


class _Sweep:
    def __init__(self, request: Request, runs: list[KnownRun], swept: Swept) -> None:
        self.request = request
        self.swept = swept
        self.runs = {run.id: run for run in runs}
        self.notes: list[Path] = []
        """Folders of real environments whose runs are over."""
        self._spared: dict[str, Spared] = {}

    def check(self) -> None:
        named = self.runs.get(self.request.run or "")
        if named is not None and named.life is Life.LIVING:
            raise UsageError(
                f"--run {named.id}: it is still running",
                saw=f"a process that writes {named.ledger.path}",
                try_="wait for it, or end it",
            )

    def check_found(self) -> None:
        run = self.request.run
        known = {*self.runs, *(balance.run for balance in self.swept.runs)}
        if run is not None and run not in known and not self.swept.trouble:
            raise UsageError(
                f"--run {run}: nothing names it",
                saw=f"no ledger in {self.request.reports}, no tag where it was looked",
                try_="--reports DIR, --environment FILE, or --target eks --region REGION",
            )

    def places(self) -> dict[Place, list[Task]]:
        """Where there is something to do, and what ledgers say of it."""
        places: dict[Place, list[Task]] = {}
        for run in self.runs.values():
            if not run.books.open:
                continue
            if why_not := self._why_not(run):
                self._spare(run.id, why_not, [])
                continue
            for world in run.books.open:
                tasks = places.setdefault(Place.of(world.entry), [])
                task = next((task for task in tasks if task.run == run.id), None)
                if task is None:
                    tasks.append(task := Task(run.id, run))
                task.worlds.append(world)
        environment = self.request.environment
        aws = environment.aws if environment is not None else self.request.aws
        if aws is not None:
            places.setdefault(Place.at(aws), [])
        return places

    def place(self, place: Place, tasks: list[Task]) -> None:
        """Sweep one account."""
        entries = [world.entry for task in tasks for world in task.worlds]
        reached = reach(place, entries, self.request.environment)
        if reached is None:
            for task in tasks:
                self._gone_with_environment(task)
            return
        try:
            site = Site(reached, self._clusters(entries, reached))
            site.look()
        except HarnessError as error:
            self.swept.trouble.append(str(error))
            return
        self._add_tagged(site, tasks)
        if self.request.dry_run:
            for task in tasks:
                self._balance(task, Outcome(left=site.of(task)), "would be swept")
        elif tasks:
            outcomes = site.clear(tasks)
            for task in tasks:
                self._balance(task, outcomes[task.run], "swept")
                if not outcomes[task.run].left and not site.trouble:
                    self._close(task, "sweep")
                    self._note(task)
        self.swept.remarks += site.remarks
        self.swept.trouble += site.trouble
        self.swept.spared = list(self._spared.values())

    def _add_tagged(self, site: Site, tasks: list[Task]) -> None:
        """Runs that only a tag speaks of, and those whose ledger was closed too early."""
        own = site.own_run
        if own is not None and own == self.request.run:
            raise UsageError(
                f"--run {own}: it made the environment itself", try_="conformance down"
            )
        spoken_of = {task.run for task in tasks} | {own}
        for run in sorted({found.run for found in site.found if found.run} - spoken_of):
            things = [str(found) for found in site.found if found.run == run]
            known = self.runs.get(run)
            if known is not None:
                why_not = self._why_not(known)
            else:
                why_not = self._why_not_unknown(site, run)
            if why_not:
                self._spare(run, why_not, things)
            else:
                worlds = [] if known is None else list(known.books.worlds.values())
                tasks.append(Task(run, known, worlds))

    def _why_not(self, run: KnownRun) -> str:
        asked = self.request
        if asked.run is not None:
            return "" if run.id == asked.run else "another run was named"
        if run.life in (Life.LIVING, Life.KEPT):
            return run.life
        if run.life is Life.UNKNOWN and asked.older_than is None:
            return run.life
        return "" if old_enough(run.books.last, asked.older_than) else "younger than asked for"

    def _why_not_unknown(self, site: Site, run: str) -> str:
        asked = self.request
        if asked.run is not None:
            return "" if run == asked.run else "another run was named"
        if asked.older_than is None:
            return Life.UNKNOWN
        return "" if old_enough(site.newest(run), asked.older_than) else "younger than asked for"

    def _spare(self, run: str, why: str, things: list[str]) -> None:
        self._spared[run] = Spared(run, why, things)
        self.swept.spared = list(self._spared.values())

    def _clusters(self, entries: list[Entry], reached: Reached) -> list[str]:
        named = [entry.cluster for entry in entries]
        if reached.environment is not None:
            named.append(reached.environment.cluster.name)
        return [*named, self.request.cluster or ""]

    def _note(self, task: Task) -> None:
        """The folder in which a run kept where its real cluster is has no use any more."""
        for world in task.worlds:
            if world.entry.endpoint is None and world.entry.environment is not None:
                self.notes.append(Path(world.entry.environment).parent)

    def _gone_with_environment(self, task: Task) -> None:
        how = "gone with its environment"
        balance = self._balance(task, Outcome(), how)
        balance.destroyed = balance.created
        if not self.request.dry_run:
            self._close(task, "environment")

    def _balance(self, task: Task, outcome: Outcome, how: str) -> RunBalance:
        balance = next((each for each in self.swept.runs if each.run == task.run), None)
        if balance is None:
            self.swept.runs.append(balance := RunBalance(task.run, how=how))
        balance.left += [f"{name}: {why}" if why else name for name, why in outcome.left.items()]
        balance.removed += outcome.removed
        books = Books() if task.known is None else task.known.ledger.read()
        workspaces = {world.entry.workspace for world in task.worlds}
        balance.count(books, workspaces, gone=outcome.gone, left=len(outcome.left))
        return balance

    def _close(self, task: Task, by: str) -> None:
        if task.known is None:
            return
        for world in task.worlds:
            folder = task.known.folder_of(world.entry)
            # Nothing outside of the run's own folder is ours to remove.
            inside = task.known.ledger.path.parent.resolve() in folder.resolve().parents
            looked_at = self.request.keep_folders and world.entry.root != BY_HAND
            if inside and not looked_at:
                shutil.rmtree(folder, ignore_errors=True)
            if not world.closed_by:
                task.known.ledger.destroyed(world.entry.workspace, by)


def _merge(first: machine.Cleaned, second: machine.Cleaned) -> None:
    for name in ("processes", "folders", "left"):
        known = getattr(first, name)
        known += [each for each in getattr(second, name) if each not in known]
