"""
Which runs there were, which of them are over, and where each made its worlds.

A run is over when every process that wrote its ledger has ended, which only the machine
that ran it can tell. Of a run of another machine, or one that only a tag speaks of, its
age is all there is; so those are taken away only when somebody says how old is old, or
names the run.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from conformance.environment import Aws, Environment, OtherAccount
from conformance.errors import HarnessError
from conformance.processes import Stamp
from conformance.sweep.finds import Claim
from conformance.sweep.machine import served
from conformance.terraform.ledger import FILE, Books, Entry, Ledger, WorldBook

CLOCKS_DIFFER: Final = timedelta(minutes=5)
"""AWS refuses requests whose clock differs by more (IAM user guide, signing)."""
CLOCKS_ROUND: Final = timedelta(seconds=1)
"""An emulation has our clock, and tells whole seconds."""


class Life(StrEnum):
    """What is known of a run's processes."""

    LIVING = "still running"
    OVER = "over"
    KEPT = "kept on purpose"
    UNKNOWN = "of another machine, or without a ledger here"


@dataclass
class KnownRun:
    """A run with a ledger."""

    id: str
    ledger: Ledger
    books: Books
    life: Life

    def claim(self, worlds: Iterable[WorldBook]) -> Claim:
        """What these worlds of it may have made."""
        untagged: dict[tuple[str, str], datetime] = {}
        clusters: set[str] = set()
        for world in worlds:
            entry = world.entry
            slack = CLOCKS_DIFFER if entry.endpoint is None else CLOCKS_ROUND
            for name in entry.names.get("buckets", ()):
                untagged["bucket", name] = world.began - slack
            if not entry.cluster:
                clusters.add(entry.name)  # A root that makes a cluster is named after it.
        return Claim(self.id, untagged, frozenset(clusters))

    def folder_of(self, entry: Entry) -> Path:
        """The work folder, also when the reports were moved since."""
        folder = Path(entry.workspace)
        return folder if folder.is_dir() else self.ledger.path.parent / "worlds" / folder.name


def known_runs(reports: Path, *, mine: Stamp | None = None) -> list[KnownRun]:
    """Runs whose reports lie here; `mine` is a process that does not count as living."""
    runs = []
    for path in sorted(reports.glob(f"*/{FILE}")):
        if path.parent.is_symlink():
            continue  # `latest`
        run = known_run(Ledger(path), mine=mine)
        if run is not None:
            runs.append(run)
    return runs


def known_run(ledger: Ledger, *, mine: Stamp | None = None) -> KnownRun | None:
    """The run of one ledger; None while the ledger says nothing."""
    books = ledger.read()
    if not books.run:
        return None
    return KnownRun(books.run, ledger, books, _life(books, mine))


def _life(books: Books, mine: Stamp | None) -> Life:
    lives = {stamp.alive for stamp in books.stamps if stamp != mine}
    if True in lives:
        return Life.LIVING
    if books.kept:
        return Life.KEPT
    return Life.UNKNOWN if None in lives else Life.OVER


def old_enough(last: datetime | None, older_than: timedelta | None) -> bool:
    """Whether the last that is known of a run is older than asked for."""
    if older_than is None:
        return True
    return last is not None and datetime.now(UTC) - last > older_than


@dataclass(frozen=True)
class Place:
    """An account and region; emulated ones have numbers that are drawn, so they never meet."""

    account_id: str
    region: str
    emulated: bool

    @classmethod
    def of(cls, entry: Entry) -> "Place":
        return cls(entry.account_id, entry.region, entry.endpoint is not None)

    @classmethod
    def at(cls, aws: Aws) -> "Place":
        return cls(aws.account_id, aws.region, aws.endpoint is not None)


@dataclass(frozen=True)
class Reached:
    """A way to a place."""

    aws: Aws
    environment: Environment | None


def reach(
    place: Place, entries: Iterable[Entry], given: Environment | None = None
) -> Reached | None:
    """
    The way to a place; None when it was emulated and has gone, with all that was in it.

    `entries` are what ledgers say of it, `given` is an environment that the user named.
    """
    entries = list(entries)
    environment = next(
        (each for each in _environments(entries, given) if Place.at(each.aws) == place), None
    )
    if place.emulated:
        return None if environment is None else Reached(environment.aws, environment)
    others = (
        OtherAccount(account_id=entry.other_account, profile=entry.other_profile)
        for entry in entries
        if entry.other_account is not None
    )
    aws = Aws(region=place.region, account_id=place.account_id, other=next(others, None))
    return Reached(aws, environment)


def _environments(entries: Iterable[Entry], given: Environment | None) -> Iterator[Environment]:
    """Those that can be used still, the one that was given first."""
    if given is not None and _lives(given):
        yield given
    for file in dict.fromkeys(entry.environment for entry in entries):
        if file is not None:
            with suppress(HarnessError):  # Gone, or of another version: not to be used.
                environment = Environment.read(Path(file))
                if _lives(environment):
                    yield environment


def _lives(environment: Environment) -> bool:
    """An emulated account is as mortal as its process; the socket lies in that one's folder."""
    return environment.admin_socket is None or served(environment.admin_socket.parent)
