"""
One call of the EKS API, with what every handler asks of it.

Who calls, for which account and region, whether IAM allows it, which cluster is
meant. A handler never looks at the HTTP request.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from conformance.emulator.eks.errors import (
    ServiceError,
    invalid_parameter,
    invalid_request,
    not_found,
)
from conformance.emulator.eks.parameters import Parameters
from conformance.emulator.eks.store import Addon, Cluster, NodeGroup, Remembered, Store
from conformance.emulator.service import Request, World

T = TypeVar("T")

_ROLE = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):role/[\w+=,.@/-]+", re.ASCII)


def partition(region: str) -> str:
    """The partition of a region. Source: IAM user guide, "Amazon Resource Names"."""
    prefixes = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
    return next((name for prefix, name in prefixes.items() if region.startswith(prefix)), "aws")


@dataclass(frozen=True)
class Call:
    """A verified request of one operation, its parameters checked."""

    operation: str
    request: Request
    world: World
    parameters: Parameters

    @cached_property
    def store(self) -> Store:
        return self.world.state(Store)

    @property
    def account_id(self) -> str:
        return self.request.caller.account_id

    @property
    def region(self) -> str:
        return self.request.region

    def arn(self, resource: str) -> str:
        return f"arn:{partition(self.region)}:eks:{self.region}:{self.account_id}:{resource}"

    def __getitem__(self, name: str) -> Any:
        """A parameter by its name in the model; None when it was not given."""
        return self.parameters.get(name)

    @property
    def cluster_name(self) -> str:
        """Operations on clusters call it `name`, all others `clusterName`."""
        name: str = self["clusterName"] or self["name"]
        return name

    def find_cluster(self) -> Cluster | None:
        return self.store.clusters.get((self.account_id, self.region, self.cluster_name))

    def cluster(self) -> Cluster:
        cluster = self.find_cluster()
        if cluster is None:
            name = self.cluster_name
            raise not_found(f"No cluster found for name: {name}.", clusterName=name)
        return cluster

    def active_cluster(self) -> Cluster:
        """The cluster, which must be there for others to be made in it."""
        cluster = self.cluster()
        if cluster.status not in ("ACTIVE", "UPDATING"):
            raise invalid_request(
                f"Cluster '{cluster.name}' is not in ACTIVE status", clusterName=cluster.name
            )
        return cluster

    def nodegroup(self) -> NodeGroup:
        cluster, name = self.cluster(), self["nodegroupName"]
        if name not in cluster.nodegroups:
            raise not_found(
                f"No node group found for name: {name}.",
                clusterName=cluster.name,
                nodegroupName=name,
            )
        return cluster.nodegroups[name]

    def addon(self) -> Addon:
        cluster, name = self.cluster(), self["addonName"]
        if name not in cluster.addons:
            raise not_found(
                f"No addon: {name} found in cluster: {cluster.name}",
                clusterName=cluster.name,
                addonName=name,
            )
        return cluster.addons[name]

    def require(
        self, action: str, resource: str, context: Mapping[str, str | list[str]] | None = None
    ) -> None:
        """Raises AccessDeniedException unless IAM lets the caller do `action` on `resource`."""
        decision = self.world.authorize(self.request.caller, action, resource, context)
        if not decision.allowed:
            raise ServiceError("AccessDeniedException", decision.message)

    def pass_role(self, role_arn: str, service: str, cluster_arn: str) -> None:
        """
        The caller must be allowed to give the role to `service`.

        Roles of other accounts can never be passed. Source: IAM user guide, "Granting
        a user permissions to pass a role"; the text is that of every AWS service.
        """
        match = _ROLE.fullmatch(role_arn)
        if role_arn and not match:
            raise invalid_parameter(f"Invalid role ARN: {role_arn}")
        # EKS says so of an empty ARN, too (eksctl#8718).
        if match is None or match[1] != self.account_id:
            raise ServiceError("AccessDeniedException", "Cross-account pass role is not allowed.")
        self.require(
            "iam:PassRole",
            role_arn,
            {"iam:PassedToService": service, "iam:AssociatedResourceArn": cluster_arn},
        )

    def repeated(self, kind: type[T]) -> T | None:
        """
        What an earlier call with the same clientRequestToken made.

        Raises InvalidParameterException when that call asked for something else.
        """
        was = self.store.remembered.get(self._token_key)
        if was is None or not isinstance(was.made, kind):
            return None
        if was.asked != self._asked:
            raise invalid_parameter(
                "The clientRequestToken was used by a request with other parameters."
            )
        return was.made

    def remember(self, made: object) -> None:
        if self["clientRequestToken"]:
            self.store.remembered[self._token_key] = Remembered(self._asked, made)

    @property
    def _token_key(self) -> tuple[str, ...]:
        token = self["clientRequestToken"] or ""
        return self.account_id, self.region, self.operation, self.cluster_name, token

    @property
    def _asked(self) -> Parameters:
        return {k: v for k, v in self.parameters.items() if k != "clientRequestToken"}
