"""
Fifty things that belong to nobody's dead run, each of which a careless sweep would take.

Names that look like ours without the tag, tags of others, tags of runs that are alive
or that no ledger here names; and names that begin with the very prefix of the run that
is swept.
"""

import json
from typing import Any

from conformance.sweep.calls import Clients
from conformance.sweep.finds import TAG
from conformance.world.kube import Kube

LIVING = "alive1"
"""A run whose ledger is written by a process that lives."""
UNKNOWN = "nobody"
"""A run that only tags speak of."""
OF_RUN = 6
"""Look-alikes that are made anew for each run."""

_TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "pods.eks.amazonaws.com"},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
            }
        ],
    }
)
_TAGS: tuple[dict[str, str], ...] = (
    {},
    {"team": "payments"},
    {TAG: LIVING},
    {TAG: UNKNOWN},
    {"conformance:runs": "x", "Conformance:Run": "x"},
)


def _pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def make(clients: Clients, kube: Kube, cluster: str) -> int:
    """Make those that stay; returns how many."""
    iam, s3, eks = clients("iam"), clients("s3"), clients("eks")
    dynamodb, sqs = clients("dynamodb"), clients("sqs")
    made = 0
    for number, tags in enumerate(_TAGS):
        name = f"pi-k3m9xq-70d{number}-data"
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=_TRUST, Tags=_pairs(tags))
        role = iam.get_role(RoleName=name)["Role"]["Arn"]
        policy = json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
            }
        )
        iam.create_policy(PolicyName=name, PolicyDocument=policy, Tags=_pairs(tags))
        iam.create_instance_profile(InstanceProfileName=name, Tags=_pairs(tags))
        _bucket(s3, name, tags)
        dynamodb.create_table(
            TableName=name,
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
            Tags=_pairs(tags),
        )
        sqs.create_queue(QueueName=name, tags=tags)
        eks.create_pod_identity_association(
            clusterName=cluster,
            namespace=f"shop-k3m9xq-70d{number}",
            serviceAccount="reader",
            roleArn=role,
            **({"tags": tags} if tags else {}),
        )
        labels = {key.replace(":", "/"): value for key, value in tags.items()}
        if labels.pop("Conformance/Run", None):
            labels = {"conformance/runs": "x"}
        _namespace(kube, f"shop-k3m9xq-70d{number}", labels)
        made += 8
    for number in range(50 - OF_RUN - made):
        _bucket(s3, f"pi-other-{number}", {})
        made += 1
    return made


def make_look_alikes(clients: Clients, kube: Kube, prefix: str, run: str) -> set[str]:
    """Six more, named as if they were the run's own."""
    iam, s3, sqs = clients("iam"), clients("s3"), clients("sqs")
    iam.create_role(RoleName=f"{prefix}-mine", AssumeRolePolicyDocument=_TRUST)
    tags = [{"Key": TAG, "Value": UNKNOWN}]
    iam.create_role(RoleName=f"{prefix}-app", AssumeRolePolicyDocument=_TRUST, Tags=tags)
    _bucket(s3, f"{prefix}-mine", {})
    _bucket(s3, f"{prefix}-others", {TAG: f"{run}x"})
    sqs.create_queue(QueueName=f"{prefix}-mine")
    _namespace(kube, f"shop-{run}-mine", {})
    return {
        f"role {prefix}-mine",
        f"role {prefix}-app",
        f"bucket {prefix}-mine",
        f"bucket {prefix}-others",
        f"queue {prefix}-mine",
        f"namespace shop-{run}-mine",
    }


def remove_look_alikes(clients: Clients, kube: Kube, prefix: str, run: str) -> None:
    """Make room for those of the next run."""
    iam, s3, sqs = clients("iam"), clients("s3"), clients("sqs")
    for role in ("mine", "app"):
        iam.delete_role(RoleName=f"{prefix}-{role}")
    for bucket in ("mine", "others"):
        s3.delete_object(Bucket=f"{prefix}-{bucket}", Key="a/letter")
        s3.delete_bucket(Bucket=f"{prefix}-{bucket}")
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=f"{prefix}-mine")["QueueUrl"])
    kube.delete(f"/api/v1/namespaces/shop-{run}-mine")


def _bucket(s3: Any, name: str, tags: dict[str, str]) -> None:
    region = s3.meta.region_name
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})
    if tags:
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": _pairs(tags)})
    s3.put_object(Bucket=name, Key="a/letter", Body=b"dear")


def _namespace(kube: Kube, name: str, labels: dict[str, str]) -> None:
    kube.create(
        "/api/v1/namespaces",
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}},
    )
