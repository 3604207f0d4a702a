"""
One root, applied and destroyed: all that the world and the targets use of Terraform.

A workspace remembers in its folder, not in memory: the state is there, so another
process can destroy what this one made. Nothing is destroyed on the way out of an
exception; whoever owns the workspace decides, and an interrupted apply has left a
state that `destroy` understands.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Generic

from conformance.environment import Aws
from conformance.terraform.backend import BACKEND_FILE, Backend, keeps_state_elsewhere
from conformance.terraform.engine import DEFAULT_SECONDS, Engine
from conformance.terraform.finding import EngineBinary, find_engine
from conformance.terraform.ledger import Book, Entry, Ledger, names_of, tags_of
from conformance.terraform.messages import Change, Progress, TerraformError
from conformance.terraform.sources import ProviderSource, provider_source
from conformance.terraform.stacks import OutputT, Root
from conformance.terraform.surroundings import aws_environment, child_environment
from conformance.terraform.surroundings import internet_environment as internet

_CONFIGURATION: Final = "terraform.rc"
_STATE: Final = "terraform.tfstate"
_INITIALISED: Final = ".terraform.lock.hcl"
_MODULES: Final = ".terraform/modules/modules.json"


class Workspace(Generic[OutputT]):
    """
    `folder` is made with mode 0700 and belongs to this workspace alone.

    `provider` is `embedded`, `registry` or `mirror=DIR`. `seconds` bounds each run of
    Terraform, by command. `backend` keeps the state elsewhere. `progress` hears of every
    resource, in the calling thread.
    """

    def __init__(
        self,
        folder: Path,
        root: Root[OutputT],
        *,
        aws: Aws,
        provider: str = "embedded",
        engine: EngineBinary | None = None,
        ledger: Ledger | None = None,
        progress: Callable[[Progress], None] | None = None,
        seconds: Mapping[str, float] = DEFAULT_SECONDS,
        backend: Backend | None = None,
    ) -> None:
        self.folder = folder.absolute()
        self.root = root
        self.aws = aws
        self.source: ProviderSource = provider_source(provider)
        self.book = Book()
        self._provider_text = provider
        self.failed = False
        """An apply failed, and its message names the folder: somebody will look into it."""
        self._unseen = False
        self._progress = progress
        self._ledger = ledger
        self._backend = backend
        self._environment = child_environment(self.folder, self.folder / _CONFIGURATION)
        self.engine = Engine(
            self.folder,
            engine or find_engine(),
            self._environment,
            progress=self._count,
            seconds=seconds,
        )

    def apply(self, variables: Mapping[str, Any]) -> OutputT:
        """
        Make it so, and return what it became; call again with other variables to change it.

        Raises `TerraformError` when Terraform fails, `HarnessError` when the output is
        not what was agreed.
        """
        self.root.assemble(self.folder, variables, self.aws)
        (self.folder / _CONFIGURATION).write_text(self.source.configuration(), encoding="utf-8")
        if self._backend is not None:
            run = str(variables.get("run", ""))
            self._backend.write(self.folder, run=run, world=self.folder.name)
        if self._ledger is not None:
            self._ledger.intend(self._entry(variables))
        try:
            with self._provider(), self._watching():
                outputs = self.engine.apply().outputs
        except TerraformError:
            self.failed = True
            raise
        return self.root.parse(outputs)

    def plan(self) -> list[Change]:
        """What another apply would do; empty when nothing."""
        with self._provider():
            return self.engine.plan()

    def destroy(self) -> None:
        """
        Destroy all that the state knows; the folder stays. A second time it does nothing.

        The ledger closes the world only when nothing can be outside of the state:
        after a creation whose end nobody saw, somebody has to look at the account.
        """
        if self.has_state:
            with self._provider():
                self.engine.destroy()
        if self._ledger is not None and self.certain:
            self._ledger.destroyed(str(self.folder))

    def remove(self) -> None:
        """Take the folder away, state and all; call it when nothing is left of the resources."""
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def interrupt(self) -> None:
        """From any thread: have the running Terraform stop, once it has recorded what it made."""
        self.engine.interrupt()

    @property
    def created(self) -> int:
        return self.book.created

    @property
    def destroyed(self) -> int:
        return self.book.destroyed

    @property
    def certain(self) -> bool:
        """Whether every creation that began has ended, and what it made was destroyed again."""
        return not self._unseen and not self.book.there

    @property
    def has_state(self) -> bool:
        """Whether an apply ever began to record anything; the file may be empty after a kill."""
        return (self.folder / _STATE).exists() or keeps_state_elsewhere(self.folder)

    @contextmanager
    def _provider(self) -> Iterator[None]:
        if self.root.needs_init and not self.source.needs_init:
            self._get_modules()
        if self.source.needs_init and not (self.folder / _INITIALISED).exists():
            with self.source.initialising() as surroundings:
                reaching = self._aws_for_backend()
                self.engine.environment = {**self._environment, **reaching, **surroundings}
                self.engine.init()
        environment = self._ledger.environment if self._ledger is not None else None
        of_environment = environment.parent if environment is not None else None
        with self.source.serving(self.aws, self.folder, of_environment) as surroundings:
            reaching = self._aws_for_backend()
            self.engine.environment = {**self._environment, **reaching, **surroundings}
            if (self.folder / BACKEND_FILE).exists() and not keeps_state_elsewhere(self.folder):
                # Attached to or installed, the provider is known by now; the backend is not.
                self.engine.init()
            yield

    def _aws_for_backend(self) -> dict[str, str]:
        """A backend asks AWS itself; without one, Terraform's own process gets no key."""
        return aws_environment(self.aws) if (self.folder / BACKEND_FILE).exists() else {}

    @contextmanager
    def _watching(self) -> Iterator[None]:
        """Note when Terraform may have made something that it could not tell us about."""
        try:
            yield
        except TerraformError as error:
            self._unseen = self._unseen or isinstance(error.__cause__, TimeoutError)
            raise
        except BaseException:
            self._unseen = True
            raise

    def _get_modules(self) -> None:
        """An attached provider needs no init; modules are wanted all the same."""
        if not (self.folder / _MODULES).exists():
            local = self.root.given is not None
            self.engine.environment = {**self._environment, **({} if local else internet())}
            self.engine.get()

    def _entry(self, variables: Mapping[str, Any]) -> Entry:
        return Entry(
            workspace=str(self.folder),
            root=self.root.name,
            run=str(variables.get("run", "")),
            name=str(variables.get("prefix") or variables.get("name", "")),
            account_id=self.aws.account_id,
            region=self.aws.region,
            endpoint=self.aws.endpoint,
            provider=self._provider_text,
            environment=self._ledger_environment,
            other_account=self.aws.other.account_id if self.aws.other else None,
            other_profile=self.aws.other.profile if self.aws.other else "",
            cluster=str(variables.get("cluster", "")),
            tags=tags_of(variables),
            names=names_of(variables),
        )

    @property
    def _ledger_environment(self) -> str | None:
        environment = self._ledger.environment if self._ledger is not None else None
        return None if environment is None else str(environment)

    def _count(self, step: Progress) -> None:
        self.book.take(step.action, step.state, step.address)
        if self._ledger is not None:
            self._ledger.step(str(self.folder), step)
        if self._progress is not None:
            self._progress(step)
