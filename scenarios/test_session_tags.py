"""
What a session is tagged with, what becomes of the tags, and how a policy narrows it.

Tags are invisible: only what a policy makes of them can be seen. So each object lies
under the value of a tag, and reading it says that the session had that value. One pod
presents a token of every service account, for a pod of its own would show no more.
"""

from hashlib import sha256

import pytest

from conformance.environment import Capability
from conformance.probes import Call, Outcome, ServiceCall, ask_agent, blaming, call
from conformance.probes.plan import WHO_AM_I
from conformance.requirements.marks import proves
from conformance.requirements.session import (
    ASSOCIATION_TAGS_ARE_NOT_SESSION_TAGS,
    CHAINED_SESSION_TELLS_ITS_SIZE,
    LONG_NAMES_FIT,
    OTHER_ROLE_TAGS_STAY,
    POLICY_IS_THE_TARGETS,
    POLICY_NEVER_WIDENS,
    SESSION_IS_NARROWED,
    SESSION_TAGS_BEAT_ROLE_TAGS,
    TAGS_ARE_TRANSITIVE,
    TAGS_CAN_BE_DISABLED,
    TOO_FULL_IS_REFUSED,
)
from conformance.spec import Association, Bucket, Condition, Role, Spec, Statement, Trust
from conformance.stages import Stage
from conformance.world import Probe, ProbeRequest, World

SIX = (
    "eks-cluster-arn",
    "eks-cluster-name",
    "kubernetes-namespace",
    "kubernetes-service-account",
    "kubernetes-pod-name",
    "kubernetes-pod-uid",
)
NEVER_THE_ROLES = tuple(name for name in SIX if name != "kubernetes-namespace")
"""Of the six, those that no role here is tagged with."""

LONG_NAMESPACE = "n" * 63
LONG_ACCOUNT = "tags-" + "a" * 58
LONG_POD = "p" * 39
"""What makes it unique is eleven characters more."""
LONG = {
    "namespace": f"{{namespace:{LONG_NAMESPACE}}}",
    "account": LONG_ACCOUNT,
    "account cut": LONG_ACCOUNT[:-1],
}

COLLIDING, UNTAGGED = "tags-collide", "tags-disabled"
NARROWED, NARROWED_TARGET = "tags-policy", "tags-policy-target"
CHAINING, PRESENTER = "tags-chaining", "tags-presenter"

FILLING = "".join(sha256(bytes([number])).hexdigest() for number in range(4))
"""As long as a tag's value may be, and nothing that packs well."""
FILLED = tuple(range(64, 257, 16))
"""So many characters of it in one tag: the first ones have room beside the six."""


def reading(*prefixes: str) -> Statement:
    return Statement(
        actions=("s3:GetObject",),
        resources=tuple(f"bucket:data/{prefix}/*" for prefix in prefixes),
    )


def by_tag(*names: str) -> Statement:
    return reading(*(f"${{aws:PrincipalTag/{name}}}" for name in names))


def when(test: str, name: str, value: str, prefix: str) -> Statement:
    """What is below the prefix can be read under a condition on a tag of the session."""
    condition = Condition(test=test, variable=f"aws:PrincipalTag/{name}", values=(value,))
    return reading(prefix).model_copy(update={"conditions": (condition,)})


SPEC = Spec(
    roles=(
        Role(
            name="tagged",
            tags={"kubernetes-namespace": "elsewhere", "team": "payments"},
            statements=(
                by_tag("kubernetes-namespace", "team", "owner"),
                *(when("Null", name, "false", name) for name in NEVER_THE_ROLES),
            ),
        ),
        Role(name="wide", statements=(reading("a", "b"),)),
        Role(
            name="chaining",
            statements=(
                Statement(
                    actions=("sts:AssumeRole", "sts:TagSession"),
                    resources=("role:next", "role:target"),
                ),
            ),
        ),
        Role(name="next", trust=(Trust(roles=("chaining",)),)),
        Role(
            name="target",
            statements=(reading("a", "b"),),
            trust=(Trust(roles=("chaining",)),),
        ),
        Role(
            name="long",
            statements=(
                by_tag("kubernetes-namespace", "kubernetes-service-account"),
                when("StringLike", "kubernetes-pod-name", f"{LONG_POD}-????-?????", "pod"),
                when("StringLike", "kubernetes-pod-name", f"{LONG_POD}-????-????", "pod cut"),
            ),
        ),
        Role(name=PRESENTER),
    ),
    buckets=(
        Bucket(
            name="data",
            objects={
                f"{prefix}/hello.txt": prefix
                for prefix in (
                    "{namespace:shop}", "elsewhere", "payments", "alice", "a", "b", "c",
                    *NEVER_THE_ROLES, *LONG.values(), "pod", "pod cut",
                )
            },
        ),
    ),
    associations=(
        Association(
            namespace="shop", service_account=COLLIDING, role="tagged", tags={"owner": "alice"}
        ),
        Association(
            namespace="shop", service_account=UNTAGGED, role="tagged", disable_session_tags=True
        ),
        Association(
            namespace="shop",
            service_account=NARROWED,
            role="wide",
            disable_session_tags=True,
            policy=(reading("b", "c"),),
        ),
        Association(
            namespace="shop",
            service_account=NARROWED_TARGET,
            role="chaining",
            target_role="target",
            disable_session_tags=True,
            policy=(reading("b", "c"),),
        ),
        Association(namespace="shop", service_account=CHAINING, role="chaining"),
        Association(namespace="shop", service_account=PRESENTER, role=PRESENTER),
        Association(namespace=LONG_NAMESPACE, service_account=LONG_ACCOUNT, role="long"),
    ),
)  # fmt: skip

needs = {Capability.MINT_TOKENS}


def read(world: World, prefix: str) -> ServiceCall:
    return call("s3", "get_object", Bucket=world.bucket("data"), Key=f"{prefix}/hello.txt")


@pytest.fixture(scope="module")
def sessions(world: World) -> Probe:
    """Each service account's session reads under all prefixes, or assumes the next role."""
    names = {
        "own": world.namespace("shop"),
        **{name: name for name in ("elsewhere", "payments", "alice", "a", "b", "c")},
    }
    tags = {name: name for name in NEVER_THE_ROLES}
    plan: dict[str, Call] = {}
    for account in (COLLIDING, UNTAGGED, NARROWED, NARROWED_TARGET):
        tried = names | (tags if account in (COLLIDING, UNTAGGED) else {})
        for name, prefix in tried.items():
            plan[f"{account} {name}"] = ask_agent(account, then=read(world, prefix))
    tagged = {f"chained {key}": {"Key": key, "Value": "another"} for key in (*SIX, "team")}
    tagged |= {f"filled {size}": {"Key": "filling", "Value": FILLING[:size]} for size in FILLED}
    for name, tag in {"chained": None, **tagged}.items():
        assume = call(
            "sts",
            "assume_role",
            RoleArn=world.contract.roles["next"].arn,
            RoleSessionName="chained",
            Tags=[tag] if tag else [],
        )
        plan[name] = ask_agent(CHAINING, then=assume)
    accounts = (COLLIDING, UNTAGGED, NARROWED, NARROWED_TARGET, CHAINING)
    tokens = world.tokens(*accounts, namespace="shop")
    request = ProbeRequest("shop", PRESENTER, plan, name="presenter", secrets=tokens)
    return world.probe_all({"presenter": request})["presenter"]


@proves(SESSION_TAGS_BEAT_ROLE_TAGS, needs=needs)
def test_pods_namespace_beats_the_roles_tag(sessions: Probe) -> None:
    """
    The role is tagged `elsewhere`; the session reads under its own namespace only.

    Without the six tags the same role does read under `elsewhere`: the tag is there.
    """
    sessions[f"{COLLIDING} own"].granted()
    sessions[f"{COLLIDING} elsewhere"].denied(Stage.IAM, "AccessDenied")
    sessions[f"{UNTAGGED} elsewhere"].granted()


@proves(OTHER_ROLE_TAGS_STAY, needs=needs)
@pytest.mark.parametrize("account", [COLLIDING, UNTAGGED])
def test_other_tags_of_the_role_stay(account: str, sessions: Probe) -> None:
    """The role's team opens its prefix, with the six tags and without them."""
    sessions[f"{account} payments"].granted()
    sessions[f"{account} a"].denied(Stage.IAM, "AccessDenied")


@proves(ASSOCIATION_TAGS_ARE_NOT_SESSION_TAGS, needs=needs)
def test_tags_of_the_association_are_not_in_the_session(sessions: Probe) -> None:
    """The association is tagged `owner`, and the role's policy would let that owner in."""
    sessions[f"{COLLIDING} own"].granted()
    sessions[f"{COLLIDING} alice"].denied(Stage.IAM, "AccessDenied")


@proves(TAGS_CAN_BE_DISABLED, needs=needs)
def test_disabled_tags_are_not_there(sessions: Probe) -> None:
    """
    The same role under the same policy: the namespace's prefix is closed, the role's open.

    Of the other tags each opens a prefix, whatever its value: it does with the six, and else not.
    """
    sessions[f"{COLLIDING} own"].granted()
    sessions[f"{UNTAGGED} own"].denied(Stage.IAM, "AccessDenied")
    sessions[f"{UNTAGGED} elsewhere"].granted()
    for name in NEVER_THE_ROLES:
        sessions[f"{COLLIDING} {name}"].granted()
        sessions[f"{UNTAGGED} {name}"].denied(Stage.IAM, "AccessDenied")


@proves(SESSION_IS_NARROWED, needs=needs)
def test_policy_of_the_association_narrows_the_session(sessions: Probe) -> None:
    """The role allows a and b, the policy b and c: b is what is left, and a is gone."""
    sessions[f"{NARROWED} b"].granted()
    sessions[f"{NARROWED} a"].denied(Stage.IAM, "AccessDenied")


@proves(POLICY_NEVER_WIDENS, needs=needs)
def test_policy_of_the_association_adds_nothing(sessions: Probe) -> None:
    """The policy allows c and the role does not."""
    sessions[f"{NARROWED} b"].granted()
    sessions[f"{NARROWED} c"].denied(Stage.IAM, "AccessDenied")


@proves(POLICY_IS_THE_TARGETS, needs=needs)
def test_policy_of_the_association_narrows_the_target_role(sessions: Probe) -> None:
    """
    The target role allows a and b, the policy b and c.

    The policy says nothing of sts:AssumeRole, so it was not asked about the first role.
    """
    sessions[f"{NARROWED_TARGET} b"].granted()
    sessions[f"{NARROWED_TARGET} a"].denied(Stage.IAM, "AccessDenied")
    sessions[f"{NARROWED_TARGET} c"].denied(Stage.IAM, "AccessDenied")


@proves(TAGS_ARE_TRANSITIVE, needs=needs)
@pytest.mark.parametrize("key", SIX)
def test_chained_session_cannot_rename_itself(key: str, sessions: Probe) -> None:
    """
    Assuming a role with a tag of its own works, with one of the six STS refuses.

    Both roles allow sts:TagSession, so what is refused is the tag and not the tagging.
    """
    sessions["chained team"].granted()
    sessions[f"chained {key}"].denied(Stage.SERVICE, "InvalidParameterValue")


@proves(CHAINED_SESSION_TELLS_ITS_SIZE, needs=needs)
def test_chained_session_is_half_full(sessions: Probe) -> None:
    """No tag and no policy were asked for, and more than half of the room is used."""
    size = sessions["chained"].granted().answer.get("PackedPolicySize", 0)

    with blaming(Stage.STS):
        assert 50 < size <= 100


@proves(TOO_FULL_IS_REFUSED, needs=needs)
def test_session_fills_up_to_its_limit_and_no_further(sessions: Probe) -> None:
    """One tag grows step by step: each that fits says how full, and each after that is refused."""
    sessions["chained"].granted()
    filled = [sessions[f"filled {size}"] for size in FILLED]
    fitting = [one for one in filled if one.outcome is Outcome.GRANTED]
    sizes = [one.answer.get("PackedPolicySize", 0) for one in fitting]

    with blaming(Stage.STS):
        assert fitting == filled[: len(fitting)]
        assert sizes == sorted(sizes)
        assert 90 < max(sizes, default=0) <= 100
        assert len(fitting) < len(filled)
    for one in filled[len(fitting) :]:
        one.denied(Stage.SERVICE, "PackedPolicyTooLarge")


@proves(LONG_NAMES_FIT)
def test_long_names_fit(world: World) -> None:
    """
    The pod reads under the whole names of its namespace and its service account.

    Of its own name a policy knows all but the last letters, and how many they are. What one
    letter less would open is closed.
    """
    prefixes = LONG | {"namespace": world.namespace(LONG_NAMESPACE)}
    prefixes |= {"pod": "pod", "pod cut": "pod cut"}
    plan: dict[str, Call] = {
        "who am I": WHO_AM_I,
        **{name: read(world, prefix) for name, prefix in prefixes.items()},
    }
    probe = world.probe(LONG_NAMESPACE, LONG_ACCOUNT, plan, name=LONG_POD)

    probe["who am I"].granted()
    for name in ("namespace", "account", "pod"):
        probe[name].granted()
    for name in ("account cut", "pod cut"):
        probe[name].denied(Stage.IAM, "AccessDenied")
    with blaming(Stage.STS):
        names = (probe.pod.namespace, probe.pod.service_account, probe.pod.name)
        assert [len(name) for name in names] == [63, 63, 50]
