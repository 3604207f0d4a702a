"""
What EKS knows: clusters, and everything that hangs on them.

Plain records without behaviour. Handlers run on one event loop and change them
between two awaits, so there are no locks; what a record looks like to a client is
said beside its handlers.
"""

import asyncio
import secrets
import string
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from conformance.emulator.eks.clusterprocess import ClusterProcess

ID_CHARACTERS = string.ascii_lowercase + string.digits
ASSOCIATION_ID_LENGTH = 19
"""`a-` and 17 characters. Source: `The parameter associationId should be 19 characters long.`"""


def now() -> datetime:
    return datetime.now(UTC)


def random_id(length: int) -> str:
    return "".join(secrets.choice(ID_CHARACTERS) for _ in range(length))


@dataclass(eq=False, kw_only=True)
class Dated:
    """Made at one moment, and not changed since."""

    created_at: datetime = field(default_factory=now)
    modified_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.modified_at = self.created_at


@dataclass(eq=False)
class Issue:
    """Why something is not healthy, as `health.issues` tells it."""

    code: str
    message: str

    def told(self, resource: str) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "resourceIds": [resource]}


@dataclass(eq=False)
class Update:
    """A change that a caller may wait for with DescribeUpdate."""

    type: str
    params: dict[str, str]
    id: str
    subject: str = ""
    """`nodegroup/NAME` or `addon/NAME`; empty for the cluster itself."""
    status: Literal["InProgress", "Failed", "Successful"] = "InProgress"
    error: str = ""
    error_code: str = "Unknown"
    """As the model's ErrorCode has it; counts with `error`."""
    created_at: datetime = field(default_factory=now)


@dataclass(eq=False)
class NodeGroup(Dated):
    name: str
    arn: str
    role_arn: str
    desired: int
    minimum: int
    maximum: int
    labels: dict[str, str]
    taints: list[dict[str, str]]
    """In EKS's words."""
    tags: dict[str, str]
    version: str
    """Of Kubernetes; a node group may lag behind its cluster."""
    release: str
    request: dict[str, Any]
    """Everything else, as it was asked for; told back, not acted on."""
    status: str = "CREATING"
    issues: list[Issue] = field(default_factory=list)


@dataclass(eq=False)
class Addon(Dated):
    name: str
    arn: str
    version: str
    configuration: str
    """JSON or YAML, as it was given."""
    role_arn: str | None
    tags: dict[str, str]
    status: str = "CREATING"
    issues: list[Issue] = field(default_factory=list)


@dataclass(eq=False)
class Association(Dated):
    """(cluster, namespace, service account) to role."""

    cluster_name: str
    namespace: str
    service_account: str
    role_arn: str
    arn: str
    id: str
    tags: dict[str, str]
    owner_arn: str | None = None
    disable_session_tags: bool = False
    target_role_arn: str | None = None
    external_id: str | None = None
    policy: str | None = None

    @property
    def subject(self) -> tuple[str, str]:
        """Namespace and service account: there is one association for each."""
        return self.namespace, self.service_account


@dataclass(frozen=True)
class Person:
    """An IAM principal as EKS keeps it: one made anew with the same ARN is another."""

    arn: str
    unique_id: str


@dataclass(eq=False)
class PolicyAssociation(Dated):
    """An access policy of an access entry, and where it counts."""

    policy_arn: str
    scope: Literal["cluster", "namespace"]
    namespaces: list[str]
    """Names or patterns such as `dev-*`; empty for the whole cluster."""


@dataclass(eq=False)
class AccessEntry(Dated):
    """Who of IAM may use a cluster's Kubernetes API, and as whom."""

    principal: Person
    arn: str
    type: str
    username: str
    groups: list[str]
    tags: dict[str, str]
    policies: dict[str, PolicyAssociation] = field(default_factory=dict)
    """By policy ARN."""


@dataclass(eq=False)
class Cluster:
    name: str
    arn: str
    account_id: str
    region: str
    role_arn: str
    version: str
    issuer: str
    creator: Person
    tags: dict[str, str]
    request: dict[str, Any]
    """Everything else, as it was asked for; told back, not acted on."""
    status: str = "CREATING"
    issues: list[Issue] = field(default_factory=list)
    created_at: datetime = field(default_factory=now)
    process: ClusterProcess | None = None
    """None until the cluster was started, and after it failed to."""
    undo: list[Callable[[], None]] = field(default_factory=list)
    """What takes back its hooks in the AWS process."""
    nodegroups: dict[str, NodeGroup] = field(default_factory=dict)
    addons: dict[str, Addon] = field(default_factory=dict)
    access_entries: dict[str, AccessEntry] = field(default_factory=dict)
    """By principal ARN."""
    associations: dict[str, Association] = field(default_factory=dict)
    """By id, in the order they were made."""
    effective: tuple[Association, ...] = ()
    """The associations that the webhook and EKS Auth go by; see `propagation`."""
    changes: int = 0
    """How often associations changed, and how much of that is effective."""
    told: int = 0
    telling: asyncio.Lock = field(default_factory=asyncio.Lock)
    updates: dict[str, Update] = field(default_factory=dict)

    @property
    def authentication_mode(self) -> str:
        """CONFIG_MAP where nothing was asked for. Source: CreateAccessConfigRequest."""
        access: dict[str, str] = self.request.get("accessConfig") or {}
        return access.get("authenticationMode") or "CONFIG_MAP"

    @property
    def ip_family(self) -> str:
        """`ipv4`, or `ipv6` if that was asked for."""
        addresses: dict[str, str] = self.request.get("kubernetesNetworkConfig") or {}
        return addresses.get("ipFamily") or "ipv4"


@dataclass(frozen=True)
class Remembered:
    """What a clientRequestToken was used for."""

    asked: dict[str, Any]
    made: object


class Store:
    """All clusters of one AWS process, by account, region and name."""

    def __init__(self) -> None:
        self.clusters: dict[tuple[str, str, str], Cluster] = {}
        self.remembered: dict[tuple[str, ...], Remembered] = {}
        """By account, region, operation, cluster and clientRequestToken."""
        self.tasks: set[asyncio.Task[None]] = set()
        """Work that goes on after its call was answered."""
        self.ends_with_world = False
        """True once the world knows how to stop all clusters."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def of(self, account_id: str, region: str) -> list[Cluster]:
        """The clusters of an account in a region, by name."""
        return [
            cluster
            for key, cluster in sorted(self.clusters.items())
            if key[:2] == (account_id, region)
        ]

    def forget(self, cluster: Cluster) -> None:
        """The cluster is gone, and with it what its tokens of idempotency stand for."""
        self.clusters.pop((cluster.account_id, cluster.region, cluster.name), None)
        mine = (cluster.account_id, cluster.region)
        for key in [k for k in self.remembered if (k[:2], k[3]) == (mine, cluster.name)]:
            del self.remembered[key]

    def forget_made(self, thing: object) -> None:
        """A thing is gone: its token of idempotency may make a new one."""
        for key in [k for k, was in self.remembered.items() if was.made is thing]:
            del self.remembered[key]

    def tagged(self, arn: str) -> dict[str, str] | None:
        """The tags of whatever has this ARN, to be read or changed; None when nothing has it."""
        return next((tags for found, tags in self._arns() if found == arn), None)

    def _arns(self) -> Iterator[tuple[str, dict[str, str]]]:
        for cluster in self.clusters.values():
            yield cluster.arn, cluster.tags
            for kind in (
                cluster.nodegroups,
                cluster.addons,
                cluster.associations,
                cluster.access_entries,
            ):
                yield from ((thing.arn, thing.tags) for thing in kind.values())
