"""
Which worker runs which file, also after one of them was killed.

pytest-xdist 3.8.0 gives all files of a dead worker to others: those that it had finished,
of which nothing is left to run, and the test that it died of. Whoever is handed such a file
waits for ever, or dies too; and when two workers die at once, one that has not collected
yet is handed work (pytest-xdist issues 1189, 1323, 1327, 1378; what was merged for them,
1324 and 1328, is in no release). Here only what nobody ran goes back, the test that killed
its worker has its verdict already, and no worker is left waiting for one more test.

What is corrected is private to xdist, so its version is pinned and every name that we
touch is listed: a run that lacks one is refused, instead of one day hanging.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from conformance.errors import HarnessError

PACKAGE: Final = "pytest-xdist"
_AHEAD: Final = 2
"""A worker begins a test only when it knows the next one, or that none follows."""

NAMES: Mapping[type, tuple[str, ...]] = {
    LoadScopeScheduling: (
        "_assign_work_unit",
        "_pending_of",
        "_reschedule",
        "add_node_collection",
        "remove_node",
    ),
    WorkerController: ("shutdown", "shutting_down"),
}
"""What we call or replace."""
KEPT: Final = ("assigned_work", "collection", "registered_collections", "workqueue")
"""What a scheduler remembers."""


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist publishes no types
    """One file to one worker, whoever dies; raises `HarnessError` when xdist has changed."""

    def __init__(self, config: Any, log: Any = None) -> None:
        check()
        super().__init__(config, log)
        _lacks(self, KEPT)

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        """A worker has collected; one that found something else gets nothing to do."""
        super().add_node_collection(node, collection)
        if node not in self.registered_collections:
            node.shutdown()

    def remove_node(self, node: WorkerController) -> str | None:
        """A worker has ended; returns the test that it died of, if it did."""
        workload = self.assigned_work.pop(node)
        if self.collection is None:
            # Nothing is handed out yet: all wait for the one that takes its place.
            self.registered_collections.pop(node, None)
        crashed = None
        for file, unit in workload.items():
            if crashed is None:
                crashed = next((test for test, done in unit.items() if not done), None)
                if crashed is not None:
                    unit[crashed] = True
            if not all(unit.values()):
                self.workqueue[file] = unit
        if crashed is not None:
            for other in self.nodes:
                self._reschedule(other)
        return crashed

    def _reschedule(self, node: WorkerController) -> None:
        if node not in self.registered_collections:
            return  # `schedule` comes again when it has collected.
        super()._reschedule(node)
        while (
            self.workqueue
            and not node.shutting_down
            and self._pending_of(self.assigned_work[node]) < _AHEAD
        ):
            self._assign_work_unit(node)
        if not self.workqueue and not node.shutting_down:
            node.shutdown()

    def _assign_work_unit(self, node: WorkerController) -> None:
        try:
            super()._assign_work_unit(node)
        except OSError:
            # It died just now. What it was to do comes back when xdist hears of that.
            return


def check(names: Mapping[type, tuple[str, ...]] = NAMES) -> None:
    """Raises `HarnessError` naming the first name that this xdist does not have."""
    for kind, attributes in names.items():
        _lacks(kind, attributes)


def _lacks(thing: Any, attributes: Sequence[str]) -> None:
    kind = thing if isinstance(thing, type) else type(thing)
    for attribute in attributes:
        if not hasattr(thing, attribute):
            raise HarnessError(
                f"workers: {kind.__module__}.{kind.__name__}.{attribute} is gone",
                saw=f"{PACKAGE} {version(PACKAGE)}",
                try_="-n 0, or install the version that pyproject.toml pins",
            )
