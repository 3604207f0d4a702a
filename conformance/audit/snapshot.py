"""
A cluster as it was read, all that the checks may look at.

Kubernetes objects are kept as the API server had them: a check that could not see a
field because some model dropped it would be wrong without anybody noticing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Object = Mapping[str, Any]


def role_name(arn: str) -> str:
    """Without its path."""
    return arn.rpartition("/")[2]


@dataclass(frozen=True)
class Association:
    """A Pod Identity association, as DescribePodIdentityAssociation has it."""

    id: str
    namespace: str
    service_account: str
    role_arn: str
    session_tags: bool = True
    target_role_arn: str = ""
    """The role that pods act as instead, where there is one."""

    @property
    def roles(self) -> tuple[str, ...]:
        """ARNs of the roles that its pods go through; the last one they act as."""
        return (self.role_arn, self.target_role_arn) if self.target_role_arn else (self.role_arn,)

    @property
    def subject(self) -> str:
        return f"{self.namespace}/{self.service_account}"


@dataclass(frozen=True)
class Role:
    """A role of an association, or its target role: who may have it, and what it may do."""

    arn: str
    trust: Object
    policies: Mapping[str, Object] = field(default_factory=dict)
    """Inline and attached policies: name to document."""

    @property
    def name(self) -> str:
        return role_name(self.arn)


@dataclass(frozen=True)
class Node:
    """A node, whether an agent serves it, and whom its metadata service answers."""

    name: str
    agent: bool
    """A pod of the agent is Ready on it."""
    needs_agent: bool = True
    """False where there is none to be: Fargate, Windows, Auto Mode."""
    hop_limit: int | None = None
    """None where nobody could tell."""
    tokens_required: bool = True


@dataclass(frozen=True)
class Snapshot:
    """What was read, and in words what could not be."""

    cluster: str
    """Its ARN."""
    associations: tuple[Association, ...] = ()
    roles: Mapping[str, Role] = field(default_factory=dict)
    """By ARN."""
    service_accounts: tuple[Object, ...] = ()
    pods: tuple[Object, ...] = ()
    nodes: tuple[Node, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def cluster_name(self) -> str:
        return self.cluster.rpartition("/")[2]

    def live_pods(self) -> Iterator[Object]:
        """Those that run or will: what has ended can do no harm any more."""
        for pod in self.pods:
            if pod.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
                yield pod
