"""
EKS Auth, asked by the harness: by nobody's agent, as any caller with the permission may.

What EKS Auth itself answers can be seen like this while it is throttled or failing, when an
agent asks again and a pod would need credentials first. The trap: the answer holds
credentials, of which nothing but fingerprints is kept.
"""

from typing import Any

from conformance.environment import Aws
from conformance.errors import HarnessError
from conformance.probes.evidence import Evidence
from conformance.probes.runner import Secrets
from conformance.world.aws_calls import ask, client

ASSUME = "assume_role_for_pod_identity"


class EksAuthCalls:
    """EKS Auth for one cluster, asked by its account or by the second one."""

    def __init__(self, aws: Aws, *, cluster: str) -> None:
        self._aws = aws
        self._cluster = cluster
        self._clients: dict[str, Any] = {}

    def ask(self, token: str, *, as_other: bool = False) -> Evidence:
        """
        Present a token; `as_other` the caller is of the second account.

        Raises `HarnessError` when EKS Auth does not answer, or there is no second account
        whose keys are known.
        """
        aws = self._other() if as_other else self._aws
        if aws.account_id not in self._clients:
            self._clients[aws.account_id] = client(aws, "eks-auth")
        parameters = {"clusterName": self._cluster, "token": token}
        return ask(self._clients[aws.account_id], ASSUME, parameters, shown=Secrets().answer)

    def _other(self) -> Aws:
        other = self._aws.other
        if other is None or other.secret_access_key is None:
            raise HarnessError("there is no second account whose keys are known")
        keys = other.model_dump(include={"account_id", "access_key_id", "secret_access_key"})
        return self._aws.model_copy(update=keys)
