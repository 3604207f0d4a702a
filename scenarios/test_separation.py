"""
Tenants with service accounts of the same names: in one cluster, and in two.

dev, staging and prod are namespaces. What could mix them up is tried by tokens: another
pod's, another cluster's, forged ones, and those of things that are gone.
"""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from conformance.environment import Capability
from conformance.errors import HarnessError
from conformance.probes import Call, Evidence, PromiseBroken, ask_agent, blaming, call
from conformance.probes.forgery import signed_by_a_stranger, unsigned, with_altered_claims
from conformance.probes.injected import injected_parts
from conformance.probes.plan import WHO_AM_I
from conformance.requirements.marks import proves
from conformance.requirements.separation import (
    ACCOUNT_MADE_AGAIN_IS_ASSOCIATED,
    ACCOUNTS_OF_ONE_NAMESPACE_ARE_APART,
    ALTERED_TOKEN_IS_REFUSED,
    CLUSTER_TAG_SEPARATES_ONE_ROLE,
    CLUSTERS_HAVE_THEIR_OWN_ASSOCIATIONS,
    DEFAULT_ACCOUNT_HAS_NOTHING,
    ENVIRONMENTS_ARE_APART,
    ENVIRONMENTS_IN_TWO_CLUSTERS_ARE_APART,
    FOREIGN_SIGNATURE_IS_REFUSED,
    NAMESPACE_SELECTS_THE_ROLE,
    NEIGHBOURS_BUCKET_IS_DENIED,
    OLD_TOKENS_LIVE_ON,
    PODS_OF_ONE_NODE_ARE_APART,
    TAGS_SEPARATE_ONE_ROLE,
    TOKEN_DECIDES_WHO_IS_ASKING,
    TOKEN_OF_ANOTHER_CLUSTER_IS_REFUSED,
    UNSIGNED_TOKEN_IS_REFUSED,
)
from conformance.spec import Association, Bucket, Condition, Role, Spec, Statement
from conformance.stages import Stage
from conformance.world import Probe, ProbeRequest, World
from conformance.world.another_cluster import ROLES, another_cluster

ENVIRONMENTS = ("dev", "staging", "prod")
RENEWED, CLUSTERED = "separation-renewed", "separation-clustered"
OWN_PREFIX = "bucket:shared/${aws:PrincipalTag/kubernetes-namespace}/*"

TAKES_LONG = True
SPEC = Spec(
    roles=(
        *(
            Role(
                name=f"{name}-app",
                statements=(
                    Statement(actions=("s3:GetObject",), resources=(f"bucket:{name}-data/*",)),
                ),
            )
            for name in ENVIRONMENTS
        ),
        Role(
            name="tenant",
            statements=(Statement(actions=("s3:GetObject",), resources=(OWN_PREFIX,)),),
        ),
        Role(
            name="clustered",
            statements=(
                Statement(
                    actions=("s3:GetObject",),
                    resources=("bucket:shared/*",),
                    conditions=(
                        Condition(
                            test="StringEquals",
                            variable="aws:PrincipalTag/eks-cluster-name",
                            values=("cluster:name",),
                        ),
                    ),
                ),
            ),
        ),
        *ROLES,
    ),
    buckets=(
        *(Bucket(name=f"{name}-data", objects={"hello.txt": name}) for name in ENVIRONMENTS),
        Bucket(
            name="shared",
            objects={
                "hello.txt": "all",
                "{namespace:dev}/hello.txt": "dev",
                "{namespace:prod}/hello.txt": "prod",
            },
        ),
    ),
    associations=(
        *(
            Association(namespace=name, service_account="app", role=f"{name}-app")
            for name in ENVIRONMENTS
        ),
        Association(namespace="dev", service_account="tenant", role="tenant"),
        Association(namespace="prod", service_account="tenant", role="tenant"),
        Association(namespace="dev", service_account=RENEWED, role="dev-app"),
        Association(namespace="prod", service_account=CLUSTERED, role="clustered"),
    ),
)

NEIGHBOUR = {"dev": "prod", "prod": "dev"}


def bucket_of(name: str, world: World) -> Call:
    return call("s3", "get_object", Bucket=world.bucket(f"{name}-data"), Key="hello.txt")


def prefix_of(name: str, world: World) -> Call:
    key = f"{world.namespace(name)}/hello.txt"
    return call("s3", "get_object", Bucket=world.bucket("shared"), Key=key)


@pytest.fixture(scope="module")
def apps(world: World) -> dict[str, Probe]:
    """One pod in each namespace, the others on dev's node and after it: they share an agent."""
    plan: dict[str, Call] = {"who am I": WHO_AM_I, "dev prefix": prefix_of("dev", world)}
    plan |= {f"{name} bucket": bucket_of(name, world) for name in ENVIRONMENTS}
    dev = world.probe("dev", "app", plan, name="dev-app")
    others = {
        name: ProbeRequest(name, "app", plan, name=f"{name}-app", node=dev.pod.node)
        for name in ENVIRONMENTS[1:]
    }
    return {"dev": dev, **world.probe_all(others)}


@pytest.fixture(scope="module")
def tenants(world: World) -> dict[str, Probe]:
    """One pod in each namespace; both service accounts are associated with the same role."""
    plan: dict[str, Call] = {"who am I": WHO_AM_I, "dev bucket": bucket_of("dev", world)}
    plan |= {f"{name} prefix": prefix_of(name, world) for name in NEIGHBOUR}
    return world.probe_all({name: ProbeRequest(name, "tenant", plan) for name in NEIGHBOUR})


@pytest.fixture(scope="module")
def presenter(world: World) -> Probe:
    """A pod of prod that presents its own token, others of dev, and three forged ones."""
    prod = world.namespace("prod")
    gone = world.stand_in("dev", "app")
    of_the_gone = {"gone": world.token(gone)}
    world.delete_pod(gone)
    of_the_gone |= {"before": world.tokens(RENEWED, namespace="dev")[RENEWED]}
    world.service_account_again("dev", RENEWED)
    of_the_gone |= {"again": world.tokens(RENEWED, namespace="dev")[RENEWED]}
    with world.hold("dev", "app") as pod_in_dev:
        token = world.token(pod_in_dev)
        secrets = {
            **of_the_gone,
            "dev": token,
            "altered": with_altered_claims(token, namespace=prod, service_account="app"),
            "foreign": signed_by_a_stranger(token, namespace=prod, service_account="app"),
            "unsigned": unsigned(token, namespace=prod, service_account="app"),
        }
        plan: dict[str, Call] = {
            **{name: ask_agent(name, then=WHO_AM_I) for name in of_the_gone},
            "own token": ask_agent(then=WHO_AM_I),
            "token of dev": ask_agent("dev", then=WHO_AM_I),
            "altered token": ask_agent("altered", then=WHO_AM_I),
            "token signed by a stranger": ask_agent("foreign", then=WHO_AM_I),
            "unsigned token": ask_agent("unsigned", then=WHO_AM_I),
        }
        request = ProbeRequest("prod", "app", plan, name="presenter", secrets=secrets)
        return world.probe_all({"presenter": request})["presenter"]


def has_role(evidence: Evidence, role: str, world: World, *, beside: Evidence) -> None:
    """
    The caller is a session of `role`.

    A wrong role is EKS Auth's doing, unless the credentials are the very ones that
    were given out `beside`: then the agent forgot whose they are.
    """
    identity = evidence.identified()
    same = evidence.access_key == beside.access_key
    with blaming(Stage.AGENT if same else Stage.EKS_AUTH):
        assert identity.role_name == world.contract.roles[role].name


def have_own_roles(apps: dict[str, Probe], world: World) -> None:
    for name, neighbour in NEIGHBOUR.items():
        beside = apps[neighbour]["who am I"]
        has_role(apps[name]["who am I"], f"{name}-app", world, beside=beside)


@proves(NAMESPACE_SELECTS_THE_ROLE)
def test_same_name_gets_its_own_role_in_each_namespace(
    apps: dict[str, Probe], world: World
) -> None:
    """dev/app and prod/app are told apart by their namespace alone, and act as their own role."""
    have_own_roles(apps, world)


@proves(NEIGHBOURS_BUCKET_IS_DENIED)
@pytest.mark.parametrize("name", NEIGHBOUR)
def test_tenant_reads_its_own_bucket_only(name: str, apps: dict[str, Probe], world: World) -> None:
    """
    IAM lets each tenant read its own bucket and refuses the neighbour's.

    Identities come first: under the wrong one, IAM's answer is about somebody else.
    """
    have_own_roles(apps, world)

    evidence = apps[name][f"{name} bucket"].granted()
    apps[name][f"{NEIGHBOUR[name]} bucket"].denied(Stage.IAM, "AccessDenied")

    with blaming(Stage.SERVICE):
        assert evidence.text == name


@proves(ENVIRONMENTS_ARE_APART)
@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_environments_are_apart(name: str, apps: dict[str, Probe], world: World) -> None:
    """Each reads its own bucket, and IAM refuses both others to it."""
    first, *_ = (other for other in ENVIRONMENTS if other != name)
    has_role(apps[name]["who am I"], f"{name}-app", world, beside=apps[first]["who am I"])

    apps[name][f"{name} bucket"].granted()
    for other in ENVIRONMENTS:
        if other != name:
            apps[name][f"{other} bucket"].denied(Stage.IAM, "AccessDenied")


@proves(ACCOUNTS_OF_ONE_NAMESPACE_ARE_APART)
def test_service_accounts_of_one_namespace_are_apart(
    apps: dict[str, Probe], tenants: dict[str, Probe], world: World
) -> None:
    """dev/app reads dev's bucket and dev/tenant its prefix; IAM refuses each the other's."""
    app, tenant = apps["dev"], tenants["dev"]
    has_role(app["who am I"], "dev-app", world, beside=tenant["who am I"])
    has_role(tenant["who am I"], "tenant", world, beside=app["who am I"])

    app["dev bucket"].granted()
    app["dev prefix"].denied(Stage.IAM, "AccessDenied")
    tenant["dev prefix"].granted()
    tenant["dev bucket"].denied(Stage.IAM, "AccessDenied")


@proves(DEFAULT_ACCOUNT_HAS_NOTHING)
def test_default_service_account_has_nothing(apps: dict[str, Probe], world: World) -> None:
    """In a namespace with associations, and an injected pod, `default` is left alone."""
    apps["dev"]["who am I"].granted()
    probe = world.probe("dev", "default", {"who am I": WHO_AM_I}, name="default")

    with blaming(Stage.INJECTION):
        assert injected_parts(probe.pod.manifest) == []
    probe["who am I"].denied(Stage.INJECTION, "NoCredentials")


@proves(TAGS_SEPARATE_ONE_ROLE)
@pytest.mark.parametrize("name", NEIGHBOUR)
def test_namespace_tag_separates_tenants_of_one_role(
    name: str, tenants: dict[str, Probe], world: World
) -> None:
    """
    With one role for both, the session's namespace tag opens the own prefix only.

    Both pods must really have that one role: two roles would separate them anyway.
    """
    has_role(
        tenants[name]["who am I"], "tenant", world, beside=tenants[NEIGHBOUR[name]]["who am I"]
    )

    tenants[name][f"{name} prefix"].granted()
    tenants[name][f"{NEIGHBOUR[name]} prefix"].denied(Stage.IAM, "AccessDenied")


# Without networks of their own, "the same node" means nothing.
@proves(PODS_OF_ONE_NODE_ARE_APART, needs={Capability.NODE_ISOLATION})
def test_pods_of_one_node_get_different_credentials(apps: dict[str, Probe]) -> None:
    """
    Two pods asked one agent, one after the other, and each got credentials of its own.

    Compared are the credentials, not the roles: whichever role they belong to, the
    second pod must not be given what the first one had.
    """
    dev, prod = (apps[name]["who am I"].granted() for name in NEIGHBOUR)
    if apps["dev"].pod.node != apps["prod"].pod.node:
        raise HarnessError("both pods on one node", saw=str([p.pod.node for p in apps.values()]))

    with blaming(Stage.AGENT):
        assert dev.access_key != prod.access_key


@proves(TOKEN_DECIDES_WHO_IS_ASKING, needs={Capability.MINT_TOKENS})
def test_token_of_dev_gives_dev_wherever_it_is_presented(presenter: Probe, world: World) -> None:
    """
    A pod of prod presents dev's token and becomes dev, and with its own it is prod.

    That is no leak: who holds a token is its subject, which is why tokens are bound
    to pods. What must never happen is that the asking pod's identity counts.
    """
    own, of_dev = presenter["own token"], presenter["token of dev"]

    has_role(own, "prod-app", world, beside=of_dev)
    has_role(of_dev, "dev-app", world, beside=own)


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param(
            "altered token",
            marks=proves(ALTERED_TOKEN_IS_REFUSED, needs={Capability.MINT_TOKENS}),
        ),
        pytest.param(
            "token signed by a stranger",
            marks=proves(FOREIGN_SIGNATURE_IS_REFUSED, needs={Capability.MINT_TOKENS}),
        ),
        pytest.param(
            "unsigned token",
            marks=proves(UNSIGNED_TOKEN_IS_REFUSED, needs={Capability.MINT_TOKENS}),
        ),
    ],
)
def test_forged_namespace_is_refused(forged: str, presenter: Probe) -> None:
    """
    A token of dev that was made to claim prod/app gives nothing; EKS Auth says it is invalid.

    The claim is one that has an association, so only the signature can be what it
    is refused for. The agent does not check signatures: it must have passed it on.
    """
    own, evidence = presenter["own token"].granted(), presenter[forged]

    if evidence.access_key == own.access_key:
        raise PromiseBroken(f"{forged} was answered with another's credentials", Stage.AGENT)
    evidence.denied(Stage.EKS_AUTH, "InvalidTokenException")


# --- what is gone


@proves(ACCOUNT_MADE_AGAIN_IS_ASSOCIATED, needs={Capability.MINT_TOKENS})
def test_service_account_made_again_is_associated(presenter: Probe, world: World) -> None:
    """The new service account has another UID, and its pod the association's role."""
    tokens = [presenter[name].token for name in ("before", "again")]
    uids = {token.kubernetes["serviceaccount"]["uid"] for token in tokens if token}
    if len(uids) != 2:
        raise HarnessError("a service account made again has another UID", saw=str(uids))

    has_role(presenter["again"], "dev-app", world, beside=presenter["own token"])


@proves(OLD_TOKENS_LIVE_ON, needs={Capability.MINT_TOKENS})
@pytest.mark.parametrize("token", ["gone", "before"])
def test_token_outlives_what_it_was_made_for(token: str, presenter: Probe, world: World) -> None:
    """Its pod, or its service account, was gone before the token was presented at all."""
    has_role(presenter[token], "dev-app", world, beside=presenter["own token"])


# --- two clusters


class Apart(NamedTuple):
    """What pods of the same names saw in both clusters, and who presented the other's token."""

    here: Probe
    there: dict[str, Probe]
    presenter: Probe


@pytest.fixture(scope="module")
def apart(world: World) -> Iterator[Apart]:
    """A second cluster, for staging, where prod's `app` is staging's and `clustered` the same."""
    read: dict[str, Call] = {
        "who am I": WHO_AM_I,
        "shared": call("s3", "get_object", Bucket=world.bucket("shared"), Key="hello.txt"),
        **{f"{name} bucket": bucket_of(name, world) for name in ENVIRONMENTS},
    }
    with another_cluster(world, "apart") as second:
        for account, role in (("app", "staging-app"), (CLUSTERED, "clustered")):
            second.eks(
                "create_pod_identity_association",
                namespace=second.namespace("prod"),
                serviceAccount=account,
                roleArn=world.contract.roles[role].arn,
            )
        there = second.probe_all(
            {name: ProbeRequest("prod", name, read, name=name) for name in ("app", CLUSTERED)}
        )
        stranger = second.tokens("app", namespace="prod")
        request = ProbeRequest(
            "prod",
            "app",
            {"own": ask_agent(then=WHO_AM_I), "theirs": ask_agent("app", then=WHO_AM_I)},
            name="presenter",
            secrets=stranger,
        )
        here = ProbeRequest("prod", CLUSTERED, read, name="clustered")
        ours = world.probe_all({"presenter": request, "here": here})
        yield Apart(ours["here"], there, ours["presenter"])


@proves(CLUSTERS_HAVE_THEIR_OWN_ASSOCIATIONS, needs={Capability.CLUSTERS, Capability.MINT_TOKENS})
def test_same_names_have_their_own_role_in_each_cluster(apart: Apart, world: World) -> None:
    """prod/app is one role here and another there, at the same time."""
    here, there = apart.presenter["own"], apart.there["app"]["who am I"]

    has_role(here, "prod-app", world, beside=there)
    has_role(there, "staging-app", world, beside=here)


@proves(ENVIRONMENTS_IN_TWO_CLUSTERS_ARE_APART, needs={Capability.CLUSTERS, Capability.MINT_TOKENS})
def test_environments_in_two_clusters_are_apart(
    apps: dict[str, Probe], apart: Apart, world: World
) -> None:
    """From the same manifests: here it reads prod's bucket only, there staging's only."""
    here, there = apps["prod"], apart.there["app"]
    has_role(here["who am I"], "prod-app", world, beside=there["who am I"])
    has_role(there["who am I"], "staging-app", world, beside=here["who am I"])

    for pod, own, other in ((here, "prod", "staging"), (there, "staging", "prod")):
        pod[f"{own} bucket"].granted()
        pod[f"{other} bucket"].denied(Stage.IAM, "AccessDenied")


@proves(TOKEN_OF_ANOTHER_CLUSTER_IS_REFUSED, needs={Capability.CLUSTERS, Capability.MINT_TOKENS})
def test_token_of_another_cluster_is_refused(apart: Apart) -> None:
    """It is good where it comes from, and both clusters have an association for its names."""
    apart.there["app"]["who am I"].granted()
    apart.presenter["own"].granted()
    apart.presenter["theirs"].denied(Stage.EKS_AUTH, "InvalidTokenException")


@proves(CLUSTER_TAG_SEPARATES_ONE_ROLE, needs={Capability.CLUSTERS, Capability.MINT_TOKENS})
def test_cluster_tag_separates_one_role(apart: Apart, world: World) -> None:
    """Role, namespace and service account are the same; the policy wants this cluster's name."""
    here, there = apart.here["who am I"], apart.there[CLUSTERED]["who am I"]
    has_role(here, "clustered", world, beside=there)
    has_role(there, "clustered", world, beside=here)

    apart.here["shared"].granted()
    apart.there[CLUSTERED]["shared"].denied(Stage.IAM, "AccessDenied")
