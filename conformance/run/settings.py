"""
What a user asked of a run, checked, and the environment variables that follow from it.

The trap is a setting that acts without being said: everything here can be written
down again as command line arguments, and nothing is taken from `AWS_*` or `TF_*`
unless the target is a real account.
"""

import os
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from conformance.environment import ALLOWABLE, Environment
from conformance.errors import UsageError
from conformance.requirements.profiles import ALL
from conformance.run.options import NETWORKS, OPTIONS, REVERSED

_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d")
_RUN_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,14}[a-z0-9])?")


@dataclass(frozen=True)
class Settings:
    """The options of one run, each with its default; None means the target's own default."""

    target: str = "embedded"
    stack: str = "aws"
    module_source: Path | None = None
    engine: str | None = None
    provider: str | None = None
    backend_config: Path | None = None
    fault: tuple[str, ...] = ()
    environment: Path | None = None
    profile: str = ALL
    keep: bool = False
    run_id: str | None = None
    reports: Path = Path("reports")
    seed: int | None = None
    order: str = ""
    network: str = "auto"
    nodes: int = 3
    agent_version: str | None = None
    cluster: str | None = None
    region: str | None = None
    other_profile: str | None = None
    allow: tuple[str, ...] = ()
    probe_image: str | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Settings":
        """
        From parsed options by field name; what is absent or None has its default.

        Raises `UsageError` for values that contradict each other or cannot be.
        """
        known = {field.name for field in fields(cls)}
        unset: tuple[object, ...] = (None, "", (), [])
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in given.items()
            if name in known and value not in unset
        }
        asked = values.get("target")
        if (file := values.get("environment")) is not None:
            if not file.is_file():
                raise UsageError(
                    f"--environment {file}: no such file",
                    try_="conformance up, which writes one and prints where",
                )
            # What is there decides; a run on a real account must keep its credentials.
            values["target"] = Environment.read(file).target
        settings = cls(**values)
        settings._check(asked)
        return settings

    def _check(self, asked: str | None) -> None:
        if self.run_id is not None and not _RUN_ID.fullmatch(self.run_id):
            raise UsageError(
                f"--run-id {self.run_id}: cannot be part of a resource's name",
                try_="at most 16 lower case letters, digits and '-'",
            )
        if self.region is not None and not _REGION.fullmatch(self.region):
            raise UsageError(f"--region {self.region}: no region has such a name", try_="eu-west-1")
        if self.network not in NETWORKS:
            raise UsageError(
                f"--network {self.network}: no such network", try_=f"one of: {', '.join(NETWORKS)}"
            )
        if self.order not in ("", REVERSED) and not self.order.isdecimal():
            raise UsageError(
                f"--order {self.order}: no such order", try_=f"{REVERSED}, or a number to shuffle"
            )
        if self.nodes < 1:
            raise UsageError(f"--nodes {self.nodes}: a cluster needs a node for its pods")
        for name in self.allow:
            if name not in list(ALLOWABLE):
                raise UsageError(
                    f"--allow {name}: nothing of that name is refused",
                    try_=f"one of: {', '.join(ALLOWABLE)}",
                )
        if self.environment is not None:
            if self.fault:
                raise UsageError(
                    f"--fault {self.fault[0]}: an environment that is there already keeps its own",
                    saw=f"--environment {self.environment}",
                    try_="conformance up --fault NAME, then conformance run --environment FILE",
                )
            if self.agent_version is not None:
                raise UsageError(
                    f"--agent-version {self.agent_version}: an environment that is there already "
                    "keeps its own",
                    saw=f"--environment {self.environment}",
                    try_="conformance up --agent-version VERSION, then "
                    "conformance run --environment FILE",
                )
            if asked not in (None, self.target):
                raise UsageError(
                    f"--target {asked}: this environment is of target {self.target}",
                    saw=f"--environment {self.environment}",
                )

    @property
    def stack_text(self) -> str:
        """The stack as `terraform.stacks.stack` takes it."""
        return f"{self.stack}={self.module_source}" if self.module_source else self.stack

    def arguments(self, *, without: Iterable[str] = ()) -> list[str]:
        """The command line arguments that give these settings again; defaults are left out."""
        default = Settings()
        arguments: list[str] = []
        for option in OPTIONS:
            value = getattr(self, option.field)
            if value == getattr(default, option.field) or option.field in without:
                continue
            if option.field == "target" and self.environment is not None:
                continue  # The environment's file says it.
            if option.kind == "flag":
                arguments.append(option.flag)
            elif option.kind == "many":
                arguments += [word for one in value for word in (option.flag, one)]
            else:
                arguments += [option.flag, str(value)]
        return arguments

    def reproduce(self, scenario: str, seed: int) -> str:
        """The command that runs one scenario again as this run did."""
        others = ("keep", "run_id", "reports", "seed", "order", "profile")
        arguments = self.arguments(without=others)
        return shlex.join(["conformance", "run", scenario, *arguments, "--seed", str(seed)])


_KEPT_VARIABLES = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_.*|TZ|TERM|COLORTERM|NO_COLOR|FORCE_COLOR"
    r"|COLUMNS|LINES|CI|TMPDIR|TEMP|TMP|XDG_.*|VIRTUAL_ENV|PYTHON.*|SSL_CERT_.*|CONFORMANCE_.*"
)
_REAL_ACCOUNT_VARIABLES = re.compile(r"AWS_.*|TF_.*|HTTPS?_PROXY|NO_PROXY|https?_proxy|no_proxy")


def child_environment(target: str) -> dict[str, str]:
    """
    The environment variables of a child process that runs the suite, built from nothing.

    Only a real account's run gets `AWS_*`, `TF_*` and proxies: on any other target
    they could send calls to a real account, or disturb.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if _KEPT_VARIABLES.fullmatch(name)
        or (target == "eks" and _REAL_ACCOUNT_VARIABLES.fullmatch(name))
    }


def forget_real_account() -> None:
    """Drop what could send this process, or its children, to a real account."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "TF_"))]:
        del os.environ[name]
