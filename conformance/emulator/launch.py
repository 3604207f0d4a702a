"""
Starts the AWS process and hands over what it announces.

The child gets an environment built from nothing: no AWS_*, no proxy, no setting of
the caller's shell reaches it. It runs in a session of its own, because Ctrl-C goes to
the whole foreground group and Terraform still needs AWS to clean up after it; what ends
the child is its lifeline, or `stop`.
"""

import os
import selectors
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pydantic import BaseModel, ConfigDict, ValidationError

from conformance.emulator.admin import AdminClient
from conformance.emulator.behaviour import Behaviour
from conformance.environment import Aws, OtherAccount
from conformance.errors import HarnessError

LOG = "aws.log"
TAIL_LINES = 20
START_WITHIN = 20.0
"""Seconds; a start takes under one on an idle machine."""
STOP_WITHIN = 3.0


class Announced(BaseModel):
    """`aws.json`; holds the account's root key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pid: int
    endpoint: str
    region: str
    account_id: str
    access_key_id: str
    secret_access_key: str
    organization: str
    """The one that the account manages."""
    other: OtherAccount
    """A second account of the same AWS."""
    parts: dict[str, str]

    @classmethod
    def read(cls, folder: Path) -> "Announced":
        """Raises `HarnessError` when the file is not there or not of this version."""
        path = folder / "aws.json"
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, ValidationError) as error:
            raise HarnessError(f"emulated AWS: {path} cannot be used", saw=str(error)) from error

    @property
    def aws(self) -> Aws:
        """As `environment.json` has it."""
        return Aws(
            region=self.region,
            account_id=self.account_id,
            endpoint=self.endpoint,
            access_key_id=self.access_key_id,
            secret_access_key=self.secret_access_key,
            organization=self.organization,
            other=self.other,
        )


@dataclass
class Launched:
    """A running AWS process."""

    announced: Announced
    process: subprocess.Popen[str]
    folder: Path
    lifeline: int | None
    """Writing end; the process ends when nobody holds it any more."""

    @property
    def aws(self) -> Aws:
        return self.announced.aws

    @property
    def admin(self) -> AdminClient:
        return AdminClient(self.folder / "aws.sock")

    def outlive(self) -> None:
        """From now on the process does not end with this one."""
        self.admin.outlive()
        self._let_go()

    def stop(self) -> None:
        """Returns when the process is gone; it is killed after `STOP_WITHIN` seconds."""
        self._let_go()
        self.process.terminate()
        try:
            self.process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _let_go(self) -> None:
        if self.lifeline is not None:
            os.close(self.lifeline)
            self.lifeline = None


def launch(
    folder: Path,
    *,
    region: str = "us-east-1",
    account_id: str | None = None,
    faults: Sequence[str] = (),
    network: str = "auto",
    lifeline: bool = True,
    behaviour: Behaviour | None = None,
) -> Launched:
    """
    Start the process in `folder` (made with mode 0700) and wait until it serves.

    With `lifeline` it ends when this process does; without, only by its admin API or
    a signal. Raises `HarnessError` with the end of its log when it does not come up.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    command = [
        *(sys.executable, "-m", "conformance.emulator", "--dir", str(folder)),
        *("--region", region, "--network", network),
        *command_line(behaviour or Behaviour()),
        *("--log-file", str(folder / LOG)),
    ]
    if account_id is not None:
        command += ["--account", account_id]
    for fault in faults:
        command += ["--fault", fault]
    held: int | None = None
    watched: int | None = None
    if lifeline:
        watched, held = os.pipe()
        command += ["--lifeline-fd", str(watched)]
    with (folder / LOG).open("a", encoding="utf-8") as log:
        process = subprocess.Popen(
            command,
            env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            pass_fds=() if watched is None else (watched,),
            start_new_session=True,
        )
    if watched is not None:
        os.close(watched)
    try:
        _await_ready(process, folder)
        return Launched(Announced.read(folder), process, folder, held)
    except BaseException:
        if held is not None:
            os.close(held)
        process.kill()
        process.wait()
        raise


def command_line(behaviour: Behaviour) -> list[str]:
    """The options of the process for settings that are not the defaults."""
    changed = behaviour.model_dump(exclude_defaults=True)
    return [f"--{name.replace('_', '-')}={value}" for name, value in changed.items()]


def _await_ready(process: subprocess.Popen[str], folder: Path) -> None:
    """Wait for the line `ready`, for the end of output, or for the bound; never polls."""
    assert process.stdout is not None  # noqa: S101 -- Popen was given a pipe
    line = _line_within(process.stdout, START_WITHIN)
    process.stdout.close()
    if line == "ready\n":
        return
    process.kill()
    code = process.wait()
    raise HarnessError(
        "emulated AWS does not start",
        saw=_tail(folder / LOG)
        or (f"nothing within {START_WITHIN:.0f} s" if line is None else f"exit code {code}"),
        try_=f"read {folder / LOG}",
    )


def _line_within(stream: IO[str], seconds: float) -> str | None:
    """The first line, "" at end of file, None when time is up."""
    until = time.monotonic() + seconds
    read = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while not read.endswith(b"\n"):
            if not selector.select(max(0.0, until - time.monotonic())):
                return None
            piece = os.read(stream.fileno(), 1024)
            if not piece:
                break
            read += piece
    return read.decode()


def _tail(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-TAIL_LINES:])
