"""
The things a Spec is made of, each with what AWS lets it have.

Every default is what a newcomer would get by following the guide, so that a
scenario writes down only what it is about.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from conformance.errors import SpecError
from conformance.spec.checked import DnsLabel, DnsSubdomain, Part, RolePath, ShortName, Tags

POD_IDENTITY_SERVICE = "pods.eks.amazonaws.com"

Account = Literal["own", "other"]
"""The cluster's account, or a second one that the target has."""


class Condition(Part):
    """
    One IAM condition, as `aws_iam_policy_document` spells it.

    A value that is a reference as a whole (`role:NAME`, `external-id:NAMESPACE/ACCOUNT`,
    see `references`) becomes what it names.
    """

    test: str
    variable: str
    values: tuple[str, ...]


class Statement(Part):
    """
    One statement of a policy that says what its holder may do.

    A resource is an ARN, `*`, or a reference such as `bucket:NAME/KEY`.
    """

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    effect: Literal["Allow", "Deny"] = "Allow"
    conditions: tuple[Condition, ...] = ()


class ResourceStatement(Part):
    """
    One statement of a bucket's or queue's own policy: who may do what with it.

    Without `resources` it is about the whole: the bucket and everything in it, or the queue.
    """

    actions: tuple[str, ...]
    roles: tuple[ShortName, ...] = ()
    accounts: tuple[Account, ...] = ()
    """Accounts as a whole: their own policies decide who of them."""
    anyone: bool = False
    resources: tuple[str, ...] = ()
    effect: Literal["Allow", "Deny"] = "Allow"
    conditions: tuple[Condition, ...] = ()

    def __init__(self, **data: Any) -> None:
        super().__init__(**data)
        if not (self.roles or self.accounts or self.anyone):
            raise SpecError(
                "ResourceStatement: says not who may",
                saw="neither roles nor accounts nor anyone",
            )


class Trust(Part):
    """
    One statement of a trust policy; the default is the one Pod Identity asks for.

    With `roles` or `accounts` it trusts those, and a service only when one is named.
    Source: EKS user guide, "Create IAM role with trust policy required by EKS Pod
    Identity" (pod-id-role) and "Access AWS resources using target roles"
    (pod-id-assign-target-role).
    """

    services: tuple[str, ...]
    roles: tuple[ShortName, ...] = ()
    accounts: tuple[Account, ...] = ()
    actions: tuple[str, ...] = ("sts:AssumeRole", "sts:TagSession")
    effect: Literal["Allow", "Deny"] = "Allow"
    conditions: tuple[Condition, ...] = ()

    def __init__(self, **data: Any) -> None:
        others = data.get("roles") or data.get("accounts")
        data.setdefault("services", () if others else (POD_IDENTITY_SERVICE,))
        super().__init__(**data)


class Policy(Part):
    """A managed policy of our own, to be attached by its name."""

    name: ShortName
    statements: tuple[Statement, ...] = Field(min_length=1)
    tags: Tags = Field(default_factory=dict)


class Role(Part):
    """An IAM role with its trust policy, one inline policy, and managed ones."""

    name: ShortName
    statements: tuple[Statement, ...] = ()
    trust: tuple[Trust, ...] = (Trust(),)
    managed_policies: tuple[str, ...] = ()
    """ARNs of policies that are there already, such as those of AWS."""
    policies: tuple[ShortName, ...] = ()
    """Names of policies of the Spec."""
    account: Account = "own"
    path: RolePath = "/"
    """Stands in its ARN, and not in its sessions'."""
    tags: Tags = Field(default_factory=dict)


class Bucket(Part):
    """A bucket with its objects (key to content) and its own policy."""

    name: ShortName
    objects: Mapping[str, str] = Field(default_factory=dict)
    statements: tuple[ResourceStatement, ...] = ()
    account: Account = "own"
    tags: Tags = Field(default_factory=dict)


class Table(Part):
    """A DynamoDB table; every key is a string."""

    name: ShortName
    hash_key: str = "id"
    range_key: str = ""
    indexes: Mapping[str, str] = Field(default_factory=dict)
    """Global secondary indexes: name to hash key; they hold whole items."""
    tags: Tags = Field(default_factory=dict)


class Queue(Part):
    """An SQS queue with its own policy."""

    name: ShortName
    visibility_seconds: int = Field(default=30, ge=0, le=43200)
    """How long a received message stays hidden (SQS API reference, VisibilityTimeout)."""
    statements: tuple[ResourceStatement, ...] = ()
    account: Account = "own"
    tags: Tags = Field(default_factory=dict)


class Addon(Part):
    """
    An add-on of the cluster, by EKS's own name, with the associations that it owns.

    The cluster is shared: one add-on belongs to one world.
    """

    name: str
    version: str = ""
    """EKS's default when empty."""
    configuration: str = ""
    """JSON, as DescribeAddonConfiguration says."""
    associations: Mapping[DnsSubdomain, ShortName] = Field(default_factory=dict)
    """Service account of the add-on to role."""
    tags: Tags = Field(default_factory=dict)


class Association(Part):
    """
    (cluster, namespace, service account) to role; the cluster is the environment's.

    `policy` narrows the session further and needs `disable_session_tags` (EKS API
    reference, CreatePodIdentityAssociation).
    """

    namespace: DnsLabel
    service_account: DnsSubdomain
    role: ShortName
    target_role: ShortName | None = None
    """A second role, in either account, that `role` assumes for the pod."""
    disable_session_tags: bool = False
    policy: tuple[Statement, ...] = ()
    tags: Tags = Field(default_factory=dict)

    def __init__(self, **data: Any) -> None:
        super().__init__(**data)
        if self.policy and not self.disable_session_tags:
            raise SpecError(
                "Association.policy: needs disable_session_tags",
                saw=f"{self.key}, with session tags",
                try_="disable_session_tags=True",
            )

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.service_account}"
