"""
Calls of the EKS API that no pod makes: what a platform team does, or its tools.

Terraform hides what the API says: it retries, waits and rewords. Promises about the
API itself are therefore asked for by hand. The trap: what is made here no Terraform
state knows, so whatever takes tags is tagged with the run, and associations are taken
away with the world.
"""

from typing import Any

from conformance.environment import Aws
from conformance.errors import HarnessError
from conformance.probes.evidence import Evidence
from conformance.spec.checked import RUN_TAG
from conformance.world.aws_calls import ask, client

CREATE = "create_pod_identity_association"
DELETE = "delete_pod_identity_association"


class EksCalls:
    """The EKS API for one cluster; the client is made at the first call."""

    def __init__(self, aws: Aws, *, cluster: str, run: str) -> None:
        self._aws = aws
        self._cluster = cluster
        self._run = run
        self._client: Any = None
        self._made: list[str] = []

    def ask(self, operation: str, **parameters: Any) -> Evidence:
        """Make one call, for this cluster unless it says another; see `aws_calls.ask`."""
        if self._takes(operation, "clusterName"):
            parameters = {"clusterName": self._cluster, **parameters}
        if operation.startswith("create_") and self._takes(operation, "tags"):
            parameters["tags"] = {RUN_TAG: self._run, **parameters.get("tags", {})}
        evidence = ask(self._eks(), operation, parameters)
        if operation == CREATE and "association" in evidence.answer:
            self._made.append(evidence.answer["association"]["associationId"])
        return evidence

    def close(self) -> None:
        """Take away the associations that were made here and are still there."""
        for id_ in dict.fromkeys(self._made):
            evidence = self.ask(DELETE, associationId=id_)
            if evidence.code not in ("", "ResourceNotFoundException"):
                raise HarnessError(
                    f"association {id_} of cluster {self._cluster} cannot be taken away",
                    saw=f"{evidence.code}: {evidence.message}",
                    try_=f"aws eks delete-pod-identity-association --association-id {id_}",
                )
        self._made.clear()

    def _takes(self, operation: str, member: str) -> bool:
        eks = self._eks()
        shape = eks.meta.service_model.operation_model(eks.meta.method_to_api_mapping[operation])
        return member in shape.input_shape.members

    def _eks(self) -> Any:
        if self._client is None:
            self._client = client(self._aws, "eks")
        return self._client
