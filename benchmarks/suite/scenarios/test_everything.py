"""A world with one of everything that a Spec can ask of one account, and nothing done in it."""

from conformance.requirements.injection import ASSOCIATED_POD_IS_INJECTED
from conformance.requirements.marks import proves
from conformance.spec import (
    Addon,
    Association,
    Bucket,
    Policy,
    Queue,
    ResourceStatement,
    Role,
    Spec,
    Statement,
    Table,
)
from conformance.world import World

READ = Statement(actions=("s3:GetObject",), resources=("bucket:data/*",))

SPEC = Spec(
    policies=(Policy(name="read", statements=(READ,)),),
    roles=(
        Role(name="reader", policies=("read",)),
        Role(
            name="writer",
            statements=(READ,),
            managed_policies=("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",),
        ),
    ),
    buckets=(
        Bucket(
            name="data",
            objects={"one.txt": "1", "two.txt": "2"},
            statements=(ResourceStatement(actions=("s3:GetObject",), roles=("reader",)),),
        ),
        Bucket(name="empty"),
    ),
    tables=(Table(name="orders"),),
    queues=(Queue(name="events"),),
    addons=(Addon(name="coredns"),),
    associations=(
        Association(namespace="dev", service_account="reader", role="reader"),
        Association(namespace="prod", service_account="writer", role="writer"),
    ),
)


@proves(ASSOCIATED_POD_IS_INJECTED)
def test_it_is_there(world: World) -> None:
    """It is asked for, and that makes it."""
    world.show("namespaces", {name: world.namespace(name) for name in ("dev", "prod")})
