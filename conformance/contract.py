"""
What every stack returns, in one Terraform output named `contract`.

Scenarios read nothing else: which provider made the resources, and how, is
invisible from here on.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Named(_Part):
    """A thing with an ARN and the real name it got."""

    arn: str
    name: str

    @property
    def account_id(self) -> str:
        """The account it is in; empty for buckets, whose ARNs name none."""
        return self.arn.split(":")[4]


class RealQueue(Named):
    """A queue; SDKs want the URL."""

    url: str


class RealAddon(Named):
    """An add-on in the version it got."""

    version: str


class RealAssociation(_Part):
    """An association as it was made; `namespace` is the real one."""

    id: str
    arn: str
    namespace: str
    service_account: str
    role_arn: str
    target_role_arn: str | None
    disable_session_tags: bool
    external_id: str | None
    """What EKS passes as `sts:ExternalId` to the target role; None without one."""


class Contract(_Part):
    """Real names and ARNs of everything a Spec asked for, by its symbolic name."""

    schema_: Literal[1]
    account_id: str
    other_account_id: str
    """The same as `account_id` on a target without a second account."""
    region: str
    cluster: Named
    roles: dict[str, Named]
    policies: dict[str, Named]
    buckets: dict[str, Named]
    tables: dict[str, Named]
    queues: dict[str, RealQueue]
    addons: dict[str, RealAddon]
    associations: dict[str, RealAssociation]

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=lambda name: name.rstrip("_")
    )


class ClusterContract(_Part):
    """What the Terraform roots under fixtures/terraform/clusters return, as output `cluster`."""

    name: str
    arn: str
    endpoint: str
    certificate_authority: str
    """Base64 of the PEM, as EKS gives it."""
    oidc_issuer: str
    version: str
    account_id: str
    region: str
