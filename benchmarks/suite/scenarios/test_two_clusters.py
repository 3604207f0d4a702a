"""A world with a second cluster, which no Terraform makes; nothing is done in either."""

from conformance.requirements.injection import ASSOCIATED_POD_IS_INJECTED
from conformance.requirements.marks import proves
from conformance.spec import Association, Role, Spec
from conformance.world import World
from conformance.world.another_cluster import ROLES, another_cluster

SPEC = Spec(
    roles=(Role(name="reader"), *ROLES),
    associations=(Association(namespace="dev", service_account="reader", role="reader"),),
)


@proves(ASSOCIATED_POD_IS_INJECTED)
def test_it_is_there(world: World) -> None:
    """It is asked for, and that makes it; in the second one there is an association as well."""
    with another_cluster(world) as second:
        second.eks(
            "create_pod_identity_association",
            namespace=second.namespace("dev"),
            serviceAccount="reader",
            roleArn=world.contract.roles["reader"].arn,
        ).granted()
