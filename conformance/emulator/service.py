"""
What a service inside the AWS process sees: a verified request, and the world it lives in.

EKS and EKS Auth are written against this module alone, so neither knows
ministack. A handler is `async def handle(request, world) -> Response` that
`process.services` names by its SigV4 signing name. By the time it runs, the
signature has been checked and the caller is known. What the caller *may* do is
not yet: every handler asks `world.authorize` itself, because only it knows which
resource a path means.
"""

import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from conformance.emulator.audit import Trail
from conformance.emulator.behaviour import Behaviour
from conformance.emulator.records import DecidedBy, Records
from conformance.faults import ActiveFaults

PrincipalType = Literal["Root", "User", "AssumedRole", "FederatedUser"]
Network = Literal["auto", "root", "userns", "loopback"]


@dataclass(frozen=True)
class Caller:
    """Who signed a request; the signature and the session token were verified."""

    account_id: str
    arn: str
    """As STS GetCallerIdentity says it; of a role session the assumed-role ARN."""
    user_id: str
    principal_type: PrincipalType
    access_key_id: str
    session_tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """One HTTP request with a verified signature."""

    method: str
    path: str
    """Percent-decoded."""
    raw_path: str
    """As sent; an ARN in a path may hold an encoded `/`."""
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    service: str
    """Signing name, for example `eks`."""
    region: str
    """The region it was signed for."""
    caller: Caller
    request_id: str


@dataclass(frozen=True)
class Response:
    """An answer; `x-amzn-requestid` and `content-length` are added by the router."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Decision:
    """What IAM said, and which kind of statement decided."""

    allowed: bool
    decided_by: DecidedBy
    message: str
    """AWS's text of the refusal; empty when allowed."""


@dataclass(frozen=True)
class Session:
    """Temporary credentials of a role; secrets are kept out of repr and so out of logs."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)
    expiration: datetime
    arn: str
    """`arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION-NAME`"""
    assumed_role_id: str
    """`AROA...:SESSION-NAME`"""
    role_arn: str
    packed_percent: int = 0
    """How much of the room for session policies and tags is used: STS's PackedPolicySize."""


class TrustRefused(Exception):  # noqa: N818 -- what happened, not a mistake of anyone
    """
    A role's trust policy, or the caller's own policies, do not let it be assumed.

    `reason` is for records and tests; EKS Auth tells the world less, see its own texts.
    """

    def __init__(self, role_arn: str, reason: str) -> None:
        super().__init__(f"{role_arn}: {reason}")
        self.role_arn = role_arn
        self.reason = reason


class Unauthenticated(Exception):  # noqa: N818 -- the caller's fault, not ours
    """No caller can be believed; `code` is ministack's, which it spells for each service."""

    def __init__(self, code: str, message: str, service: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.service = service


class InvalidSession(Exception):  # noqa: N818 -- what was asked for, not a mistake of ours
    """The session asked for cannot exist (duration, name, tags); `code` and `message` are STS's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Settings:
    """What the environment was started with, and what stays as it is; see also `Behaviour`."""

    folder: Path
    """DIR of the AWS process: `clusters/<name>/` and `aws.sock` lie in it."""
    region: str
    account_id: str
    port: int
    """Of the endpoint on 127.0.0.1, and of hub sockets."""
    network: Network = "auto"


T = TypeVar("T")


class World(Protocol):
    """
    The AWS process as its services see it.

    One per process. Everything runs on one event loop, so state needs no locks
    as long as nothing is awaited between reading and writing it.
    """

    settings: Settings
    behaviour: Behaviour
    """As it is now; ask again when it is needed again."""
    faults: ActiveFaults
    records: Records
    trail: Trail

    def state(self, kind: Callable[[], T]) -> T:
        """The world's only `kind()`, made when first asked for; where a service keeps its store."""
        ...

    def authorize(
        self,
        caller: Caller,
        action: str,
        resource_arn: str,
        context: Mapping[str, str | list[str]] | None = None,
    ) -> Decision:
        """
        Evaluate identity policies, boundary, session policies and SCPs, and record the decision.

        `context` adds condition keys of the request, such as `aws:RequestTag/team` or
        `iam:PassedToService`. `resource_arn` is `*` for actions without resource types.
        """
        ...

    def assume_role_for_service(
        self,
        role_arn: str,
        *,
        service: str,
        session_name: str,
        tags: Mapping[str, str] | None = None,
        transitive: tuple[str, ...] = (),
        duration_seconds: int,
        source_arn: str | None = None,
        source_account: str | None = None,
        session_policy: str | None = None,
    ) -> Session:
        """
        A session as STS gives it to an AWS service, for example `pods.eks.amazonaws.com`.

        The trust policy is evaluated for sts:AssumeRole and, with tags, for
        sts:TagSession. Tags keep their order. The role's MaxSessionDuration does not
        bind AWS services (facts: 21600 s from a role with the default of 1 h).
        Raises `TrustRefused`, also for a role that does not exist, and `InvalidSession`.
        """
        ...

    def assume_role(
        self,
        source: Session,
        role_arn: str,
        *,
        session_name: str,
        tags: Mapping[str, str] | None = None,
        transitive: tuple[str, ...] = (),
        duration_seconds: int = 3600,
        external_id: str | None = None,
        session_policy: str | None = None,
    ) -> Session:
        """
        Role chaining: `source`, itself a role's session, assumes `role_arn`.

        Both sides are asked: the source role's policies and the target's trust
        policy. Transitive tags of `source` come along. At most one hour, as AWS
        caps chained sessions. Raises `TrustRefused` and `InvalidSession`.
        """
        ...

    def role_exists(self, role_arn: str) -> bool:
        """True when IAM has exactly this role, path included."""
        ...

    def unique_id(self, principal_arn: str) -> str | None:
        """
        `AROA...`, `AIDA...` or, of a root, the account: the first part of `Caller.user_id`.

        Another one after the principal was made anew with the same ARN. None when there
        is no such role or user.
        """
        ...

    def principal_arn(self, caller: Caller) -> str:
        """Of a role's session the role, path included; else the caller's own ARN."""
        ...

    def caller_identity(self, url: str, headers: Mapping[str, str]) -> Caller:
        """
        Who presigned an STS GetCallerIdentity with these headers signed in.

        As STS would answer that URL, whichever of its hosts it names; `headers` without
        `host`, names in lower case. Raises `Unauthenticated`.
        """
        ...

    async def listen(self, listening: socket.socket) -> Callable[[], Awaitable[None]]:
        """
        Serve a listening socket too, such as a hub socket from a cluster; takes it over.

        Awaiting what is returned closes it with every connection that came in by it, and
        may be done twice.
        """
        ...

    def on_faults(
        self, part: str, hear: Callable[[list[str]], Awaitable[None]]
    ) -> Callable[[], None]:
        """Have `hear(names)` awaited whenever faults are set; returns what undoes it."""
        ...

    def on_behaviour(
        self, part: str, hear: Callable[[Behaviour], Awaitable[None]]
    ) -> Callable[[], None]:
        """Have `hear(behaviour)` awaited whenever settings change; returns what undoes it."""
        ...

    def on_health(self, part: str, ask: Callable[[], Awaitable[str]]) -> Callable[[], None]:
        """Add a part to `GET /health`; `ask` says `ok` or what is wrong. Returns what undoes it."""
        ...

    def on_stop(self, stop: Callable[[], Awaitable[None]]) -> None:
        """Have `stop()` awaited when the process ends, last registered first, 2 s for all."""
        ...


Handler = Callable[[Request, World], Awaitable[Response]]
