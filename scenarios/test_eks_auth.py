"""
EKS Auth without the agent: any caller with the permission and a pod's token may ask.

One pod asks, under four identities: its own, which may; and three whose tokens it presents
to the agent first, one without the permission, one that has it for this cluster and one for
another only.
"""

import re
from datetime import UTC, datetime, timedelta

import pytest

from conformance.environment import Capability
from conformance.probes import Call, ask_agent, blaming, call, presented
from conformance.probes.forgery import with_claims
from conformance.probes.plan import ServiceCall
from conformance.requirements.eks_auth import (
    ANSWER_HAS_ITS_SHAPE,
    AUDIENCE_MUST_BE_POD_IDENTITY,
    CALLER_NEEDS_PERMISSION,
    CREDENTIALS_LIVE_SIX_HOURS,
    EACH_CALL_IS_A_SESSION,
    ISSUER_MUST_BE_THE_CLUSTER,
    PERMISSION_IS_FOR_A_CLUSTER,
    TOKEN_MUST_BE_OF_A_POD,
    UNKNOWN_CLUSTER_HAS_NO_PODS,
    WHAT_IS_NO_CLUSTER_IS_REFUSED,
    WHAT_IS_NO_TOKEN_IS_REFUSED,
    WITHOUT_ASSOCIATION_NO_ROLE,
)
from conformance.requirements.marks import proves
from conformance.spec import Association, Role, Spec, Statement
from conformance.stages import Stage
from conformance.world import Probe, ProbeRequest, World

ASK = "eks-auth:AssumeRoleForPodIdentity"

SPEC = Spec(
    roles=(
        Role(name="asker", statements=(Statement(actions=(ASK,), resources=("*",)),)),
        Role(name="app"),
        Role(
            name="here",
            statements=(Statement(actions=(ASK,), resources=("cluster:arn",)),),
        ),
        Role(
            name="elsewhere",
            statements=(Statement(actions=(ASK,), resources=("arn:*:eks:*:*:cluster/elsewhere",)),),
        ),
    ),
    associations=tuple(
        Association(namespace="shop", service_account=f"auth-{role}", role=role)
        for role in ("asker", "app", "here", "elsewhere")
    ),
)

SIX_HOURS = timedelta(hours=6)
needs = {Capability.MINT_TOKENS}


def ask(secret: str, cluster: str) -> ServiceCall:
    """AssumeRoleForPodIdentity with a secret of the pod for its token."""
    return call(
        "eks-auth", "assume_role_for_pod_identity", clusterName=cluster, token=presented(secret)
    )


@pytest.fixture(scope="module")
def asker(world: World) -> Probe:
    cluster = world.contract.cluster.name
    accounts = ("auth-app", "auth-here", "auth-elsewhere", "auth-stranger")
    tokens = world.tokens(*accounts, namespace="shop")
    app = world.stand_in("shop", "auth-app")
    secrets = {
        **tokens,
        "irsa": world.token(app, audience="sts.amazonaws.com"),
        "unbound": world.token(app, bound=False),
        "issuer": with_claims(tokens["auth-app"], iss="https://oidc.example.com/id/ANOTHER"),
        "no-token": "this is no token at all",
    }
    plan: dict[str, Call] = {
        "app": ask("auth-app", cluster),
        "app again": ask("auth-app", cluster),
        "stranger": ask("auth-stranger", cluster),
        "another cluster": ask("auth-app", "no-such-cluster"),
        "no cluster": ask("auth-app", "-no-cluster"),
        "without permission": ask_agent("auth-app", then=ask("auth-app", cluster)),
        "permission here": ask_agent("auth-here", then=ask("auth-app", cluster)),
        "permission elsewhere": ask_agent("auth-elsewhere", then=ask("auth-app", cluster)),
        **{name: ask(name, cluster) for name in ("irsa", "unbound", "issuer", "no-token")},
    }
    request = ProbeRequest("shop", "auth-asker", plan, name="asker", secrets=secrets)
    return world.probe_all({"asker": request})["asker"]


@proves(ANSWER_HAS_ITS_SHAPE, needs=needs)
def test_answer_says_whose_and_as_whom(asker: Probe, world: World) -> None:
    """All of it is about the token's pod, and nothing about the pod that asked."""
    answer = asker["app"].granted().answer
    association = world.contract.associations["shop/auth-app"]
    role = world.contract.roles["app"].name

    with blaming(Stage.EKS_AUTH):
        assert answer["subject"] == {
            "namespace": world.namespace("shop"),
            "serviceAccount": "auth-app",
        }
        assert answer["audience"] == "pods.eks.amazonaws.com"
        assert answer["podIdentityAssociation"] == {
            "associationArn": association.arn,
            "associationId": association.id,
        }
        user = answer["assumedRoleUser"]
        assert re.fullmatch(rf"arn:[^:]+:sts::\d+:assumed-role/{role}/eks-.+", user["arn"])
        assert re.fullmatch(r"AROA\w+:eks-.+", user["assumeRoleId"])
        assert set(answer["credentials"]) == {
            "accessKeyId", "secretAccessKey", "sessionToken", "expiration",
        }  # fmt: skip


@proves(CALLER_NEEDS_PERMISSION, needs=needs)
def test_caller_needs_permission(asker: Probe) -> None:
    """The role app has no permission at all; the token it presents is its own, and good."""
    asker["app"].granted()
    evidence = asker["without permission"].denied(Stage.IAM, "AccessDeniedException")

    with blaming(Stage.IAM):
        assert ASK in evidence.message


@proves(PERMISSION_IS_FOR_A_CLUSTER, needs=needs)
def test_permission_is_for_a_cluster(asker: Probe) -> None:
    """One caller may ask for pods of this cluster, one for those of another; both ask for ours."""
    asker["permission here"].granted()
    asker["permission elsewhere"].denied(Stage.IAM, "AccessDeniedException")


@proves(UNKNOWN_CLUSTER_HAS_NO_PODS, needs=needs)
def test_unknown_cluster_is_not_found(asker: Probe) -> None:
    """The caller may ask for every cluster, and does with one token; one cluster is not there."""
    asker["app"].granted()
    evidence = asker["another cluster"].denied(Stage.EKS_AUTH, "ResourceNotFoundException")

    with blaming(Stage.EKS_AUTH):
        assert evidence.status == 404


@proves(WHAT_IS_NO_CLUSTER_IS_REFUSED, needs=needs)
def test_what_cannot_be_a_cluster_is_refused(asker: Probe) -> None:
    """No cluster's name begins with a dash, so it is not looked for."""
    asker["app"].granted()
    evidence = asker["no cluster"].denied(Stage.EKS_AUTH, "InvalidParameterException")

    with blaming(Stage.EKS_AUTH):
        assert evidence.status == 400


@proves(WITHOUT_ASSOCIATION_NO_ROLE, needs=needs)
def test_without_association_there_is_no_role(asker: Probe) -> None:
    """Two tokens are the cluster's, for pods, and good; one service account nobody associated."""
    asker["app"].granted()
    evidence = asker["stranger"].denied(Stage.EKS_AUTH, "ResourceNotFoundException")

    with blaming(Stage.EKS_AUTH):
        assert evidence.status == 404


@proves(AUDIENCE_MUST_BE_POD_IDENTITY, needs=needs)
def test_token_for_another_audience_is_refused(asker: Probe) -> None:
    """The cluster signed it for the same pod; only its audience is STS, as for IRSA."""
    asker["app"].granted()
    asker["irsa"].denied(Stage.EKS_AUTH, "InvalidTokenException")


@proves(ISSUER_MUST_BE_THE_CLUSTER, needs=needs)
def test_token_of_another_issuer_is_refused(asker: Probe) -> None:
    """Every name in it is right; it says that it comes from elsewhere."""
    asker["app"].granted()
    asker["issuer"].denied(Stage.EKS_AUTH, "InvalidTokenException")


@proves(TOKEN_MUST_BE_OF_A_POD, needs=needs)
def test_token_that_is_of_no_pod_is_refused(asker: Probe) -> None:
    """Signed by the cluster, for the right audience, for an associated service account."""
    asker["app"].granted()
    asker["unbound"].denied(Stage.EKS_AUTH, "InvalidTokenException")


@proves(WHAT_IS_NO_TOKEN_IS_REFUSED, needs=needs)
def test_what_is_no_token_is_refused(asker: Probe) -> None:
    """It has not the form that the model asks for, so nobody asks what is wrong in it."""
    asker["app"].granted()
    evidence = asker["no-token"].denied(Stage.EKS_AUTH, "InvalidParameterException")

    with blaming(Stage.EKS_AUTH):
        assert evidence.status == 400


@proves(CREDENTIALS_LIVE_SIX_HOURS, needs=needs)
def test_credentials_live_six_hours(asker: Probe) -> None:
    """Nobody set the role's longest session, so it is an hour; the credentials live six."""
    answer = asker["app"].granted().answer
    expires = datetime.fromisoformat(answer["credentials"]["expiration"])
    since = expires - asker.pod.created

    with blaming(Stage.STS):
        # They were asked for after the pod was made, and before now.
        assert SIX_HOURS - timedelta(seconds=2) <= since
        assert expires <= datetime.now(UTC) + SIX_HOURS + timedelta(seconds=2)


@proves(EACH_CALL_IS_A_SESSION, needs=needs)
def test_each_call_is_a_session_of_its_own(asker: Probe) -> None:
    """One token, asked for twice: names and keys differ, the role does not."""
    first, second = (asker[name].granted().answer for name in ("app", "app again"))
    arns = [answer["assumedRoleUser"]["arn"] for answer in (first, second)]

    with blaming(Stage.EKS_AUTH):
        assert arns[0] != arns[1]
        assert arns[0].rpartition("/")[0] == arns[1].rpartition("/")[0]
        assert first["credentials"]["accessKeyId"] != second["credentials"]["accessKeyId"]
