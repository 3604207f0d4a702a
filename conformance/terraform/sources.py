"""
Where Terraform gets its provider from.

`embedded` serves it out of our own process for each run, `mirror=DIR` takes the real
one from a filesystem mirror, `registry` downloads it once into a cache. The CLI
configuration is always one that we wrote: whatever a user has in ~/.terraformrc
could send a run of ours elsewhere.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from conformance.environment import Aws
from conformance.errors import HarnessError, UsageError
from conformance.terraform.provider.connection import Profile, Settings
from conformance.terraform.provider.server import serve
from conformance.terraform.surroundings import aws_environment, internet_environment

MIRROR_VARIABLE: Final = "CONFORMANCE_PROVIDER_MIRROR"

# Where machines without a way to the registry keep one, by convention.
_MIRROR_PLACES: Final = (Path("/opt/tf-plugins"), Path("/tf-plugins"))
_ADDRESS: Final = Path("registry.terraform.io/hashicorp/aws")


Surroundings = AbstractContextManager[dict[str, str]]
"""Holds as long as Terraform runs; yields what its environment needs besides."""


class ProviderSource(Protocol):
    """One way to a provider."""

    @property
    def needs_init(self) -> bool: ...

    def configuration(self) -> str:
        """The text of Terraform's CLI configuration."""
        ...

    def serving(
        self, aws: Aws, folder: Path | None = None, environment: Path | None = None, /
    ) -> Surroundings:
        """
        For the time of one run of Terraform in `folder`: what its environment needs.

        `environment` is the folder of what it works on; like `folder`, it goes when that goes.
        """
        ...

    def initialising(self) -> Surroundings:
        """For the time of one `terraform init`: what its environment needs."""
        ...


_SELDOM: Final = {"GOGC": "400"}
"""
Terraform, asked to collect garbage a fourth as often: a seventh of its processor time, for 50 MB.
Not with the real provider, which has half a gigabyte to begin with and would inherit it.
"""


@dataclass(frozen=True)
class Embedded:
    """Our own provider, in this process, attached to by Terraform."""

    needs_init: bool = False

    def configuration(self) -> str:
        # An empty mirror: nothing is ever downloaded, whatever the root asks for.
        return 'provider_installation {\n  filesystem_mirror {\n    path = "/dev/null"\n  }\n}\n'

    @contextmanager
    def serving(
        self, aws: Aws, folder: Path | None = None, environment: Path | None = None, /
    ) -> Iterator[dict[str, str]]:
        if aws.endpoint is None:
            raise HarnessError(
                "provider: the embedded one works on an emulation only",
                saw=f"account {aws.account_id} in {aws.region}, without endpoint",
                try_="--provider registry, or mirror=DIR",
            )
        settings = Settings(
            region=aws.region,
            endpoint=aws.endpoint,
            access_key_id=aws.access_key_id,
            secret_access_key=aws.secret_access_key,
            path_style=True,
            profiles=_profiles(aws),
        )
        # Reports may lie deep in somebody's folders, and a socket's path is short.
        with serve(settings, folder, environment) as attached:
            yield attached | _SELDOM

    def initialising(self) -> Surroundings:
        return nullcontext({})


@dataclass(frozen=True)
class Mirror:
    """The real provider from a folder; nothing is downloaded."""

    folder: Path
    needs_init: bool = True

    def configuration(self) -> str:
        return mirror_configuration(self.folder)

    def serving(
        self, aws: Aws, folder: Path | None = None, _environment: Path | None = None, /
    ) -> Surroundings:
        return _reaching(aws, folder)

    def initialising(self) -> Surroundings:
        return nullcontext({})


@dataclass(frozen=True)
class Registry:
    """The real provider from the registry, kept in a cache of this user."""

    cache: Path
    needs_init: bool = True

    def configuration(self) -> str:
        return (
            f"plugin_cache_dir = {json.dumps(str(self.cache))}\n"
            "plugin_cache_may_break_dependency_lock_file = true\n"
            "provider_installation {\n  direct {}\n}\n"
        )

    def serving(
        self, aws: Aws, folder: Path | None = None, _environment: Path | None = None, /
    ) -> Surroundings:
        return _reaching(aws, folder)

    @contextmanager
    def initialising(self) -> Iterator[dict[str, str]]:
        # Terraform's cache is not made for two at a time (documentation of
        # plugin_cache_dir); xdist workers are several.
        self.cache.mkdir(parents=True, exist_ok=True)
        with (self.cache / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield internet_environment()


@contextmanager
def _reaching(aws: Aws, folder: Path | None) -> Iterator[dict[str, str]]:
    """
    The environment of a provider that Terraform starts.

    A second emulated account is a profile of a file that lies in Terraform's private
    folder as long as Terraform runs; the user's own files are for real accounts.
    """
    surroundings = aws_environment(aws)
    profiles = _profiles(aws) if aws.endpoint is not None and folder is not None else ()
    if folder is None or not profiles:
        yield surroundings
        return
    file = folder / "credentials"
    file.touch(mode=0o600)
    file.write_text(
        "".join(
            f"[{each.name}]\n"
            f"aws_access_key_id = {each.access_key_id}\n"
            f"aws_secret_access_key = {each.secret_access_key}\n"
            for each in profiles
        ),
        encoding="utf-8",
    )
    try:
        yield {**surroundings, "AWS_SHARED_CREDENTIALS_FILE": str(file)}
    finally:
        file.unlink()


def _profiles(aws: Aws) -> tuple[Profile, ...]:
    other = aws.other
    if other is None or other.access_key_id is None or other.secret_access_key is None:
        return ()
    return (Profile(other.profile, other.access_key_id, other.secret_access_key),)


def provider_source(text: str, environment: Mapping[str, str] | None = None) -> ProviderSource:
    """The source that `embedded`, `registry` or `mirror=DIR` names; raises `UsageError`."""
    given = os.environ if environment is None else environment
    kind, _, argument = text.partition("=")
    if text == "embedded":
        return Embedded()
    if text == "registry":
        caches = Path(given.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return Registry(caches / "conformance" / "terraform-plugins")
    if kind == "mirror" and argument:
        folder = Path(argument).expanduser().absolute()
        if not folder.is_dir():
            raise UsageError("--provider mirror=DIR: there is no such folder", saw=str(folder))
        return Mirror(folder)
    raise UsageError(
        "--provider: no such source", saw=text, try_="embedded, registry or mirror=DIR"
    )


def mirror_configuration(folder: Path) -> str:
    """A CLI configuration that knows providers of this mirror and no others."""
    path = json.dumps(str(folder))
    return f"provider_installation {{\n  filesystem_mirror {{\n    path = {path}\n  }}\n}}\n"


def find_mirror(environment: Mapping[str, str] | None = None) -> Path | None:
    """A filesystem mirror with the real hashicorp/aws on this machine, if there is one."""
    given = os.environ if environment is None else environment
    asked = given.get(MIRROR_VARIABLE)
    for folder in (Path(asked),) if asked else _MIRROR_PLACES:
        if (folder / _ADDRESS).is_dir():
            return folder
    return None
