"""
Where the processes of one run find each other.

The xdist controller collects nothing, so it cannot know whether its workers found
scenarios; the workers cannot know where the environment is until the controller
started one. Both know the run's id, and so this folder: its existence says that
scenarios were found, a file in it where the environment is, and a pipe in it tells
when the last worker has tidied up. Trouble that a worker has before the first
scenario goes through here too, because a worker that raises is replaced by xdist
again and again.

A run without workers has nobody to meet: it makes no folder, so a kill leaves none.
"""

import contextlib
import json
import os
import select
import shutil
import tempfile
from pathlib import Path

from conformance.environment import Environment
from conformance.errors import HarnessError, UsageError
from conformance.events import SuiteCollected
from conformance.processes import Stamp
from conformance.run.options import rendezvous_folder


class Rendezvous:
    """The folder of one run; nothing is made before `claim`."""

    def __init__(self, run: str) -> None:
        self.folder = rendezvous_folder(run)
        self._pipe = self.folder / "working"
        self._writing: int | None = None
        self._environment: Environment | None = None

    def claim(self) -> None:
        """
        Say that scenarios were found; any process may, any number of times.

        Raises `HarnessError` when the folder is somebody else's: the name can be
        guessed when the run id was given.
        """
        self.folder.mkdir(mode=0o700, exist_ok=True)
        status = self.folder.stat()
        if status.st_uid != os.getuid() or status.st_mode & 0o077:
            raise HarnessError(
                f"{self.folder} belongs to somebody else",
                saw=f"uid {status.st_uid}, mode {status.st_mode & 0o777:o}",
                try_="another --run-id",
            )
        # A sweep sees from it whether anybody of the run is alive.
        (self.folder / f"process-{os.getpid()}").write_text(str(Stamp.own()), encoding="ascii")
        with contextlib.suppress(FileExistsError):  # Another process of this run was faster.
            os.mkfifo(self._pipe, 0o600)

    def hold(self) -> None:
        """Say that this process has something to tidy up from now on."""
        if self._writing is None and self._pipe.exists():
            # Read and write: opening a pipe for writing alone waits for a reader.
            self._writing = os.open(self._pipe, os.O_RDWR | os.O_NONBLOCK)

    def release(self) -> None:
        """Say that this process has tidied up; the end of the process says it too."""
        if self._writing is not None:
            os.close(self._writing)
            self._writing = None

    def wait_for_others(self, seconds: float) -> bool:
        """Wait until nobody holds any more; False when time is over."""
        if not self._pipe.exists():
            return True
        reading = os.open(self._pipe, os.O_RDONLY | os.O_NONBLOCK)
        try:
            # A pipe reports its end only after somebody had it open for writing.
            os.close(os.open(self._pipe, os.O_WRONLY | os.O_NONBLOCK))
            poll = select.poll()
            poll.register(reading, select.POLLIN)
            return bool(poll.poll(seconds * 1000))
        finally:
            os.close(reading)

    def publish(self, environment: Environment) -> None:
        """Tell where the environment is."""
        self._environment = environment
        if self.folder.is_dir():
            self._write("environment", str(environment.file))

    def environment(self) -> Environment:
        """The environment of the run; raises `HarnessError` when none was published."""
        if self._environment is not None:
            return self._environment
        pointer = self.folder / "environment"
        if not pointer.is_file():
            raise HarnessError(
                "this run has no environment",
                saw=f"no {pointer}",
                try_="use the fixtures world and environment in scenarios only",
            )
        return Environment.read(Path(pointer.read_text(encoding="utf-8")))

    def tell(self, collected: SuiteCollected | HarnessError) -> None:
        """Hand the controller what was collected, or why it could not be."""
        if isinstance(collected, SuiteCollected):
            self._write("collected", collected.model_dump_json())
            return
        trouble = {
            "usage": isinstance(collected, UsageError),
            "wanted": collected.wanted,
            "saw": collected.saw,
            "try_": collected.try_,
        }
        self._write("trouble", json.dumps(trouble))

    def collected(self) -> SuiteCollected:
        """What the workers collected; raises what they could not do."""
        trouble = self.folder / "trouble"
        if trouble.is_file():
            told = json.loads(trouble.read_text(encoding="utf-8"))
            kind = UsageError if told.pop("usage") else HarnessError
            raise kind(told.pop("wanted"), **told)
        text = (self.folder / "collected").read_text(encoding="utf-8")
        return SuiteCollected.model_validate_json(text)

    def close(self) -> None:
        """Take the folder away."""
        self.release()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, name: str, text: str) -> None:
        descriptor, path = tempfile.mkstemp(dir=self.folder)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(path).replace(self.folder / name)
