"""
One cluster's process: started, listened to, and sure to end.

`CreateCluster` is only as real as this: it starts `python -m conformance.cluster`
and a cluster is ACTIVE when that process says where its API server is. The child
gets an environment built from nothing, a folder of its own and a lifeline: a pipe
whose writing end only we hold, so it ends when we do, however we end.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import ValidationError

import conformance
from conformance.emulator.eks.cluster_api import ClusterApi
from conformance.emulator.eks.cluster_folder import Ready
from conformance.emulator.eks.control import Control, ControlError
from conformance.emulator.eks.signing_keys import SigningKeys

COMMAND = (sys.executable, "-m", "conformance.cluster")
START_SECONDS = 60.0
"""A cluster answers within a second or two; this bound is for a machine that is drowning."""
STOP_SECONDS = 5.0
"""A cluster process promises to be gone 3 s after its lifeline broke."""


class ClusterFailedError(Exception):
    """The cluster did not come up; the last thing that its process said."""


@dataclass(frozen=True)
class Config:
    """config.json; see docs/architecture.md."""

    name: str
    arn: str
    region: str
    account_id: str
    version: str
    ip_family: str
    issuer: str
    network: str
    aws_port: int
    aws_socket: str
    faults: list[str]
    agent_version: str
    max_token_seconds: int


class ClusterProcess:
    """A running cluster; made by `start`."""

    def __init__(
        self, folder: Path, process: asyncio.subprocess.Process, lifeline: int, ready: Ready
    ) -> None:
        self.folder = folder
        self.ready = ready
        self.control = Control(folder / "control.sock")
        self.api = ClusterApi(ready.endpoint, ready.ca, ready.admin_token)
        self.keys = SigningKeys(self.api)
        self._process = process
        self._lifeline: int | None = lifeline

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._process.returncode

    async def wait(self) -> str:
        """Wait for its end, whoever caused it; returns what it last said."""
        code = await self._process.wait()
        return f"cluster process ended with {code}: {_last_words(self.folder)}"

    def hub_socket(self) -> socket.socket | None:
        """
        The listening socket that pods reach AWS by; None on the loopback tier.

        Blocks for a moment. Raises `OSError`.
        """
        if self.ready.network == "loopback":
            return None
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as hub:
            hub.settimeout(STOP_SECONDS)
            hub.connect(str(self.folder / "hub.sock"))
            _, descriptors, _, _ = socket.recv_fds(hub, 1024, 1)
        if not descriptors:
            raise ConnectionError(f"{self.folder / 'hub.sock'} sent no socket")
        return socket.socket(fileno=descriptors[0])

    def cut(self) -> None:
        """Break the lifeline: the process and everything it started will end by itself."""
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None

    async def stop(self) -> None:
        """End it and wait for its end; what does not end in time is killed."""
        if self.ended is None:
            with contextlib.suppress(ControlError):
                await self.control.stop()
        self.cut()
        await self.control.close()
        await _await_end(self._process)


async def start(folder: Path, config: Config) -> ClusterProcess:
    """
    Start a cluster in `folder` (made here, mode 0700) and wait until it answers.

    Raises `ClusterFailedError` with the last line of its log.
    """
    _prepare(folder, config)
    reading, lifeline = os.pipe()
    try:
        with (folder / "cluster.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *COMMAND,
                *("--dir", str(folder), "--lifeline-fd", str(reading)),
                env=_environment(),
                cwd=folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                pass_fds=(reading,),
                start_new_session=True,
            )
    except BaseException:
        os.close(lifeline)
        raise
    finally:
        os.close(reading)
    try:
        ready = await _await_ready(folder, process)
    except BaseException:
        os.close(lifeline)
        await _await_end(process)
        raise
    _write_private(folder / "cluster.json", ready.model_dump_json(indent=2))
    return ClusterProcess(folder, process, lifeline, ready)


def _prepare(folder: Path, config: Config) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_private(folder / "config.json", json.dumps(asdict(config), indent=2))


def _environment() -> dict[str, str]:
    """
    Nothing is inherited but where programs are: AWS_*, TF_* and proxies would mislead pods.

    The package is found where we were, also when it is not installed.
    """
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(Path(conformance.__file__).parents[1]),
        # It believes its own authorities and no public one; to read them all takes 50 ms.
        "SSL_CERT_FILE": os.devnull,
        "SSL_CERT_DIR": os.devnull,
    }


async def _await_ready(folder: Path, process: asyncio.subprocess.Process) -> Ready:
    assert process.stdout is not None  # noqa: S101 -- asked for with PIPE
    try:
        async with asyncio.timeout(START_SECONDS):
            line = await process.stdout.readline()
        if line:
            return Ready.model_validate_json(line)
        code = await process.wait()
        raise ClusterFailedError(f"cluster process ended with {code}: {_last_words(folder)}")
    except TimeoutError:
        words = _last_words(folder)
        raise ClusterFailedError(f"no answer within {START_SECONDS:.0f} s: {words}") from None
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise ClusterFailedError(
            f"its first line is not what was agreed: {first['loc']}: {first['msg']}"
        ) from None


async def _await_end(process: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        # It is the leader of its own session: what it started goes with it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _last_words(folder: Path) -> str:
    """The last line of its log: of a traceback that is the exception."""
    try:
        lines = (folder / "cluster.log").read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        lines = []
    return next((line.strip()[:500] for line in reversed(lines) if line.strip()), "it said nothing")


def _write_private(path: Path, text: str) -> None:
    with open(path, "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, 0o600)) as file:
        file.write(text)
