"""
AWS as the provider's configuration describes it.

Nothing here looks at the environment of the process: the provider runs inside
pytest, whose AWS_PROFILE, AWS_CA_BUNDLE or HTTP_PROXY are somebody else's. What
counts is what Terraform's provider block says and, behind it, the `Settings` that
whoever started the provider handed over. Without an endpoint there is no
connection: this provider is a lookalike and must never touch a real account.
"""

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any, Final
from urllib.parse import urlsplit

import botocore.config
import botocore.configprovider
import botocore.session
from botocore.exceptions import ClientError

ENVIRONMENT: Final = {
    "AWS_REGION": "region",
    "AWS_DEFAULT_REGION": "region",
    "AWS_ENDPOINT_URL": "endpoint",
    "AWS_ACCESS_KEY_ID": "access_key_id",
    "AWS_SECRET_ACCESS_KEY": "secret_access_key",
    "AWS_SESSION_TOKEN": "session_token",
}
"""Variables that the provider honours when it runs as a plugin of its own."""

# Propagation is immediate or nearly so where this provider works; real IAM takes seconds.
PROPAGATION_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Profile:
    """A key of another account, by the name that a provider block uses for it."""

    name: str
    access_key_id: str
    secret_access_key: str = field(repr=False)


@dataclass(frozen=True)
class Settings:
    """Where AWS is and who asks."""

    region: str | None = None
    endpoint: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    path_style: bool = False
    profiles: tuple[Profile, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        found: dict[str, str] = {}
        for variable, name in ENVIRONMENT.items():
            if environment.get(variable):
                found.setdefault(name, environment[variable])
        return cls(**found)  # type: ignore[arg-type]  # what is no text is no environment variable

    def overlaid(self, **given: Any) -> "Settings":
        """These settings, with those that are given in place of them."""
        return replace(self, **{name: value for name, value in given.items() if value})

    def using(self, profile: str) -> "Settings":
        """These settings with a profile's keys; raises `ValueError` for one that is not there."""
        for each in self.profiles:
            if each.name == profile:
                return self.overlaid(
                    access_key_id=each.access_key_id, secret_access_key=each.secret_access_key
                )
        raise ValueError(f"no profile is named {profile!r}")

    @property
    def trouble(self) -> str:
        """Why these settings cannot be used; empty when they can."""
        needed = ("region", "endpoint", "access_key_id", "secret_access_key")
        missing = [name for name in needed if not getattr(self, name)]
        if missing:
            return f"no {', '.join(missing)}"
        host = urlsplit(self.endpoint or "").hostname or ""
        if host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws")):
            return f"{host} is AWS itself"
        return ""


class NotInTimeError(Exception):
    """A wait ran out; says what it waited for and what it saw last."""


@dataclass(frozen=True)
class Connection:
    """Clients for one configuration, and what depends on it."""

    settings: Settings
    default_tags: Mapping[str, str] = field(default_factory=dict)
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set when Terraform asks the provider to stop."""

    def wait(
        self, what: str, look: Callable[[], Any], done: Callable[[Any], bool], within: float
    ) -> Any:
        """
        Look until it is done, quickly at first; returns what was seen then.

        Raises `NotInTimeError` after `within` seconds, and at once when Terraform has
        been asked to stop: it then records what there is, instead of being killed.
        """
        began = time.monotonic()
        pause = 0.02
        while not done(seen := look()):
            if self.stopping.wait(pause):
                raise NotInTimeError(f"interrupted while waiting for {what}, it is {seen!r}")
            if time.monotonic() - began > within:
                raise NotInTimeError(f"{what} is not so after {within:g} s, it is {seen!r}")
            pause = min(pause * 1.3, 0.25)
        return seen

    def client(self, service: str) -> Any:
        """The botocore client of a service."""
        return _clients(self.settings).get(service)

    @property
    def region(self) -> str:
        return self.settings.region or ""

    @cached_property
    def partition(self) -> str:
        partition: str = _session().get_partition_for_region(self.region)
        return partition

    @cached_property
    def dns_suffix(self) -> str:
        suffix: str = next(
            each["outputs"]["dnsSuffix"] for each in _partitions() if each["id"] == self.partition
        )
        return suffix

    def describe_region(self, region: str) -> str:
        """The name of a region for people, from botocore's list of partitions."""
        for partition in _partitions():
            if region in partition["regions"]:
                return str(partition["regions"][region]["description"])
        raise ValueError(f"no region is named {region!r}")

    def user_tags(self, tags_all: Mapping[str, str], state: Mapping[str, Any]) -> dict[str, str]:
        """Of all tags, those that the resource's own `tags` argument answers for."""
        asked = state.get("tags") or {}
        return {
            key: value
            for key, value in tags_all.items()
            if key in asked or self.default_tags.get(key) != value
        }


def found(absent: tuple[str, ...], call: Callable[..., Any], **parameters: Any) -> Any | None:
    """What the call answers, or None when it answers with one of the codes of absence."""
    try:
        return call(**parameters)
    except ClientError as error:
        if error.response["Error"]["Code"] in absent:
            return None
        raise


def unique_name(prefix: str | None) -> str:
    """A name nobody has, for resources whose configuration names none."""
    return f"{prefix or 'terraform-'}{time.strftime('%Y%m%d%H%M%S')}{uuid.uuid4().hex[:12]}"


class _Clients:
    """Clients are made once: each one reads its service's model, which costs 50 to 100 ms."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._made: dict[str, Any] = {}

    def get(self, service: str) -> Any:
        with self._lock:
            if service not in self._made:
                self._made[service] = _session().create_client(
                    service,
                    region_name=self._settings.region,
                    endpoint_url=self._settings.endpoint,
                    aws_access_key_id=self._settings.access_key_id,
                    aws_secret_access_key=self._settings.secret_access_key,
                    aws_session_token=self._settings.session_token,
                    config=botocore.config.Config(
                        proxies={},
                        connect_timeout=5,
                        max_pool_connections=32,
                        retries={"mode": "standard", "total_max_attempts": 3},
                        s3={"addressing_style": "path" if self._settings.path_style else "auto"},
                    ),
                )
            return self._made[service]


_clients: Final = cache(_Clients)


def _partitions() -> list[Any]:
    told: list[Any] = _session().get_component("data_loader").load_data("partitions")["partitions"]
    return told


@cache
def _session() -> Any:
    # Every variable of a botocore session may come from the environment or from a
    # file in $HOME; here each has its default and nothing else.
    variables = {
        name: (None, None, default, convert)
        for name, (_, _, default, convert) in (
            botocore.configprovider.BOTOCORE_DEFAUT_SESSION_VARIABLES.items()
        )
    }
    for name in ("config_file", "credentials_file"):
        variables[name] = (None, None, None, None)
    return botocore.session.Session(session_vars=variables)
