"""
What happened inside AWS, kept so that evidence can say why.

A status code cannot tell a trust policy's refusal from a crash. So each EKS Auth
call, each session minted and each IAM decision is kept, a bounded number of each,
and served by the admin API (`GET /records?since=`). The trap: records end up in
reports. They hold fingerprints (first 12 hex digits of SHA-256), never a token
or a key.
"""

import hashlib
from collections import deque
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

KEPT = 10_000
"""Of each kind; a run of the whole suite makes fewer."""


def fingerprint(secret: str) -> str:
    """First 12 hex digits of SHA-256: enough to say "the same one", useless to whoever reads it."""
    return hashlib.sha256(secret.encode()).hexdigest()[:12]


def now() -> datetime:
    return datetime.now(UTC)


class DecidedBy(StrEnum):
    """The kind of policy that decided; NONE when nothing needed to allow (an account's root)."""

    IDENTITY = "identity"
    RESOURCE = "resource"
    BOUNDARY = "boundary"
    SESSION = "session"
    SCP = "scp"
    TRUST = "trust"
    NONE = "none"


@dataclass(frozen=True)
class EksAuthCall:
    """One AssumeRoleForPodIdentity, answered or refused."""

    request_id: str
    caller_arn: str
    cluster: str
    outcome: str
    """`ok`, or the error code without `Exception`, as CloudTrail's errorCode has it."""
    message: str = ""
    token_fingerprint: str = ""
    namespace: str = ""
    service_account: str = ""
    pod: str = ""
    association_id: str = ""
    role_arn: str = ""
    session_arn: str = ""
    access_key_fingerprint: str = ""
    at: datetime = field(default_factory=now)


@dataclass(frozen=True)
class SessionMinted:
    """One session of a role, as STS made it."""

    role_arn: str
    session_name: str
    source: str
    """Who asked: a service principal or the ARN of the caller."""
    tags: tuple[tuple[str, str], ...]
    """In the order they were passed."""
    transitive: tuple[str, ...]
    duration_seconds: int
    access_key_fingerprint: str
    at: datetime = field(default_factory=now)


@dataclass(frozen=True)
class IamDecision:
    """One answer of IAM, allowed or not, and which policy gave it."""

    principal_arn: str
    action: str
    resource: str
    allowed: bool
    decided_by: DecidedBy
    reason: str
    policy: str = ""
    """Name or ARN of the policy whose statement decided; empty where none did, or it has none."""
    sid: str = ""
    """That statement's, if it has one."""
    access_key_fingerprint: str = ""
    unsupported: tuple[str, ...] = ()
    """Condition operators, keys and variables that are not emulated and so denied."""
    at: datetime = field(default_factory=now)


class Records:
    """The newest `KEPT` of each kind."""

    def __init__(self, kept: int = KEPT) -> None:
        self.eks_auth: deque[EksAuthCall] = deque(maxlen=kept)
        self.sessions: deque[SessionMinted] = deque(maxlen=kept)
        self.decisions: deque[IamDecision] = deque(maxlen=kept)

    def since(
        self, moment: datetime | None = None, keys: Collection[str] = ()
    ) -> dict[str, list[dict[str, Any]]]:
        """
        Everything at or after `moment` (aware), oldest first, ready for JSON.

        `keys` are fingerprints of access keys: then only what was done with those.
        """
        return {
            name: [
                asdict(record) | {"at": record.at.isoformat()}
                for record in kind
                if (moment is None or record.at >= moment)
                and (not keys or record.access_key_fingerprint in keys)
            ]
            for name, kind in (
                ("eks_auth", self.eks_auth),
                ("decisions", self.decisions),
                ("sessions", self.sessions),
            )
        }
