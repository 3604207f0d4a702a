"""
Looking and acting behind Terraform's back: what is there, and changes that it did not make.

On an emulation only: the connection refuses anything else.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError

from conformance.contract import RealAssociation
from conformance.environment import Aws
from conformance.terraform.provider.connection import Connection, Settings


class Behind:
    """One account, seen without Terraform."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._connection = Connection(
            Settings(
                region=aws.region,
                endpoint=aws.endpoint,
                access_key_id=aws.access_key_id,
                secret_access_key=aws.secret_access_key,
                path_style=True,
            )
        )

    def of(self, account: str) -> "Behind":
        """The same for `own` or `other`."""
        return self if account == "own" else Behind(self._other)

    def client(self, service: str) -> Any:
        """A client of botocore's, which makes its methods when it runs."""
        return self._connection.client(service)

    def use_role(self, cluster: str, association: RealAssociation, role_arn: str) -> None:
        """Give an association another role."""
        self._connection.client("eks").update_pod_identity_association(
            clusterName=cluster, associationId=association.id, roleArn=role_arn
        )

    def take_away(self, cluster: str, association: RealAssociation) -> None:
        """Delete an association."""
        self._connection.client("eks").delete_pod_identity_association(
            clusterName=cluster, associationId=association.id
        )

    def write_into(self, bucket: str) -> None:
        """Leave an object that no state knows, as pods do; of another account it may be."""
        for each in self._accounts():
            with suppress(ClientError):
                each._connection.client("s3").put_object(
                    Bucket=bucket, Key="of-a-pod", Body=b"left behind"
                )

    def left(self, prefix: str, cluster: str) -> list[str]:
        """Everything whose name begins with the prefix, and the cluster's associations."""
        return [
            *(name for each in self._accounts() for name in each._names() if prefix in name),
            *self._associations(cluster),
        ]

    def _accounts(self) -> list["Behind"]:
        return [self, *([Behind(self._other)] if self._aws.other else [])]

    @property
    def _other(self) -> Aws:
        other = self._aws.other
        assert other is not None  # noqa: S101  # asked for only where there is one
        keys = other.model_dump(include={"account_id", "access_key_id", "secret_access_key"})
        return self._aws.model_copy(update={**keys, "other": None})

    def _names(self) -> Iterator[str]:
        iam, sqs = self._connection.client("iam"), self._connection.client("sqs")
        for page in iam.get_paginator("list_roles").paginate():
            yield from (role["RoleName"] for role in page["Roles"])
        for page in iam.get_paginator("list_policies").paginate(Scope="Local"):
            yield from (policy["PolicyName"] for policy in page["Policies"])
        buckets = self._connection.client("s3").list_buckets()
        yield from (bucket["Name"] for bucket in buckets["Buckets"])
        yield from self._connection.client("dynamodb").list_tables()["TableNames"]
        yield from (url.rpartition("/")[2] for url in sqs.list_queues().get("QueueUrls", ()))

    def _associations(self, cluster: str) -> list[str]:
        listed = self._connection.client("eks").get_paginator("list_pod_identity_associations")
        return [
            f"{each['namespace']}/{each['serviceAccount']}"
            for page in listed.paginate(clusterName=cluster)
            for each in page["associations"]
        ]
