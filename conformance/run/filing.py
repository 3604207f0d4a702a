"""
Under what evidence is filed: the scenario that runs, or a fixture that several share.

A world belongs to a file, and most of what its scenarios look at was seen once, for all of
them. Filed under the first of them alone, the others would pass with nothing to show for it.
So what is seen while a shared fixture is made is filed under that, each scenario says which
of them it used, and one that has looked at nothing at all has proved nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from conformance.errors import HarnessError
from conformance.events import Event, EventLog, EvidenceSeen

if TYPE_CHECKING:
    from conformance.world import World

NOTHING_SEEN = str(
    HarnessError(
        "it passed, and nothing that it looked at is in the report",
        try_="ask through the world: probe[...], world.eks(...), world.show(...)",
    )
)


class Filing:
    """Of one process, which runs one scenario at a time."""

    def __init__(self) -> None:
        self._scenario = ""
        self._making: list[str] = []
        self._made: dict[str, str] = {}
        """Shared fixtures by name, as events call them, each as it was made last, in that order."""
        self._filed: set[str] = set()
        """What evidence was filed under."""
        self._world: World | None = None

    def begin(self, nodeid: str, log: EventLog) -> None:
        """A scenario's setup begins."""
        if self._hear not in log.listeners:
            log.listeners.append(self._hear)
        self._scenario = nodeid
        self._tell()

    def end(self) -> None:
        """A scenario is over, or somebody else's test."""
        self._scenario = ""

    @contextmanager
    def looking_through(self, world: "World") -> Iterator[None]:
        """What this world sees is filed here."""
        self._world = world
        self._tell()
        try:
            yield
        finally:
            self._world = None

    @contextmanager
    def sharing(self, name: str, fixture: str, log: EventLog) -> Iterator[None]:
        """A fixture is made; `fixture` is what events call it."""
        if not self._scenario:
            yield
            return
        self._made.pop(name, None)
        self._made[name] = fixture
        self._making.append(fixture)
        self._tell()
        try:
            with log.step("fixture", fixture):
                yield
        finally:
            self._making.pop()
            self._tell()

    def shared_by(self, item: pytest.Item) -> list[str]:
        """The shared fixtures that it uses, as they were made; another file's are left out."""
        names = getattr(item, "fixturenames", ())
        made = [fixture for name, fixture in self._made.items() if name in names]
        return [one for one in made if item.nodeid.startswith(one.rpartition("::")[0])]

    def is_of(self, item: pytest.Item) -> bool:
        """Whether it has anything to show."""
        return bool(self._filed & {item.nodeid, *self.shared_by(item)})

    def _tell(self) -> None:
        if self._world is not None:
            self._world.scenario = [self._scenario, *self._making][-1]

    def _hear(self, event: Event) -> None:
        if isinstance(event, EvidenceSeen):
            self._filed.add(event.scenario)
