"""
Which credentials a pod really uses when it could have several.

The webhook decides what is in the pod, the SDK which of it is taken. So each pod has
one thing too many, asks STS who it is, and says where its SDK found the credentials.
Keys that are set by hand are made up: that STS knows nobody of that name shows that
they were used.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from conformance.environment import Capability
from conformance.probes import Call, Evidence, blaming
from conformance.probes.injected import (
    ADDRESS_VARIABLE,
    TOKEN_PATH,
    TOKEN_VARIABLE,
    injected_parts,
    variables,
)
from conformance.probes.plan import SECRETS_PATH, WHO_AM_I
from conformance.requirements.marks import proves
from conformance.requirements.precedence import (
    ADDRESS_BY_HAND_STOPS_INJECTION,
    AGENT_BEATS_THE_NODE,
    ASSOCIATION_BEATS_IRSA,
    CREDENTIALS_FILE_BEATS_THE_AGENT,
    HOP_LIMIT_CLOSES_IT,
    IRSA_COMES_BACK,
    MISSED_INJECTION_IS_THE_NODE,
    REFUSAL_IS_NO_FALLBACK,
    STATIC_KEYS_BEAT_THE_AGENT,
    TOKEN_BY_HAND_LOSES,
    UNSUPPORTED_ADDRESS_IS_REFUSED,
    WEB_IDENTITY_BEATS_THE_AGENT,
)
from conformance.spec import Association, Role, Spec
from conformance.stages import Stage
from conformance.world import Probe, ProbeRequest, World
from conformance.world.another_cluster import ROLES, another_cluster

APP, IRSA, BACK, STRANGER, REFUSED = (
    f"precedence-{name}" for name in ("app", "irsa", "irsa-back", "stranger", "refused")
)
MISSED = "missed"
"""A pod of `APP` that was created before its association."""
ROLE_ANNOTATION = "eks.amazonaws.com/role-arn"

SPEC = Spec(
    roles=(Role(name="app"), Role(name="annotated"), *ROLES),
    associations=tuple(
        Association(namespace="shop", service_account=account, role="app")
        for account in (APP, IRSA)
    ),
)

PLAN: dict[str, Call] = {"who am I": WHO_AM_I}
MADE_UP = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}
"""The example of AWS's own documentation; nobody's."""
FILE = "\n".join(["[default]", *(f"{name.lower()} = {value}" for name, value in MADE_UP.items())])
REACHING_IMDS = {"AWS_EC2_METADATA_DISABLED": "false"}


@pytest.fixture(scope="module")
def pods(world: World) -> dict[str, Evidence]:
    """Each with one thing that somebody set by hand, side by side."""
    role = world.contract.roles["annotated"].arn
    world.service_account("shop", IRSA, {ROLE_ANNOTATION: role})
    by_hand: dict[str, dict[str, str]] = {
        "web identity": {"AWS_WEB_IDENTITY_TOKEN_FILE": TOKEN_PATH, "AWS_ROLE_ARN": role},
        "keys": MADE_UP,
        "file": {"AWS_SHARED_CREDENTIALS_FILE": f"{SECRETS_PATH}/credentials"},
        "token": {"AWS_CONTAINER_AUTHORIZATION_TOKEN": "made-up"},
        "address": {ADDRESS_VARIABLE: "http://10.99.0.1/v1/credentials"},
    }
    requests = {
        name: ProbeRequest(
            "shop",
            APP,
            PLAN,
            name=name.replace(" ", "-"),
            environment=environment,
            secrets={"credentials": FILE} if name == "file" else {},
        )
        for name, environment in by_hand.items()
    }
    requests["IRSA"] = ProbeRequest("shop", IRSA, PLAN, name="irsa")
    return {name: probe["who am I"] for name, probe in world.probe_all(requests).items()}


@proves(ASSOCIATION_BEATS_IRSA)
def test_association_beats_irsa(pods: dict[str, Evidence], world: World) -> None:
    """The annotation names a role that is there; the pod has the association's."""
    evidence = pods["IRSA"]

    with blaming(Stage.INJECTION):
        assert "AWS_ROLE_ARN" not in evidence.injection.variables
        assert evidence.identified().role_name == world.contract.roles["app"].name


@proves(IRSA_COMES_BACK)
def test_irsa_comes_back_when_the_association_is_gone(
    pods: dict[str, Evidence], world: World
) -> None:
    """
    A service account with both, whose next pod has web identity and nothing of Pod Identity.

    Beside it is one whose association stays: the pod that has both is the association's role.
    """
    pods["IRSA"].granted()
    role = world.contract.roles["annotated"].arn
    world.service_account("shop", BACK, {ROLE_ANNOTATION: role})
    made = world.eks(
        "create_pod_identity_association",
        namespace=world.namespace("shop"),
        serviceAccount=BACK,
        roleArn=world.contract.roles["app"].arn,
    ).granted()

    def next_pod(*, injected: bool) -> dict[str, Any] | None:
        pod = world.admitted("shop", BACK)
        return pod if bool(injected_parts(pod)) is injected else None

    with blaming(Stage.INJECTION):
        pod = world.eventually(
            "it is injected", lambda: next_pod(injected=True), within=world.settled
        )
        assert pod is not None
        assert "AWS_ROLE_ARN" not in variables(pod)

    id_ = made.answer["association"]["associationId"]
    world.eks("delete_pod_identity_association", associationId=id_).granted()

    with blaming(Stage.INJECTION):
        pod = world.eventually(
            "it is injected no more", lambda: next_pod(injected=False), within=world.settled
        )
        assert pod is not None
        assert variables(pod).get("AWS_ROLE_ARN") == role
        assert "AWS_WEB_IDENTITY_TOKEN_FILE" in variables(pod)


@proves(WEB_IDENTITY_BEATS_THE_AGENT)
def test_web_identity_by_hand_beats_the_agent(pods: dict[str, Evidence]) -> None:
    """
    STS refuses a token that was made for Pod Identity; the agent would have taken it.

    The pod is injected as well: its neighbour without web identity has credentials.
    """
    pods["token"].granted()
    evidence = pods["web identity"].denied(Stage.SERVICE, "InvalidIdentityToken")

    with blaming(Stage.INJECTION):
        assert evidence.provider == "assume-role-with-web-identity"
        assert TOKEN_VARIABLE in evidence.injection.variables


@pytest.mark.parametrize(
    ("what", "provider"),
    [
        pytest.param("keys", "env", marks=proves(STATIC_KEYS_BEAT_THE_AGENT)),
        pytest.param(
            "file", "shared-credentials-file", marks=proves(CREDENTIALS_FILE_BEATS_THE_AGENT)
        ),
    ],
)
def test_static_keys_beat_the_agent(what: str, provider: str, pods: dict[str, Evidence]) -> None:
    """The keys are nobody's, and STS says so; the pod is injected and it is of no use to it."""
    pods["token"].granted()
    evidence = pods[what].denied(Stage.SERVICE, "InvalidClientTokenId")

    with blaming(Stage.INJECTION):
        assert evidence.provider == provider
        assert TOKEN_VARIABLE in evidence.injection.variables
        assert evidence.agent is None


@proves(TOKEN_BY_HAND_LOSES)
def test_token_by_hand_loses_to_the_file(pods: dict[str, Evidence], world: World) -> None:
    """No agent takes that token; the pod is injected beside it, and has its role."""
    evidence = pods["token"]

    with blaming(Stage.INJECTION):
        assert evidence.identified().role_name == world.contract.roles["app"].name
        assert TOKEN_VARIABLE in evidence.injection.variables


@proves(UNSUPPORTED_ADDRESS_IS_REFUSED)
def test_address_of_a_stranger_is_refused_by_the_sdk(pods: dict[str, Evidence]) -> None:
    """It asks nobody there, nor anywhere else; the address that is injected it knows."""
    pods["token"].granted()
    evidence = pods["address"].denied(Stage.INJECTION, "InjectionUnusable")

    with blaming(Stage.INJECTION):
        assert evidence.message.startswith("Unsupported host '10.99.0.1'")
        assert evidence.agent is None


# On a shared network the agent's address is another one, which nobody sets by hand.
@proves(ADDRESS_BY_HAND_STOPS_INJECTION, needs={Capability.NODE_ISOLATION})
def test_address_by_hand_comes_without_a_token(pods: dict[str, Evidence], world: World) -> None:
    """The very address that is injected elsewhere, set by hand: the token's variable is not."""
    address = pods["token"].granted().injection.variables[ADDRESS_VARIABLE]
    request = ProbeRequest(
        "shop", APP, PLAN, name="address", environment={ADDRESS_VARIABLE: address}
    )
    probe = world.probe_all({"address": request})["address"]

    evidence = probe["who am I"].denied(Stage.AGENT, "TokenEmpty")
    with blaming(Stage.INJECTION):
        assert TOKEN_VARIABLE not in evidence.injection.variables


# --- the node's role


def reaching_imds(account: str) -> ProbeRequest:
    """A pod with the SDK's last resort switched on."""
    return ProbeRequest("shop", account, PLAN, name=account, environment=REACHING_IMDS)


def probe_imds(world: World, *accounts: str) -> dict[str, Probe]:
    """One of each service account."""
    return world.probe_all({account: reaching_imds(account) for account in accounts})


@pytest.fixture(scope="module")
def open_to_pods(world: World) -> Iterator[dict[str, Probe]]:
    """
    A cluster whose nodes answer pods, and a role in it that does not trust EKS.

    One of two pods of an associated service account came too early to be injected.
    """
    with another_cluster(world, "hops", hop_limit=2) as cluster:
        missed = cluster.probe_all({MISSED: reaching_imds(APP)})
        for account, role in ((APP, "app"), (REFUSED, "nodes")):
            cluster.eks(
                "create_pod_identity_association",
                namespace=cluster.namespace("shop"),
                serviceAccount=account,
                roleArn=world.contract.roles[role].arn,
            )
        yield missed | probe_imds(cluster, APP, REFUSED)


@proves(MISSED_INJECTION_IS_THE_NODE, needs={Capability.CLUSTERS, Capability.NODE_ISOLATION})
def test_pod_that_was_not_injected_is_the_node(
    open_to_pods: dict[str, Probe], world: World
) -> None:
    """
    Nothing was injected, every call is answered, and the answers are about the node.

    The service account has an association by now, and its next pod a role of its own.
    """
    probe = open_to_pods[MISSED]
    evidence = probe["who am I"]

    with blaming(Stage.INJECTION):
        assert injected_parts(probe.pod.manifest) == []
        assert evidence.identified().role_name == world.contract.roles["nodes"].name
        assert evidence.provider == "iam-role"


@proves(AGENT_BEATS_THE_NODE, needs={Capability.CLUSTERS, Capability.NODE_ISOLATION})
def test_injected_pod_is_not_the_node(open_to_pods: dict[str, Probe], world: World) -> None:
    """On the node where a pod that was missed is the node, an injected one has its own role."""
    open_to_pods[MISSED]["who am I"].granted()
    evidence = open_to_pods[APP]["who am I"]

    with blaming(Stage.INJECTION):
        assert evidence.identified().role_name == world.contract.roles["app"].name
        assert evidence.provider == "container-role"


@proves(REFUSAL_IS_NO_FALLBACK, needs={Capability.CLUSTERS, Capability.NODE_ISOLATION})
def test_refused_pod_is_not_the_node(open_to_pods: dict[str, Probe]) -> None:
    """The role's trust refuses EKS, so this pod has nothing, where a missed one has the node's."""
    open_to_pods[MISSED]["who am I"].granted()
    open_to_pods[REFUSED]["who am I"].denied(Stage.STS, "AccessDeniedException")


@proves(HOP_LIMIT_CLOSES_IT, needs={Capability.CLUSTERS, Capability.NODE_ISOLATION})
def test_hop_limit_closes_imds_to_pods(world: World) -> None:
    """On node groups as EKS makes them the stranger has nothing; the associated pod has all."""
    closed = probe_imds(world, APP, STRANGER)

    closed[STRANGER]["who am I"].denied(Stage.INJECTION, "NoCredentials")
    with blaming(Stage.INJECTION):
        identity = closed[APP]["who am I"].identified()
        assert identity.role_name == world.contract.roles["app"].name
