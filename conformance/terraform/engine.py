"""
python-terraform, corrected.

The library knows how options become arguments, and that is kept. Of the rest, its
last release (0.10.1, 2019) meets neither today's Terraform nor a test run: options
that no longer exist, approval asked of nobody, errors turned into `None`, our whole
environment or none at all, no bound on time, and a Ctrl-C that reaches Terraform
together with us, so that it stops twice and forgets what it was creating.

Here Terraform runs in a session of its own. Whatever ends the wait for it (Ctrl-C,
SystemExit, a bound, an error in a progress callback) sends it SIGINT once and then
waits: it finishes the calls that are under way and writes its state. Only one that
does not end within the grace is killed, with everything it started.
"""

import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

import python_terraform
from python_terraform import IsFlagged

from conformance.terraform.finding import EngineBinary
from conformance.terraform.messages import Change, Progress, Stream, TerraformError

DEFAULT_SECONDS: Final[Mapping[str, float]] = {
    "init": 600.0,
    "get": 300.0,
    "plan": 900.0,
    "apply": 1800.0,
    "destroy": 1800.0,
}
"""
By command. A provider is half a gigabyte to download; a real cluster takes up to a quarter
of an hour, with its nodes half an hour.
"""

OTHER_SECONDS: Final = 300.0
"""Of every other command: they read, or change the state alone."""

GRACE_SECONDS: Final = 60.0
"""From SIGINT to SIGKILL: a call to AWS that is under way may end."""

_END: Final = object()


class Engine(python_terraform.Terraform):  # type: ignore[misc]  # the library has no types
    """
    Terraform in one folder.

    `environment` is all that Terraform gets. `progress` is called in the thread that
    called the command. `seconds` bounds each run, by command.
    """

    def __init__(
        self,
        folder: Path,
        binary: EngineBinary,
        environment: Mapping[str, str],
        *,
        progress: Callable[[Progress], None] | None = None,
        seconds: Mapping[str, float] = DEFAULT_SECONDS,
        grace: float = GRACE_SECONDS,
    ) -> None:
        self.folder = folder
        self.binary = binary
        self.environment = dict(environment)
        self.progress = progress
        self.seconds = seconds
        self.grace = grace
        self._process: subprocess.Popen[str] | None = None
        self._interrupted = threading.Event()
        super().__init__(working_dir=str(folder), terraform_bin_path=binary.argv[0])

    def __getattr__(self, item: str) -> Any:
        # The library takes any name for a command; a typo should be found before Terraform is.
        raise AttributeError(f"{type(self).__name__} has no {item!r}; cmd() runs any command")

    def init(self, **options: Any) -> None:
        """Install providers and modules; needed unless a provider is attached."""
        self._checked("init", no_color=IsFlagged, input=False, **options)

    def get(self) -> None:
        """Install modules and nothing else."""
        self._checked("get", no_color=IsFlagged)

    def apply(self, **options: Any) -> Stream:
        """Plan and apply in one; raises `TerraformError` with Terraform's diagnostics."""
        return self._checked(
            "apply", auto_approve=IsFlagged, input=False, json=IsFlagged, **options
        )

    def destroy(self, **options: Any) -> Stream:
        """Destroy everything in the state, without asking AWS for it first."""
        return self._checked(
            "destroy",
            auto_approve=IsFlagged,
            input=False,
            refresh=False,
            json=IsFlagged,
            **options,
        )

    def plan(self, **options: Any) -> list[Change]:
        """What an apply would do; empty when the state is as the configuration wants it."""
        stream = self._checked(
            "plan", good=(0, 2), detailed_exitcode=IsFlagged, input=False, json=IsFlagged, **options
        )
        return stream.changes

    def output(self, name: str | None = None) -> Any:
        """One output's value, or all values by name; raises `TerraformError` for none."""
        values = {key: output["value"] for key, output in self.json("output").items()}
        if name is None:
            return values
        if name not in values:
            raise self._failure(
                f"terraform output: there is no output {name!r}",
                saw=f"outputs: {', '.join(values) or 'none'}",
            )
        return values[name]

    def json(self, command: str, *arguments: str) -> Any:
        """What a command answers that prints one JSON document: `providers schema`, `version`."""
        code, out, err = self.cmd(command, *arguments, json=IsFlagged)
        if code != 0:
            raise self._failure(f"terraform {command} failed", saw=(err or out).strip()[-2000:])
        return json.loads(out)

    def cmd(self, cmd: str, *args: str, **kwargs: Any) -> tuple[int, str, str]:
        """
        Run any command, options as python-terraform spells them; code, output, errors.

        The library's `capture_output`, `raise_on_error` and `synchronous` are refused:
        output is always captured, and a run is always waited for.
        """
        for name in ("capture_output", "raise_on_error", "synchronous"):
            if name in kwargs:
                raise TypeError(f"cmd() takes no {name}; see its docstring")
        out: list[str] = []
        try:
            code, err = self._run(
                self._argv(cmd, *args, **kwargs), out.append, self.bound(cmd.split(maxsplit=1)[0])
            )
        except TimeoutError as error:
            raise self._failure(
                f"terraform {cmd}: not done after {self.bound(cmd.split(maxsplit=1)[0]):g} s",
                saw="".join(out).strip()[-2000:] or "nothing",
            ) from error
        return code, "".join(out), err

    def bound(self, *commands: str) -> float:
        """Seconds that these may take, one after the other, before they are told to stop."""
        return sum(self.seconds.get(command, OTHER_SECONDS) for command in commands)

    def interrupt(self) -> None:
        """Ask the running command to stop, from any thread; does nothing when none runs."""
        process = self._process
        if process is not None and not self._interrupted.is_set():
            self._interrupted.set()
            process.send_signal(signal.SIGINT)

    def read_state_file(self, file_path: str | None = None) -> None:
        """Nothing: after a kill a state may be empty or half there, and outputs tell enough."""

    def _argv(self, cmd: str, *args: str, **kwargs: Any) -> list[str]:
        command: Sequence[str] = self.generate_cmd_string(cmd, *args, **kwargs)
        return [*self.binary.argv, *command[1:]]

    def _checked(self, command: str, good: tuple[int, ...] = (0,), **options: Any) -> Stream:
        stream = Stream()

        def take(line: str) -> None:
            step = stream.take(line)
            if step is not None and self.progress is not None:
                self.progress(step)

        try:
            code, err = self._run(self._argv(command, **options), take, self.bound(command))
        except TimeoutError as error:
            raise self._failure(
                f"terraform {command}: not done after {self.bound(command):g} s",
                saw=stream.last_words(),
                diagnostics=stream.errors,
            ) from error
        for line in err.splitlines():
            stream.take(line)
        if code not in good:
            raise self._failure(
                f"terraform {command} failed", saw=stream.last_words(), diagnostics=stream.errors
            )
        return stream

    def _failure(self, wanted: str, **said: Any) -> TerraformError:
        return TerraformError(
            f"{wanted} in {self.folder}",
            try_=f"look into {self.folder}; the state is in terraform.tfstate there",
            folder=self.folder,
            **said,
        )

    def _run(self, argv: list[str], take: Callable[[str], None], seconds: float) -> tuple[int, str]:
        """Run to the end, every line to `take`; raises `TimeoutError` when the bound is reached."""
        lines: queue.Queue[Any] = queue.Queue()
        errors: list[str] = []
        self._interrupted.clear()
        deadline = time.monotonic() + seconds
        readers: list[threading.Thread] = []
        process = None
        try:
            process = self._process = subprocess.Popen(
                argv,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            for arguments in (
                (process.stdout, lines.put, lines.put),
                (process.stderr, errors.append),
            ):
                readers.append(threading.Thread(target=_read, args=arguments))
                readers[-1].start()
            while (line := self._next(lines, deadline)) is not _END:
                take(line)
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
        finally:
            # A second Ctrl-C may meet us anywhere on the way, and must not leave it running.
            stopped_by = time.monotonic() + self.grace
            while process is not None and process.poll() is None:
                with contextlib.suppress(KeyboardInterrupt):
                    self._stop(process, stopped_by)
            self._process = None
            self.temp_var_files.clean_up()
            for reader in readers:
                reader.join()
            for pipe in (process.stdout, process.stderr) if process is not None else ():
                if pipe is not None:
                    pipe.close()
        return process.returncode, "".join(errors)

    @staticmethod
    def _next(lines: "queue.Queue[Any]", deadline: float) -> Any:
        try:
            return lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise TimeoutError from None

    def _stop(self, process: "subprocess.Popen[str]", deadline: float) -> None:
        """SIGINT, once however often this is called; then wait, then kill."""
        self.interrupt()
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _read(
    stream: IO[str] | None, put: Callable[[str], None], end: Callable[[Any], None] | None = None
) -> None:
    for line in stream or ():
        put(line)
    if end is not None:
        end(_END)
