"""A world across two accounts, and nothing done in it."""

from conformance.requirements.injection import ASSOCIATED_POD_IS_INJECTED
from conformance.requirements.marks import proves
from conformance.spec import Association, Bucket, Queue, Role, Spec, Trust
from conformance.world import World

SPEC = Spec(
    roles=(
        Role(name="reader"),
        Role(name="target", account="other", trust=(Trust(services=(), roles=("reader",)),)),
    ),
    buckets=(
        Bucket(name="near"),
        Bucket(name="far", account="other", objects={"one.txt": "1"}),
    ),
    queues=(Queue(name="near"), Queue(name="far", account="other")),
    associations=(
        Association(namespace="dev", service_account="reader", role="reader", target_role="target"),
    ),
)


@proves(ASSOCIATED_POD_IS_INJECTED)
def test_it_is_there(world: World) -> None:
    """It is asked for, and that makes it."""
    world.show("namespaces", {"dev": world.namespace("dev")})
