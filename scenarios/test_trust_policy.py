"""
Roles that no longer let EKS assume and tag them, and roles that narrow whom they let in.

Their trust is changed after they were associated: EKS is reported to refuse an
association with a role whose trust policy is wrong from the beginning
(terraform-provider-aws#41483), and a policy that somebody changed is how it
happens in life. Two pods meet it through their SDK. For all other roles one pod
speaks, presenting a token of each service account to the agent, and one of them to EKS
Auth itself.
"""

import re

import pytest

from conformance.environment import Capability
from conformance.probes import Call, Outcome, PromiseBroken, ask_agent, blaming, call, presented
from conformance.probes.plan import WHO_AM_I
from conformance.requirements.eks_auth import REFUSED_TRUST_IS_400
from conformance.requirements.marks import proves
from conformance.requirements.trust_policy import (
    ACTIONS_MAY_BE_APART,
    ASSUME_ROLE_IS_NEEDED,
    DENY_WINS,
    REFUSAL_IS_PASSED_ON,
    REPAIRED_TRUST_WORKS,
    REQUEST_TAGS_NARROW_TRUST,
    SERVICE_MUST_BE_TRUSTED,
    SESSIONS_OUTLIVE_THEIR_TRUST,
    SOURCE_ACCOUNT_IS_THE_CLUSTERS,
    SOURCE_ARN_IS_THE_CLUSTER,
    SOURCE_ORG_IS_THE_CLUSTERS,
    TAG_KEYS_ARE_THE_SIX,
    TAG_SESSION_IS_NEEDED,
)
from conformance.spec import Association, Condition, Role, Spec, Statement, Trust
from conformance.stages import Stage
from conformance.world import ONCE, Probe, ProbeRequest, World

TAGS = {
    "eks-cluster-arn": "cluster:arn",
    "eks-cluster-name": "cluster:name",
    "kubernetes-namespace": "{namespace:shop}",
    "kubernetes-service-account": "trust-by-tags",
    "kubernetes-pod-name": "app-*",
    "kubernetes-pod-uid": "????????-????-????-????-????????????",
}
"""The six session tags, each with a pattern that its value has."""


def when(test: str, variable: str, *values: str, effect: str = "Allow") -> Trust:
    """The usual statement, under one condition."""
    condition = Condition(test=test, variable=variable, values=values)
    return Trust.model_validate({**Trust().model_dump(), "effect": effect,
                                 "conditions": (condition,)})  # fmt: skip


def tag(name: str) -> str:
    return f"aws:RequestTag/{name}"


BY_TAGS = Trust(
    conditions=tuple(
        Condition(test="StringLike", variable=tag(name), values=(pattern,))
        for name, pattern in TAGS.items()
    )
)

THROUGH_THE_SDK = {
    "untaggable": (Trust(actions=("sts:AssumeRole",)),),
    "for-instances": (Trust(services=("ec2.amazonaws.com",)),),
}
NARROWED: dict[str, tuple[Trust, ...]] = {
    "only-tags": (Trust(actions=("sts:TagSession",)),),
    "apart": (Trust(actions=("sts:AssumeRole",)), Trust(actions=("sts:TagSession",))),
    "this-cluster": (when("ArnEquals", "aws:SourceArn", "cluster:arn"),),
    "other-cluster": (when("ArnLike", "aws:SourceArn", "arn:*:eks:*:*:cluster/elsewhere"),),
    "this-account": (when("StringEquals", "aws:SourceAccount", "account:own"),),
    "other-account": (when("StringEquals", "aws:SourceAccount", "000000000000"),),
    "this-org": (when("StringEquals", "aws:SourceOrgID", "{organization}"),),
    "other-org": (when("StringEquals", "aws:SourceOrgID", "o-another1234"),),
    "by-tags": (BY_TAGS,),
    **{f"not-{name}": (when("StringLike", tag(name), "elsewhere"),) for name in TAGS},
    "six-keys": (when("ForAllValues:StringEquals", "aws:TagKeys", *TAGS),),
    "five-keys": (when("ForAllValues:StringEquals", "aws:TagKeys", *list(TAGS)[:5]),),
    "deny-here": (
        Trust(),
        when("StringEquals", tag("kubernetes-namespace"), "{namespace:shop}", effect="Deny"),
    ),
    "deny-elsewhere": (
        Trust(),
        when("StringEquals", tag("kubernetes-namespace"), "elsewhere", effect="Deny"),
    ),
}
CLOSED = (
    "only-tags", "other-cluster", "other-account", "other-org", "five-keys", "deny-here",
    *(f"not-{name}" for name in TAGS),
)  # fmt: skip

TRUSTS = THROUGH_THE_SDK | NARROWED
PRESENTER = "trust-presenter"

SPEC = Spec(
    roles=(
        *(Role(name=name) for name in TRUSTS),
        Role(
            name=PRESENTER,
            statements=(
                Statement(actions=("eks-auth:AssumeRoleForPodIdentity",), resources=("*",)),
            ),
        ),
    ),
    associations=(
        *(
            Association(namespace="shop", service_account=f"trust-{name}", role=name)
            for name in TRUSTS
        ),
        Association(namespace="shop", service_account=PRESENTER, role=PRESENTER),
    ),
)
BROKEN = SPEC.having(*(Role(name=name, trust=trust) for name, trust in TRUSTS.items()))

RUNNING = "trust-only-tags"
"""Whose session was there before its role's trust was broken."""


@pytest.fixture(scope="module")
def before(world: World) -> tuple[Probe, str]:
    """Sessions of roles while everybody is trusted, and the token that one was given for."""
    world.apply(SPEC)
    token = world.token(world.stand_in("shop", RUNNING))
    others = world.tokens(*(f"trust-{name}" for name in THROUGH_THE_SDK), namespace="shop")
    return present(world, {"running": token} | others), token


@pytest.fixture(scope="module")
def trusted(before: tuple[Probe, str]) -> Probe:
    return before[0]


@pytest.fixture(scope="module")
def probes(world: World) -> dict[str, Probe]:
    """Two pods with their SDKs, each only asks who it is, which no policy could deny."""
    world.apply(BROKEN)
    plan = {"who am I": WHO_AM_I}
    seen: dict[str, Probe] = {}

    def in_effect() -> bool:
        requests = {
            name: ProbeRequest("shop", f"trust-{name}", plan, name=name) for name in THROUGH_THE_SDK
        }
        seen.update(world.probe_all(requests))
        return all(probe["who am I"].outcome is not Outcome.GRANTED for probe in seen.values())

    # What is still granted in the end is for the scenarios to judge.
    world.settles("the broken trust is in effect", in_effect, consecutive=ONCE)
    return seen


@pytest.fixture(scope="module")
def speaker(world: World, before: tuple[Probe, str]) -> Probe:
    """One pod that presents a new token of each, and the old one, where that was presented."""
    first, token = before
    world.apply(BROKEN)
    seen: dict[str, Probe] = {}

    def in_effect() -> bool:
        fresh = world.tokens(*(f"trust-{name}" for name in NARROWED), namespace="shop")
        seen["speaker"] = present(world, fresh | {"running": token}, node=first.pod.node)
        return not [name for name in CLOSED if seen["speaker"][name].outcome is Outcome.GRANTED]

    world.settles("the narrowed trust is in effect", in_effect, consecutive=ONCE)
    return seen["speaker"]


@pytest.fixture(scope="module")
def repaired(world: World) -> Probe:
    """The same after all trust policies were broken and are what they were, with new tokens."""
    world.apply(BROKEN)
    world.apply(SPEC)
    seen: dict[str, Probe] = {}

    def in_effect() -> bool:
        fresh = world.tokens("trust-only-tags", "trust-other-cluster", namespace="shop")
        seen["repaired"] = present(world, fresh)
        return all(one.outcome is Outcome.GRANTED for one in seen["repaired"].values())

    world.settles("the repaired trust is in effect", in_effect)
    return seen["repaired"]


def present(world: World, tokens: dict[str, str], *, node: str = "") -> Probe:
    """A pod that presents each token to its agent, and asks who it is with what it was given."""
    names = [name.removeprefix("trust-") for name in tokens]
    secrets = dict(zip(names, tokens.values(), strict=True))
    # The first one tells whether EKS Auth is there at all.
    plan: dict[str, Call] = {
        name: ask_agent(name, then=WHO_AM_I, after=names[0] if name != names[0] else "")
        for name in names
    }
    cluster = world.contract.cluster.name
    plan[f"{names[0]} directly"] = call(
        "eks-auth", "assume_role_for_pod_identity", clusterName=cluster, token=presented(names[0])
    )
    request = ProbeRequest("shop", PRESENTER, plan, name="speaker", secrets=secrets, node=node)
    return world.probe_all({"speaker": request})["speaker"]


def has_role(probe: Probe, name: str, world: World) -> None:
    """The role was assumed, and it is that one."""
    identity = probe[name].identified()
    with blaming(Stage.AGENT):
        assert identity.role_name == world.contract.roles[name].name


def is_refused(probe: Probe, name: str) -> None:
    """Refused by the trust policy, as EKS Auth says it."""
    evidence = probe[name]
    granted = [other for other in probe if probe[other].outcome is Outcome.GRANTED]
    if evidence.access_key in {probe[other].access_key for other in granted if other != name}:
        raise PromiseBroken(f"{name} was given credentials of another", Stage.AGENT)
    evidence.denied(Stage.STS, "AccessDeniedException")


# --- narrowed


@proves(ASSUME_ROLE_IS_NEEDED, needs={Capability.MINT_TOKENS})
def test_role_without_assume_role_gives_no_credentials(speaker: Probe) -> None:
    """EKS may tag a session of the role, but not have one."""
    is_refused(speaker, "only-tags")


@proves(REFUSED_TRUST_IS_400, needs={Capability.MINT_TOKENS})
def test_eks_auth_itself_says_400(speaker: Probe) -> None:
    """The caller may ask, and asks without an agent: it is the role that refuses, and EKS."""
    evidence = speaker["only-tags directly"].denied(Stage.STS, "AccessDeniedException")

    with blaming(Stage.STS):
        assert evidence.status == 400


@proves(ACTIONS_MAY_BE_APART, needs={Capability.MINT_TOKENS})
def test_two_actions_may_be_in_two_statements(speaker: Probe, world: World) -> None:
    """Each statement alone would not do, as two other roles show."""
    has_role(speaker, "apart", world)
    is_refused(speaker, "only-tags")


@proves(SOURCE_ARN_IS_THE_CLUSTER, needs={Capability.MINT_TOKENS})
def test_source_arn_is_the_cluster(speaker: Probe, world: World) -> None:
    """The role for this very cluster is assumed, and the one for another is not."""
    has_role(speaker, "this-cluster", world)
    is_refused(speaker, "other-cluster")


@proves(SOURCE_ACCOUNT_IS_THE_CLUSTERS, needs={Capability.MINT_TOKENS})
def test_source_account_is_the_clusters(speaker: Probe, world: World) -> None:
    """The role for this account is assumed, and the one for another is not."""
    has_role(speaker, "this-account", world)
    is_refused(speaker, "other-account")


@proves(SOURCE_ORG_IS_THE_CLUSTERS, needs={Capability.MINT_TOKENS, Capability.ORGANIZATION})
def test_source_org_is_the_organization_of_the_clusters_account(
    speaker: Probe, world: World
) -> None:
    """The role for the account's organization is assumed, and the one for another is not."""
    has_role(speaker, "this-org", world)
    is_refused(speaker, "other-org")


@proves(REQUEST_TAGS_NARROW_TRUST, needs={Capability.MINT_TOKENS})
@pytest.mark.parametrize("name", TAGS)
def test_trust_is_narrowed_by_each_session_tag(name: str, speaker: Probe, world: World) -> None:
    """A role that wants all six as they are is assumed; one that wants another value is not."""
    has_role(speaker, "by-tags", world)
    is_refused(speaker, f"not-{name}")


@proves(TAG_KEYS_ARE_THE_SIX, needs={Capability.MINT_TOKENS})
def test_tag_keys_are_the_six(speaker: Probe, world: World) -> None:
    """Nothing but the six may be there: they are. Nothing but five may: there is one more."""
    has_role(speaker, "six-keys", world)
    is_refused(speaker, "five-keys")


@proves(DENY_WINS, needs={Capability.MINT_TOKENS})
def test_deny_in_the_trust_policy_wins(speaker: Probe, world: World) -> None:
    """Both roles trust EKS in one statement; the other denies this namespace, or another."""
    has_role(speaker, "deny-elsewhere", world)
    is_refused(speaker, "deny-here")


@proves(SESSIONS_OUTLIVE_THEIR_TRUST, needs={Capability.MINT_TOKENS, Capability.NODE_ISOLATION})
def test_session_outlives_the_trust_it_came_from(before: tuple[Probe, str], speaker: Probe) -> None:
    """
    The old token is still given what it was given, on the same node, and it still works.

    A new token of the same service account is refused by now: the change is in effect.
    """
    first, _ = before
    is_refused(speaker, "only-tags")
    was, still = first["running"].granted(), speaker["running"].granted()

    with blaming(Stage.AGENT):
        assert still.access_key == was.access_key


# --- through the SDK


@proves(TAG_SESSION_IS_NEEDED, needs={Capability.MINT_TOKENS})
def test_role_without_tag_session_gives_no_credentials(
    trusted: Probe, probes: dict[str, Probe], world: World
) -> None:
    """EKS might do both, and the role was assumed; now it may assume it but not tag its session."""
    has_role(trusted, "untaggable", world)
    probes["untaggable"]["who am I"].denied(Stage.STS, "AccessDeniedException")


@proves(SERVICE_MUST_BE_TRUSTED, needs={Capability.MINT_TOKENS})
def test_role_of_another_service_gives_no_credentials(
    trusted: Probe, probes: dict[str, Probe], world: World
) -> None:
    """While the role trusted EKS it was assumed; now it lets EC2 do all of that instead."""
    has_role(trusted, "for-instances", world)
    probes["for-instances"]["who am I"].denied(Stage.STS, "AccessDeniedException")


@proves(REFUSAL_IS_PASSED_ON, needs={Capability.MINT_TOKENS})
def test_agent_passes_on_what_eks_auth_said(trusted: Probe, probes: dict[str, Probe]) -> None:
    """
    The pod is told EKS Auth's status, request id, code and reason.

    Which is all that someone who looks at the pod's log has to go by. Before there was
    anything to refuse, the agent passed on the role's credentials.
    """
    trusted["untaggable"].granted()
    evidence = probes["untaggable"]["who am I"].denied(Stage.STS, "AccessDeniedException")

    with blaming(Stage.AGENT):
        assert evidence.agent is not None
        assert evidence.agent.status == 400
        assert re.fullmatch(
            r"\[[0-9a-f-]+\]: \(AccessDeniedException\): "
            r"Unauthorized Exception! EKS does not have permissions to assume the associated role\."
            r", fault: client",
            evidence.agent.text,
        )


# --- repaired


@proves(REPAIRED_TRUST_WORKS, needs={Capability.MINT_TOKENS})
def test_repaired_trust_works(repaired: Probe, world: World) -> None:
    """Two roles that were closed are what they were, and give their credentials again."""
    for name in ("only-tags", "other-cluster"):
        has_role(repaired, name, world)
