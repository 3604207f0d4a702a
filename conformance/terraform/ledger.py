"""
What was meant to be made, on disk before it is.

A run that was killed cannot tell what it left behind. So the intent is written and
synced before Terraform first creates anything, each resource has a line when its
creation begins and when it ends, and a last line says that nothing of the world is
left; whatever has the first and not the last is for the sweep.

The trap is a creation that began and whose end nobody saw: Terraform's state does not
know the resource, AWS may have it. Such a world is not closed by an empty state.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from conformance.processes import Stamp
from conformance.terraform.messages import Progress

FILE: Final = "ledger.ndjson"
"""Its name in the folder of a run."""

BY_HAND: Final = "by hand"
"""The root of what no Terraform makes; it has a folder all the same, for how it is reached."""

_NAMED_AFTER_PREFIX: Final = ("roles", "policies", "buckets", "tables", "queues")
_TAG: Final = "conformance:run"


@dataclass(frozen=True)
class Entry:
    """One workspace, and how to find what it made without its state."""

    workspace: str
    """The folder; holds the state as long as it exists."""
    root: str
    run: str
    """Value of the tag `conformance:run` on everything that takes tags."""
    name: str
    """Prefix of every name, or the cluster's name."""
    account_id: str
    region: str
    endpoint: str | None
    provider: str = "embedded"
    environment: str | None = None
    """The `environment.json` it was made on: how an emulated account is reached again."""
    other_account: str | None = None
    """A second account that the world may have made things in."""
    other_profile: str = ""
    """How that is reached on a real target."""
    cluster: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, list[str]] = field(default_factory=dict)
    """Kind to the real names that are to be made; associations as `namespace/service account`."""

    @property
    def world(self) -> str:
        """What people know it by."""
        return Path(self.workspace).name


def names_of(variables: Mapping[str, Any]) -> dict[str, list[str]]:
    """The real names in a stack's variables; see fixtures/terraform/interface/variables.tf."""
    names: dict[str, list[str]] = {}
    for kind, wanted in variables.items():
        if not isinstance(wanted, Mapping) or kind == "tags" or not wanted:
            continue
        if kind == "associations":
            names[kind] = [f"{a['namespace']}/{a['service_account']}" for a in wanted.values()]
        elif kind in _NAMED_AFTER_PREFIX:
            names[kind] = [f"{variables.get('prefix', '')}-{name}" for name in wanted]
        else:
            names[kind] = list(wanted)
    return names


def tags_of(variables: Mapping[str, Any]) -> dict[str, str]:
    """The tags on everything that these variables make."""
    return {**variables.get("tags", {}), _TAG: str(variables.get("run", ""))}


@dataclass
class Book:
    """What became of one workspace, resource by resource."""

    intended: int = 0
    created: int = 0
    destroyed: int = 0
    there: dict[str, bool] = field(default_factory=dict)
    """Address to whether it is surely there; False: its creation began, and no more is known."""
    _pending: set[str] = field(default_factory=set)

    def take(self, action: str, state: str, address: str) -> None:
        """One step; `action` and `state` as in `messages.Progress`."""
        if (action, state) == ("create", "planned"):
            # Planned again after a failure is the same intent.
            self.intended += address not in self._pending
            self._pending.add(address)
        elif (action, state) == ("create", "started"):
            self.there.setdefault(address, False)
        elif (action, state) == ("create", "finished"):
            self.created += not self.there.get(address, False)
            self.there[address] = True
            self._pending.discard(address)
        elif (action, state) == ("delete", "finished"):
            # What can be destroyed was created, also when nobody saw that end.
            self.created += not self.there.pop(address, False)
            self.destroyed += 1


@dataclass
class WorldBook:
    """One workspace of a ledger."""

    entry: Entry
    began: datetime
    """When it was first intended: nothing of it is older."""
    book: Book = field(default_factory=Book)
    closed_by: str = ""
    """Empty while something may be left."""

    @property
    def left(self) -> list[str]:
        """What may be there still, as far as the ledger knows; empty when it is closed."""
        if self.closed_by:
            return []
        known = [
            address if sure else f"{address} (its creation began)"
            for address, sure in self.book.there.items()
        ]
        return known or ["nobody saw whether anything was made"]


@dataclass
class Books:
    """Everything that one ledger says."""

    run: str = ""
    stamps: set[Stamp] = field(default_factory=set)
    """The processes that wrote it."""
    worlds: dict[str, WorldBook] = field(default_factory=dict)
    kept: bool = False
    """The user wanted all of it to stay."""
    last: datetime | None = None

    @property
    def open(self) -> list[WorldBook]:
        """Worlds of which something may be left."""
        return [world for world in self.worlds.values() if not world.closed_by]


class Ledger:
    """One file of JSON lines; several processes may append to it."""

    def __init__(self, path: Path, environment: Path | None = None) -> None:
        self.path = path
        self.environment = environment

    @classmethod
    def of_run(cls, folder: Path, environment: Path | None = None) -> "Ledger":
        """The ledger of the run whose reports lie in `folder`, made on `environment`."""
        return cls(folder / FILE, environment)

    def begin(self, run: str) -> None:
        """The run begins in this process; as long as that lives, so does the run."""
        self._append({"kind": "run", "run": run, "process": str(Stamp.own())}, sync=True)

    def intend(self, entry: Entry) -> None:
        """Call before an apply; it is on disk when this returns. Twice is once."""
        process = {"process": str(Stamp.own())}
        self._append({"kind": "intended", **asdict(entry), **process}, sync=True)

    def step(self, workspace: str, step: Progress) -> None:
        """One resource went one step; not synced, because a kill loses no write."""
        if step.action in ("create", "delete") and step.state != "running":
            told = {"action": step.action, "state": step.state, "address": step.address}
            self._append({"kind": "step", "workspace": workspace, **told})

    def destroyed(self, workspace: str, by: str = "terraform") -> None:
        """Call when nothing of the workspace is left; `by` says what saw to it."""
        self._append({"kind": "destroyed", "workspace": workspace, "by": by})

    def keep(self) -> None:
        """The user wants what is there to stay: only a sweep that names the run takes it away."""
        self._append({"kind": "kept"})

    def left(self) -> list[Entry]:
        """What was meant to be made and was not destroyed."""
        return [world.entry for world in self.read().open]

    def read(self) -> Books:
        """All of it; lines cut off by a kill are passed over."""
        books = Books()
        for record in self._records():
            kind, at = record.pop("kind"), datetime.fromisoformat(record.pop("at"))
            books.last = at
            if process := record.pop("process", None):
                books.stamps.add(Stamp.parse(process))
            if kind == "run":
                books.run = record["run"]
            elif kind == "kept":
                books.kept = True
            elif kind == "intended":
                known = {each.name for each in fields(Entry)}
                entry = Entry(**{key: value for key, value in record.items() if key in known})
                books.run = books.run or entry.run
                world = books.worlds.setdefault(entry.workspace, WorldBook(entry, at))
                world.entry, world.closed_by = entry, ""
            elif (world_ := books.worlds.get(record["workspace"])) is not None:
                if kind == "destroyed":
                    world_.closed_by = record.get("by", "terraform")
                    world_.book.there.clear()
                else:
                    world_.book.take(record["action"], record["state"], record["address"])
        return books

    def _records(self) -> Iterator[dict[str, Any]]:
        if not self.path.exists():
            return
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                continue  # cut off by a kill while it was written
            yield record

    def _append(self, record: Mapping[str, object], *, sync: bool = False) -> None:
        line = json.dumps({"at": datetime.now(UTC).isoformat(), **record}) + "\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = not self.path.exists()
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if _cut_off(descriptor):
                # What a kill cut off must not swallow this line as well.
                line = "\n" + line
            # One write for the whole line: lines of several processes never mix.
            os.write(descriptor, line.encode())
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if new and sync:
            _sync_folder(self.path.parent)


def _cut_off(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"


def _sync_folder(folder: Path) -> None:
    """A new file is only there after a crash when its folder was synced too (fsync(2))."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
