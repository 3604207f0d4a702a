"""
One running target, described by a file.

Whoever starts an environment writes `environment.json`; workers and later runs
attach to it by that file and nothing else. It holds the keys of an emulated
account's root, so it lies in a folder of mode 0700 and never under reports/.
"""

import os
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from conformance.errors import HarnessError


class Capability(StrEnum):
    """What a target can do beyond the ordinary; a scenario names what it needs."""

    NODE_ISOLATION = "node-isolation"
    """Nodes and pods have networks of their own; 169.254.170.23 is really per node."""
    FAULTS = "faults"
    """Parts can be broken on purpose."""
    RECORDS = "records"
    """EKS Auth calls and IAM decisions can be read back as they were made."""
    SHORT_LIVES = "short-lives"
    """Lives of tokens and credentials can be set to seconds."""
    OWN_ENVIRONMENT = "own-environment"
    """Another one can be started beside it, for scenarios that change what everybody shares."""
    MINT_TOKENS = "mint-tokens"
    """The harness may create service account tokens through TokenRequest."""
    CLUSTERS = "clusters"
    """Another cluster is made and taken away within seconds."""
    TRAIL = "trail"
    """CloudTrail's event history has an event as soon as its call was answered."""
    ORGANIZATION = "organization"
    """The account belongs to an organization whose id is known."""
    LOCAL_VALIDATION = "local-validation"
    """The agent is of a release that checks rotated tokens by itself: 0.2.1 and later."""
    HAZARDS = "hazards"
    """What is dangerous while it is there may be planted: a role for every bucket, for example."""
    LOAD = "load"
    """EKS Auth may be asked hundreds of times within seconds; its limit is the whole account's."""
    AWS_CLI = "aws-cli"
    """The AWS CLI runs beside the harness, and in pods as the image amazon/aws-cli."""
    KUBECTL = "kubectl"
    """kubectl runs beside the harness."""


ALLOWABLE = (Capability.HAZARDS, Capability.LOAD)
"""What a real account has only where its owner says so (`--allow`)."""


class OtherAccount(BaseModel):
    """A second account; without keys it is the profile of that name in the user's own files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    account_id: str
    profile: str = "conformance-other"
    """What Terraform's second provider block names; keys never stand in a file."""
    access_key_id: str | None = None
    secret_access_key: str | None = Field(default=None, repr=False)


class Aws(BaseModel):
    """How to reach AWS; without endpoint it is the real one, with ambient credentials."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    region: str
    account_id: str
    endpoint: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = Field(default=None, repr=False)
    """Left out of repr: pytest prints what a failed function was called with."""
    other: OtherAccount | None = None
    """None on a target that has one account only."""
    organization: str | None = None
    """The id of the account's organization; None where it has none, or nobody may ask for it."""


class Cluster(BaseModel):
    """How to reach the cluster."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    arn: str
    kubeconfig: Path
    context: str


class Environment(BaseModel):
    """A running target; see the module."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    target: str
    folder: Path
    """Everything that belongs to this environment and dies with it; mode 0700."""
    aws: Aws
    cluster: Cluster
    capabilities: frozenset[Capability]
    network: Literal["root", "userns", "loopback", "real"]
    probe_image: str
    provider: str
    """Where Terraform's provider comes from: `embedded`, `registry` or `mirror=DIR`."""
    parts: dict[str, str]
    """Each part with its version, for the report."""
    settling_seconds: float = 15.0
    """
    A change of associations or policies that has no effect by then is a broken promise.

    EKS says "several seconds", users report 5 to 10 (eks-pod-identity-agent#52); IAM is
    eventually consistent and names no bound, its changes are mostly seen within seconds.
    """
    admin_socket: Path | None = None
    """Unix socket of the emulated AWS's admin API; None on a real account."""
    pid: int | None = None
    """The process whose end ends the environment; None when nothing of ours runs."""

    @property
    def emulated(self) -> bool:
        return self.admin_socket is not None

    @property
    def file(self) -> Path:
        return self.folder / "environment.json"

    def write(self) -> None:
        """Write `environment.json` so that a reader sees all of it or nothing."""
        descriptor, name = tempfile.mkstemp(dir=self.folder)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(self.model_dump_json(indent=2))
        Path(name).replace(self.file)

    @classmethod
    def read(cls, path: Path) -> "Environment":
        """Raises `HarnessError` when the file is not there or not an environment."""
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise HarnessError(
                f"environment file {path} cannot be read",
                saw=error.strerror or str(error),
                try_="conformance up, which writes one and prints where",
            ) from error
        except ValidationError as error:
            first = error.errors()[0]
            raise HarnessError(
                f"environment file {path} is not one of this version",
                saw=f"{'.'.join(map(str, first['loc']))}: {first['msg']}",
                try_="conformance down, then conformance up",
            ) from error
