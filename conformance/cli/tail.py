"""
The events of a run while they are written.

They are looked at as plain data: a watcher must not stumble over an event that a
newer part writes. A line counts once its end is there.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Tail:
    """Reads on, in every file of events that a folder has, or gets."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, int] = {}

    def new(self) -> Iterator[dict[str, Any]]:
        """What was written since the last time, in order within each file."""
        for path in sorted(self._folder.glob("events-*.ndjson")):
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                whole, end, _ = file.read().rpartition(b"\n")
                self._read[path] = self._read.get(path, 0) + len(whole) + len(end)
            for line in whole.splitlines():
                yield json.loads(line)
