"""
From the exception that ended a scenario to a verdict.

A broken promise fails; everything else that goes wrong is trouble of ours and an
error. The trap is an assertion deep inside a library: it is an `AssertionError`
too and says nothing about Pod Identity. So an assertion counts as a broken
promise only where promises are checked: in the suite itself, in evidence, and in
waits.
"""

import re
import traceback
from collections.abc import Collection, Iterable
from pathlib import Path
from types import TracebackType

import pytest

from conformance.errors import HarnessError
from conformance.events import Verdict

PROMISE_MODULES = ("conformance.probes.", "conformance.world.waiting")
"""Modules whose assertions are about Pod Identity; `PromiseBroken` is raised there."""

LONGEST_MESSAGE = 4000

_SECRET_SHAPES = re.compile(
    r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"  # a JWT
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b"  # an access key id
    r"|(?<=SecretAccessKey)(['\"]?\s*[:=]\s*['\"]?)[A-Za-z0-9/+=]{20,}"
    r"|(?<=SessionToken)(['\"]?\s*[:=]\s*['\"]?)[A-Za-z0-9/+=]{20,}"
)


class Verdicts:
    """Judges what ended a phase; `secrets` are values that no message may repeat."""

    def __init__(self, secrets: Collection[str] = ()) -> None:
        self._secrets: set[str] = set()
        self.clean_of(secrets)

    def clean_of(self, secrets: Iterable[str]) -> None:
        """From now on no message may repeat these values either."""
        self._secrets.update(value for value in secrets if len(value) >= 8)

    def judge(
        self, error: BaseException, *, when: str, suite: Path | None, scenario: Path
    ) -> tuple[Verdict, str, str]:
        """
        (verdict, stage, message) for an exception in phase `setup`, `call` or `teardown`.

        `suite` is the suite's folder, or None; `scenario` the scenario's file. A
        broken promise names its stage by an attribute `stage`, where it has one.
        """
        stage = str(getattr(error, "stage", "") or "")
        if isinstance(error, HarnessError):
            return Verdict.ERROR, "", self.clean(str(error))
        broken = isinstance(error, (AssertionError, pytest.fail.Exception))
        if broken and when != "teardown" and _is_promise(error, suite, scenario):
            place = place_of(error.__traceback__, suite, scenario)
            return Verdict.FAILED, stage, self.clean(f"{str(error) or 'assertion'}\n  at {place}")
        trace = traceback.TracebackException.from_exception(error, capture_locals=False)
        return Verdict.ERROR, "", self.clean("".join(trace.format(chain=True)))

    def clean(self, text: str) -> str:
        """A text without secrets and of bearable length; the end of it counts most."""
        for secret in self._secrets:
            text = text.replace(secret, "<secret>")
        text = _SECRET_SHAPES.sub(lambda found: f"{found[1] or found[2] or ''}<secret>", text)
        if len(text) <= LONGEST_MESSAGE:
            return text.strip()
        half = LONGEST_MESSAGE // 2
        return f"{text[:half]}\n[...]\n{text[-half:]}".strip()


def _frames(trace: TracebackType | None) -> list[tuple[Path, str, int]]:
    frames = []
    while trace is not None:
        code = trace.tb_frame.f_code
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        frames.append((Path(code.co_filename), module, trace.tb_lineno))
        trace = trace.tb_next
    return frames


def _ours(file: Path, suite: Path | None, scenario: Path) -> bool:
    return file == scenario or (suite is not None and suite in file.parents)


def _is_promise(error: BaseException, suite: Path | None, scenario: Path) -> bool:
    frames = [frame for frame in _frames(error.__traceback__) if not frame[1].startswith("_pytest")]
    if not frames:
        return False
    file, module, _ = frames[-1]
    return _ours(file, suite, scenario) or module.startswith(PROMISE_MODULES)


def place_of(trace: TracebackType | None, suite: Path | None, scenario: Path) -> str:
    """The innermost line of the suite: where a reader starts."""
    places = [(f, n) for f, _, n in _frames(trace) if _ours(f, suite, scenario)]
    file, line = places[-1] if places else (scenario, 0)
    base = suite.parent if suite else scenario.parent
    return f"{file.relative_to(base) if file.is_relative_to(base) else file.name}:{line}"
