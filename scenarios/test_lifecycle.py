"""
The life of an association: made, changed, deleted, and made again; and who sees it when.

Two scenarios go through Terraform. All others make their associations by hand, because
what counts is the moment: one pod presents a token of each service account before they are
changed, and on the same node the same tokens and new ones afterwards. A token that the
agent has seen is a pod that runs already; one that it has not is a new pod.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from conformance.environment import Capability
from conformance.probes import Call, Evidence, Outcome, ask_agent, blaming, call, repeated
from conformance.probes.injected import injected_parts
from conformance.probes.plan import WHO_AM_I
from conformance.probes.samples import Samples
from conformance.requirements.lifecycle import (
    ASSOCIATION_CREATED_AGAIN_WORKS,
    DELETED_GIVES_NO_SESSION,
    DELETED_REVOKES_NOTHING,
    EFFECTIVE_AT_EKS_AUTH,
    EFFECTIVE_WITHIN_SECONDS,
    KEPT_SESSIONS_ARE_NOT_SWAPPED,
    LAST_ONE_WINS,
    MADE_AGAIN_HAS_ITS_OWN_ROLE,
    OLDER_PODS_STAY_WITHOUT,
    POLICY_NARROWS,
    REMOVED_ASSOCIATION_ENDS_INJECTION,
    ROLE_IS_SWAPPED,
    ROLES_POLICY_COUNTS_AT_ONCE,
    TAGS_ARE_SWITCHED_OFF,
    TARGET_ROLE_IS_SET,
)
from conformance.requirements.marks import proves
from conformance.spec import Association, Bucket, Condition, Role, Spec, Statement, Trust
from conformance.stages import Stage
from conformance.world import ONCE, Probe, ProbeRequest, World

MAY_READ = Statement(actions=("s3:GetObject",), resources=("bucket:data/*",))
MAY_READ_BY_TAG = Statement(
    actions=MAY_READ.actions,
    resources=MAY_READ.resources,
    conditions=(
        Condition(
            test="StringEquals",
            variable="aws:PrincipalTag/kubernetes-namespace",
            values=("{namespace:shop}",),
        ),
    ),
)
MAY_ASSUME = Statement(actions=("sts:AssumeRole", "sts:TagSession"), resources=("role:target",))

PRESENTER = "lifecycle-presenter"
TAKES_LONG = True
SPEC = Spec(
    roles=(
        Role(name="worker"),
        Role(name="before", statements=(MAY_READ, MAY_ASSUME)),
        Role(name="after"),
        Role(name="by-tag", statements=(MAY_READ_BY_TAG,)),
        Role(name="target", trust=(Trust(roles=("before",)),)),
        Role(name="curbed", statements=(MAY_READ,)),
    ),
    buckets=(Bucket(name="data", objects={"hello.txt": "hello"}),),
    associations=(
        Association(namespace="shop", service_account="worker", role="worker"),
        Association(namespace="shop", service_account=PRESENTER, role="worker"),
    ),
)
WITHOUT = SPEC.without_association("shop", "worker")
CURBED = SPEC.having(Role(name="curbed"))
"""The role may do nothing any more."""

PLAN: dict[str, Call] = {"who am I": WHO_AM_I}

MADE = {
    "swapped": "before",
    "untagged": "by-tag",
    "chained": "before",
    "narrowed": "before",
    "deleted": "before",
    "replaced": "before",
    "curbed": "curbed",
}
"""Names of service accounts, after `lifecycle-`, and the role of each in the beginning."""
LIST_ONLY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}],
    }
)
MANY = tuple(f"many-{number}" for number in range(20))
ASKED = tuple(f"asked-{number}" for number in range(20))
HURRIES = 3

needs = {Capability.MINT_TOKENS}


# --- through Terraform


@proves(REMOVED_ASSOCIATION_ENDS_INJECTION)
def test_removed_association_ends_injection(world: World) -> None:
    """
    Once the association is gone, a new pod is not injected and finds no credentials.

    A pod before shows that there was something to end. Every question is asked
    by a new pod: the webhook looks at a pod once, when it is created.
    """
    world.apply(SPEC)
    before = world.probe("shop", "worker", {}, name="before")
    with blaming(Stage.INJECTION):
        assert injected_parts(before.pod.manifest) != []

    def new_pod_is_left_alone() -> Probe:
        probe = world.probe("shop", "worker", PLAN, name="after")
        probe["who am I"].denied(Stage.INJECTION, "NoCredentials")
        return probe

    world.apply(WITHOUT)
    after = world.eventually(
        "a new pod is left alone", new_pod_is_left_alone, within=world.settled, consecutive=ONCE
    )

    with blaming(Stage.INJECTION):
        assert injected_parts(after.pod.manifest) == []


@proves(ASSOCIATION_CREATED_AGAIN_WORKS)
def test_association_created_again_works(world: World) -> None:
    """
    After the association was removed and created again, a new pod acts as the role.

    It is another association, with another id; nothing that any part remembers
    of the first one may stand in its way.
    """
    world.apply(WITHOUT)
    world.apply(SPEC)

    def new_pod_has_credentials() -> Probe:
        probe = world.probe("shop", "worker", PLAN, name="again")
        probe["who am I"].granted()
        return probe

    again = world.eventually(
        "a new pod has credentials", new_pod_has_credentials, within=world.settled
    )

    with blaming(Stage.EKS_AUTH):
        identity = again["who am I"].identified()
        assert identity.role_name == world.contract.roles["worker"].name


# --- what a change means to whom


@dataclass(frozen=True)
class Changed:
    """What three kinds of sessions could do."""

    before: Probe
    kept: Probe
    """The same tokens after the change, on the same node."""
    new: Probe


def account(name: str) -> str:
    return f"lifecycle-{name}"


def make(world: World, name: str, role: str, **parameters: Any) -> str:
    """An association by hand; returns its id."""
    made = world.eks(
        "create_pod_identity_association",
        namespace=world.namespace("shop"),
        serviceAccount=account(name),
        roleArn=world.contract.roles[role].arn,
        **parameters,
    ).granted()
    return str(made.answer["association"]["associationId"])


def tokens_of(world: World, names: Mapping[str, object] | tuple[str, ...]) -> dict[str, str]:
    made = world.tokens(*map(account, names), namespace="shop")
    return dict(zip(names, made.values(), strict=True))


def present(world: World, tokens: Mapping[str, str], *, node: str = "") -> Probe:
    """Who each token makes the presenter, and whether that one may read."""
    read = call("s3", "get_object", Bucket=world.bucket("data"), Key="hello.txt")
    # The first one tells whether EKS Auth is there at all.
    first = next(iter(tokens))
    plan: dict[str, Call] = {first: ask_agent(first, then=WHO_AM_I)}
    for name in tokens:
        plan[name] = ask_agent(name, then=WHO_AM_I, after=first if name != first else "")
        plan[f"{name} reads"] = ask_agent(name, then=read, after=name)
    request = ProbeRequest("shop", PRESENTER, plan, secrets=tokens, node=node)
    return world.probe_all({"presenter": request})["presenter"]


@pytest.fixture(scope="module")
def changed(world: World) -> Changed:
    world.apply(SPEC)
    ids = {
        name: make(world, name, role, disableSessionTags=name == "narrowed")
        for name, role in MADE.items()
    }
    seen: dict[str, Probe] = {}
    tokens: dict[str, str] = {}

    def made() -> bool:
        tokens.update(tokens_of(world, MADE))
        seen["before"] = present(world, tokens)
        return all(one.outcome is Outcome.GRANTED for one in seen["before"].values())

    world.settles("the associations are effective", made)
    change(world, ids)

    def in_effect() -> bool:
        node = seen["before"].pod.node
        seen["new"] = present(world, tokens_of(world, MADE), node=node)
        seen["kept"] = present(world, tokens, node=node)
        refused = ("swapped reads", "untagged reads", "narrowed reads", "deleted", "curbed reads")
        return all(seen["new"][name].outcome is not Outcome.GRANTED for name in refused)

    world.settles("the changes are effective", in_effect, consecutive=ONCE)
    return Changed(**seen)


def change(world: World, ids: Mapping[str, str]) -> None:
    """One thing about each."""
    roles = world.contract.roles
    updates: dict[str, dict[str, Any]] = {
        "swapped": {"roleArn": roles["after"].arn},
        "untagged": {"disableSessionTags": True},
        "chained": {"targetRoleArn": roles["target"].arn},
        "narrowed": {"policy": LIST_ONLY},
    }
    for name, update in updates.items():
        world.eks("update_pod_identity_association", associationId=ids[name], **update).granted()
    for name in ("deleted", "replaced"):
        world.eks("delete_pod_identity_association", associationId=ids[name]).granted()
    make(world, "replaced", "after")
    world.apply(CURBED)


def is_role(evidence: Evidence, role: str, world: World) -> None:
    """A session of that role."""
    identity = evidence.identified()
    with blaming(Stage.EKS_AUTH):
        assert identity.role_name == world.contract.roles[role].name


@proves(ROLE_IS_SWAPPED, needs=needs)
def test_other_role_is_that_of_the_next_session(changed: Changed, world: World) -> None:
    """The old role could read, the new one cannot: it is really another."""
    is_role(changed.before["swapped"], "before", world)
    changed.before["swapped reads"].granted()

    is_role(changed.new["swapped"], "after", world)
    changed.new["swapped reads"].denied(Stage.IAM, "AccessDenied")


@proves(KEPT_SESSIONS_ARE_NOT_SWAPPED, needs=needs | {Capability.NODE_ISOLATION})
def test_what_the_agent_keeps_is_of_the_old_role(changed: Changed, world: World) -> None:
    """The same credentials as before, while a new token is given the new role."""
    was, still = changed.before["swapped"].granted(), changed.kept["swapped"].granted()
    is_role(changed.new["swapped"], "after", world)

    is_role(still, "before", world)
    with blaming(Stage.AGENT):
        assert still.access_key == was.access_key
    changed.kept["swapped reads"].granted()


@proves(TAGS_ARE_SWITCHED_OFF, needs=needs)
def test_session_tags_are_switched_off_for_the_next_session(changed: Changed, world: World) -> None:
    """The role's policy allows reading by the namespace's tag, and by nothing else."""
    changed.before["untagged reads"].granted()

    is_role(changed.new["untagged"], "by-tag", world)
    changed.new["untagged reads"].denied(Stage.IAM, "AccessDenied")


@proves(TARGET_ROLE_IS_SET, needs=needs)
def test_target_role_is_that_of_the_next_session(changed: Changed, world: World) -> None:
    """It may do nothing itself, and gets nothing of what the first role may."""
    is_role(changed.before["chained"], "before", world)

    is_role(changed.new["chained"], "target", world)
    changed.new["chained reads"].denied(Stage.IAM, "AccessDenied")


@proves(POLICY_NARROWS, needs=needs)
def test_policy_narrows_the_next_session(changed: Changed, world: World) -> None:
    """The same role as before, which may read; its session may not."""
    changed.before["narrowed reads"].granted()

    is_role(changed.new["narrowed"], "before", world)
    changed.new["narrowed reads"].denied(Stage.IAM, "AccessDenied")


@proves(ROLES_POLICY_COUNTS_AT_ONCE, needs=needs | {Capability.NODE_ISOLATION})
def test_what_a_role_may_is_decided_at_each_call(changed: Changed) -> None:
    """The very credentials that could read cannot any more; who they are is as before."""
    changed.before["curbed reads"].granted()
    same = changed.kept["curbed"].granted().access_key == changed.before["curbed"].access_key

    changed.kept["curbed reads"].denied(Stage.IAM, "AccessDenied")
    with blaming(Stage.AGENT):
        assert same


@proves(DELETED_GIVES_NO_SESSION, needs=needs)
def test_deleted_association_gives_no_new_session(changed: Changed) -> None:
    """The token is as good as the one that was given credentials before."""
    changed.before["deleted"].granted()

    changed.new["deleted"].denied(Stage.EKS_AUTH, "ResourceNotFoundException")


@proves(DELETED_REVOKES_NOTHING, needs=needs | {Capability.NODE_ISOLATION})
def test_sessions_outlive_their_association(changed: Changed) -> None:
    """They do what the role may, although no new token of the account is given anything."""
    changed.new["deleted"].denied(Stage.EKS_AUTH, "ResourceNotFoundException")
    was, still = changed.before["deleted"].granted(), changed.kept["deleted"].granted()

    with blaming(Stage.AGENT):
        assert still.access_key == was.access_key
    changed.kept["deleted reads"].granted()


@proves(MADE_AGAIN_HAS_ITS_OWN_ROLE, needs=needs)
def test_made_again_it_has_its_own_role(changed: Changed, world: World) -> None:
    """The old role's permission is gone with it."""
    is_role(changed.before["replaced"], "before", world)

    is_role(changed.new["replaced"], "after", world)
    changed.new["replaced reads"].denied(Stage.IAM, "AccessDenied")


# --- when


@proves(LAST_ONE_WINS, needs=needs)
def test_in_a_hurry_the_last_one_counts(world: World) -> None:
    """
    Deleted and made again without a pause, with one role and the other in turn.

    Each asking is three new tokens: one answer of before among them would be seen.
    """
    id_ = make(world, "hurried", "before")
    for role in ("after", "before") * HURRIES + ("after",):
        world.eks("delete_pod_identity_association", associationId=id_).granted()
        id_ = make(world, "hurried", role)

    def last_one() -> Probe:
        tokens = [tokens_of(world, ("hurried",))["hurried"] for _ in range(3)]
        probe = present(world, {f"token-{number}": one for number, one in enumerate(tokens)})
        for number in range(3):
            is_role(probe[f"token-{number}"], "after", world)
        return probe

    world.eventually("the last one counts", last_one, within=world.settled, consecutive=ONCE)
    listed = world.eks(
        "list_pod_identity_associations",
        namespace=world.namespace("shop"),
        serviceAccount=account("hurried"),
    ).granted()
    with blaming(Stage.SERVICE):
        assert [one["associationId"] for one in listed.answer["associations"]] == [id_]


@proves(OLDER_PODS_STAY_WITHOUT)
def test_pod_that_is_older_than_its_association_stays_without(world: World) -> None:
    """
    The pod starts a new program again and again, which looks for credentials anew.

    When a new pod of the same service account would be injected, the old one has nothing
    still: the webhook looks at a pod once, when it is created.
    """
    plan: dict[str, Call] = {"looks": repeated(WHO_AM_I, fresh=True, every=0.3)}
    request = ProbeRequest("shop", account("older"), plan, name="older")
    with world.running({"older": request}) as pods:
        pods["older"]["looks"].denied(Stage.INJECTION, "NoCredentials")
        make(world, "older", "before")
        with blaming(Stage.INJECTION):
            world.eventually(
                "a new pod would be injected",
                lambda: injected_parts(world.admitted("shop", account("older"))),
                within=world.settled,
            )
        moment = world.now()

        def looked() -> Samples:
            return pods["older"]["looks"].after(moment)

        world.eventually("it has looked again", looked, within=world.settled, consecutive=ONCE)
        looked().denied(Stage.INJECTION, "NoCredentials")


def unmake(world: World, id_: str) -> None:
    world.eks("delete_pod_identity_association", associationId=id_).granted()


@proves(EFFECTIVE_WITHIN_SECONDS)
def test_associations_are_effective_within_seconds(world: World) -> None:
    """
    How long each of several took, from the answer of the API to a pod that is injected.

    And back: until a pod is not injected any more. Only tried, no pod is made.
    """
    ids: dict[str, str] = {}

    def injected(name: str) -> bool:
        return injected_parts(world.admitted("shop", account(name))) != []

    for name in MANY:
        world.service_account("shop", account(name))
    with blaming(Stage.INJECTION):
        assert not injected(MANY[0])
        world.times_until(
            "an association is effective",
            MANY,
            lambda name: ids.update({name: make(world, name, "before")}),
            injected,
        )
        world.times_until(
            "the end of an association is effective",
            MANY,
            lambda name: unmake(world, ids[name]),
            lambda name: not injected(name),
        )


@proves(EFFECTIVE_AT_EKS_AUTH, needs=needs | {Capability.LOAD})
def test_eks_auth_knows_associations_within_seconds(world: World) -> None:
    """The same, asked of EKS Auth with tokens that are there all the while."""
    tokens, ids = tokens_of(world, ASKED), dict[str, str]()

    def answered(name: str, code: str) -> bool:
        return world.eks_auth(tokens[name]).code == code

    with blaming(Stage.EKS_AUTH):
        assert answered(ASKED[0], "ResourceNotFoundException")
        world.times_until(
            "EKS Auth knows an association",
            ASKED,
            lambda name: ids.update({name: make(world, name, "before")}),
            lambda name: answered(name, ""),
        )
        world.times_until(
            "EKS Auth knows the end of an association",
            ASKED,
            lambda name: unmake(world, ids[name]),
            lambda name: answered(name, "ResourceNotFoundException"),
        )
