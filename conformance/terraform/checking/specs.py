"""
Ten Specs that together ask for everything, from the smallest on, and one that changes it.

They are applied one after another in one workspace, so each is also a change of the
one before: what is not wanted any more has to go. The last has names of the two before it
that hold the most, and changes what they made in place, as scenarios do between two applies.
"""

from collections.abc import Mapping
from typing import Final

from conformance.spec import (
    Addon,
    Association,
    Bucket,
    Condition,
    Policy,
    Queue,
    ResourceStatement,
    Role,
    Spec,
    Statement,
    Table,
    Trust,
)

_TAGS: Final = {"team": "größe 東京", "cost center": "a+b=c/d@e", "empty": ""}

_READ: Final = Statement(actions=("s3:GetObject",), resources=("bucket:data/*",))
_DATA: Final = Bucket(name="data", objects={"hello.txt": "hello", "{namespace:shop}/own": "1"})
_READER: Final = Association(namespace="shop", service_account="reader", role="reader")

ONE: Final = Spec(
    roles=(Role(name="reader", statements=(_READ,)), Role(name="writer")),
    buckets=(_DATA,),
    associations=(_READER,),
)
"""What is changed, imported and taken away behind Terraform's back."""

_STORAGE: Final = Spec(
    roles=(
        Role(
            name="worker",
            statements=(
                Statement(
                    actions=("dynamodb:PutItem", "dynamodb:Query"),
                    resources=("table:orders", "table:orders/index/by-customer"),
                ),
                Statement(actions=("sqs:ReceiveMessage",), resources=("queue:jobs",)),
                Statement(
                    effect="Deny",
                    actions=("s3:*",),
                    resources=("bucket:data", "bucket:data/*"),
                    conditions=(
                        Condition(
                            test="StringNotEquals",
                            variable="aws:PrincipalTag/kubernetes-namespace",
                            values=("{namespace:shop}",),
                        ),
                    ),
                ),
            ),
            managed_policies=("arn:aws:iam::aws:policy/ReadOnlyAccess",),
            policies=("buckets",),
        ),
    ),
    policies=(
        Policy(
            name="buckets",
            statements=(Statement(actions=("s3:ListBucket",), resources=("bucket:data",)),),
        ),
    ),
    buckets=(
        Bucket(
            name="data",
            statements=(
                ResourceStatement(actions=("s3:GetObject",), roles=("worker",)),
                ResourceStatement(
                    effect="Deny",
                    actions=("s3:DeleteObject",),
                    anyone=True,
                    resources=("bucket:data/kept/*",),
                ),
            ),
        ),
    ),
    tables=(
        Table(name="orders", range_key="at", indexes={"by-customer": "customer"}),
        Table(name="plain"),
    ),
    queues=(
        Queue(
            name="jobs",
            visibility_seconds=5,
            statements=(ResourceStatement(actions=("sqs:SendMessage",), roles=("worker",)),),
        ),
        Queue(name="plain"),
    ),
    associations=(Association(namespace="shop", service_account="worker", role="worker"),),
)

_TARGETS: Final = Spec(
    roles=(
        Role(
            name="first",
            statements=(
                Statement(actions=("sts:AssumeRole", "sts:TagSession"), resources=("role:second",)),
            ),
        ),
        Role(name="second"),
        Role(name="third", path="/conformance/"),
    ),
    associations=(
        Association(namespace="shop", service_account="plain", role="third"),
        Association(namespace="shop", service_account="tagged", role="first", target_role="second"),
        Association(
            namespace="shop",
            service_account="untagged",
            role="first",
            target_role="second",
            disable_session_tags=True,
        ),
    ),
)

_TRUSTS: Final = Spec(
    roles=(
        Role(
            name="narrow",
            trust=(
                Trust(
                    conditions=(
                        Condition(
                            test="StringEquals",
                            variable="aws:RequestTag/kubernetes-namespace",
                            values=("{namespace:shop}",),
                        ),
                        Condition(
                            test="ArnEquals", variable="aws:SourceArn", values=("cluster:arn",)
                        ),
                    ),
                ),
                Trust(effect="Deny", accounts=("own",), actions=("sts:AssumeRole",)),
            ),
        ),
        Role(
            name="foreign",
            trust=(Trust(services=("ec2.amazonaws.com",), actions=("sts:AssumeRole",)),),
        ),
        Role(
            name="chained",
            trust=(
                Trust(
                    roles=("narrow",),
                    conditions=(
                        Condition(
                            test="StringEquals",
                            variable="sts:ExternalId",
                            values=("external-id:shop/narrow",),
                        ),
                    ),
                ),
            ),
        ),
    ),
    associations=(Association(namespace="shop", service_account="narrow", role="narrow"),),
)

_TWO_ACCOUNTS: Final = Spec(
    roles=(
        Role(
            name="near",
            statements=(
                Statement(actions=("sts:AssumeRole", "sts:TagSession"), resources=("role:far",)),
                Statement(actions=("s3:GetObject",), resources=("bucket:far-data/*",)),
            ),
        ),
        Role(
            name="far",
            account="other",
            statements=(Statement(actions=("s3:GetObject",), resources=("bucket:far-data/*",)),),
            managed_policies=("arn:aws:iam::aws:policy/ReadOnlyAccess",),
            trust=(
                Trust(
                    accounts=("own",),
                    conditions=(
                        Condition(
                            test="ArnEquals", variable="aws:PrincipalArn", values=("role:near",)
                        ),
                    ),
                ),
                Trust(roles=("near",)),
            ),
        ),
    ),
    buckets=(
        Bucket(
            name="far-data",
            account="other",
            objects={"hello.txt": "from afar"},
            statements=(ResourceStatement(actions=("s3:GetObject",), roles=("near",)),),
        ),
    ),
    queues=(
        Queue(
            name="far-jobs",
            account="other",
            statements=(ResourceStatement(actions=("sqs:*",), accounts=("own",)),),
        ),
    ),
    associations=(Association(namespace="shop", service_account="near", role="near"),),
)

_CHANGED: Final = _STORAGE.having(
    Role(name="worker", statements=(_READ,), tags=_TAGS, policies=("buckets",)),
    Role(name="foreign"),
    Policy(name="buckets", statements=(_READ,), tags=_TAGS),
    Bucket(name="data", objects={"hello.txt": "hello again"}, tags=_TAGS),
    Table(name="plain", tags=_TAGS),
    Queue(name="jobs", visibility_seconds=10, tags=_TAGS),
    Association(namespace="shop", service_account="worker", role="worker", tags=_TAGS),
)

_LONG: Final = "a" + "-long" * 6
"""31 characters, the most that a name in a Spec has."""

SPECS: Final[Mapping[str, Spec]] = {
    "smallest": Spec(roles=(Role(name="alone"),)),
    "one association": ONE,
    "storage and resource policies": _STORAGE,
    "target roles": _TARGETS,
    "trust policies": _TRUSTS,
    "a second account": _TWO_ACCOUNTS,
    "a hundred associations": Spec(
        roles=(Role(name="shared"),),
        associations=tuple(
            Association(namespace=f"team-{n % 10}", service_account=f"app-{n}", role="shared")
            for n in range(100)
        ),
    ),
    "tags": Spec(
        roles=(Role(name="tagged", tags=_TAGS),),
        policies=(Policy(name="tagged", statements=(_READ,), tags=_TAGS),),
        buckets=(_DATA, Bucket(name="tagged", tags=_TAGS)),
        tables=(Table(name="tagged", tags=_TAGS),),
        queues=(Queue(name="tagged", tags=_TAGS),),
        associations=(
            Association(namespace="shop", service_account="s", role="tagged", tags=_TAGS),
        ),
    ),
    "names at their limits": Spec(
        roles=(Role(name=_LONG),),
        buckets=(Bucket(name=_LONG, objects={"k" * 1024: "at the limit of S3"}),),
        associations=(
            Association(namespace="n" * 63, service_account=f"s{'.s' * 126}", role=_LONG),
        ),
    ),
    "everything at once": Spec(
        roles=(*_TARGETS.roles, *_TRUSTS.roles, *_STORAGE.roles, *_TWO_ACCOUNTS.roles),
        policies=_STORAGE.policies,
        buckets=(*_STORAGE.buckets, *_TWO_ACCOUNTS.buckets),
        tables=_STORAGE.tables,
        queues=(*_STORAGE.queues, *_TWO_ACCOUNTS.queues),
        addons=(Addon(name="vpc-cni", associations={"aws-node": "third"}),),
        associations=(
            *_TARGETS.associations,
            *_TRUSTS.associations,
            *_STORAGE.associations,
            *_TWO_ACCOUNTS.associations,
            Association(namespace="shop", service_account="far", role="near", target_role="far"),
            Association(
                namespace="shop",
                service_account="limited",
                role="worker",
                disable_session_tags=True,
                policy=(
                    Statement(actions=("s3:GetObject",), resources=("bucket:data/limited/*",)),
                ),
            ),
        ),
    ),
    "everything changed": _CHANGED,
}
