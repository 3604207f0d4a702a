"""
The process that owns a run: pytest's only one, or xdist's controller.

It begins the run once it is known what there is to do, and finishes it however the
session ends: done, refused, interrupted, or abandoned by whoever started it.
"""

import contextlib
import os
import shlex
import signal
import threading
from collections.abc import Mapping
from types import FrameType
from typing import Any

import pytest

from conformance.errors import HarnessError, UsageError
from conformance.events import SuiteCollected
from conformance.run.lifecycle import Run
from conformance.run.options import (
    COMMAND_VARIABLE,
    LIFELINE_VARIABLE,
    REFUSAL_VARIABLE,
    Identity,
)
from conformance.run.process import Process
from conformance.run.rendezvous import Rendezvous
from conformance.run.settings import forget_real_account

EXIT_USAGE = 2
EXIT_ERROR = 3
WORKERS_SECONDS = 180.0
"""Bound for workers to tidy up after an interruption: on a real account Terraform destroys."""


class Owner(Process):
    """A process that has the `Run`; None until it began, and when it was refused."""

    def __init__(self, identity: Identity, given: Mapping[str, Any]) -> None:
        super().__init__(identity, given)
        self.run: Run | None = None
        self._finishing = False

    def tell(self, collected: SuiteCollected | HarnessError) -> None:
        """Without workers: what there is to do is begun here."""
        if isinstance(collected, HarnessError):
            self.refuse(collected)
        else:
            self.begin(collected)

    def hear(self) -> None:
        """A worker has told what it collected."""
        try:
            self.rendezvous.claim()
            collected = self.rendezvous.collected()
        except HarnessError as error:
            self.refuse(error)
        else:
            self.begin(collected)

    def begin(self, collected: SuiteCollected) -> None:
        """Start the run; ends the session when that is not possible."""
        try:
            run = self.open()
            run.collect(collected)
            run.start()
        except HarnessError as error:
            self.refuse(error)

    def open(self) -> Run:
        """Begin the report; raises `UsageError` for what cannot be, `HarnessError` otherwise."""
        identity = self.identity
        settings = self.settings
        run = Run(settings, identity, self._command(), self.rendezvous)
        run.check()
        if settings.target != "eks":
            forget_real_account()
        self.listen(self._interrupt)
        hold_lifeline(self.rendezvous)
        run.open()
        self.run, self.own_log = run, run.log
        return run

    def refuse(self, error: HarnessError) -> None:
        """
        End the session: a mistake of the user leaves no report, trouble of ours does.

        Where none can be written there are still the words.
        """
        self.trouble = error
        if isinstance(error, UsageError):
            self.run = None
            self._say_why(error)
            pytest.exit(str(error), returncode=EXIT_USAGE)
        try:
            run = self.run or self.open()
            run.trouble("before the first scenario", str(error))
        except HarnessError:
            self._say_why(error)
        pytest.exit(str(error), returncode=EXIT_ERROR)

    @staticmethod
    def _say_why(error: HarnessError) -> None:
        if place := os.environ.get(REFUSAL_VARIABLE):
            with contextlib.suppress(OSError):  # It may be the full disk that it is about.
                os.write(int(place), str(error).encode())

    def finish(self, broken_files: Mapping[str, str]) -> int | None:
        """Finish the run; returns the exit code, None when there was no run."""
        if self.run is None and broken_files and self.trouble is None:
            self.open()
        if self.run is None:
            self.rendezvous.close()
            return None
        self._finishing = True
        try:
            for file, text in broken_files.items():
                self.run.trouble(file, text)
            return self.run.finish(signal=self.interrupted_by).exit_code
        except OSError as error:
            # What it started ends with this process: nobody holds the lifeline then.
            self.trouble = HarnessError(
                f"{self.run.folder}: the report cannot be written",
                saw=str(error),
                try_="--reports with a folder that can be written to, on a disk with room",
            )
            self.run.report = None
            self._say_why(self.trouble)
            return EXIT_ERROR

    def wait_for_workers(self) -> None:
        """They tidy up through the environment, so it has to outlive them."""
        if self.interrupted_by is not None:
            self.rendezvous.release()
            self.rendezvous.wait_for_others(WORKERS_SECONDS)

    def _command(self) -> str:
        return os.environ.pop(COMMAND_VARIABLE, "") or shlex.join(
            ["pytest", *self.identity.arguments]
        )

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        del frame
        if not self._finishing:
            self.interrupted_by = self.interrupted_by or number
            raise KeyboardInterrupt


def hold_lifeline(rendezvous: Rendezvous) -> None:
    """End at once when whoever gave us a lifeline is gone, as if killed with it."""
    told = os.environ.pop(LIFELINE_VARIABLE, None)
    if told is None:
        return

    def watch() -> None:
        os.read(int(told), 1)
        rendezvous.close()
        os._exit(128 + signal.SIGKILL)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()
