"""
Two accounts: a pod reaches the other one through a target role, or through a foreign policy.

Pods with their SDKs live the main ways. For everything that a target or the first role
may ask for or lack, one pod speaks: it presents a token of each service account to its
agent and asks who it then is, which no policy could deny.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from conformance.emulator.records import DecidedBy
from conformance.environment import Capability
from conformance.probes import Call, Outcome, PromiseBroken, ask_agent, blaming, call
from conformance.probes.plan import WHO_AM_I
from conformance.requirements.cross_account import (
    ACCOUNT_ID_IS_THE_TARGETS,
    ACCOUNT_IS_TRUSTED_FOR_ITS_ROLES,
    CHAIN_IS_TWO_SESSIONS,
    CHAINED_SESSION_LIVES_AN_HOUR,
    EXTERNAL_ID_IS_PASSED,
    EXTERNAL_ID_IS_TOLD,
    FIRST_ROLE_MUST_BE_ALLOWED,
    FIRST_ROLE_MUST_TAG,
    FIRST_ROLE_STAYS_BEHIND,
    FOREIGN_BUCKET_NEEDS_BOTH,
    FOREIGN_BUCKET_SEES_TAGS,
    FOREIGN_QUEUE_NEEDS_BOTH,
    NO_TAGS_COME_ALONG,
    ONE_SIDE_IS_NOT_ENOUGH,
    POD_IS_THE_TARGET_ROLE,
    PRINCIPAL_ARN_NARROWS,
    REFUSED_BY_WHO_DOES_NOT_ALLOW,
    REQUEST_TAGS_NARROW,
    TAGS_COME_ALONG,
    TARGET_MUST_ALLOW_TAGS,
    TARGET_READS_ITS_BUCKET,
    TRUST_NAMES_THE_ROLE,
    UNTAGGED_NEEDS_NO_TAG_SESSION,
    WRONG_EXTERNAL_ID_IS_REFUSED,
)
from conformance.requirements.marks import proves
from conformance.spec import (
    Association,
    Bucket,
    Condition,
    Queue,
    ResourceStatement,
    Role,
    Spec,
    Statement,
    Trust,
)
from conformance.stages import Stage
from conformance.world import Probe, ProbeRequest, World

HOUR = timedelta(hours=1)
ASSUME, TAG = "sts:AssumeRole", "sts:TagSession"
BOTH = (ASSUME, TAG)
NAMESPACE_TAG = "aws:PrincipalTag/kubernetes-namespace"


def given(test: str, variable: str, value: str) -> Condition:
    return Condition(test=test, variable=variable, values=(value,))


def cluster_account(*conditions: Condition, actions: tuple[str, ...] = BOTH) -> Trust:
    """The cluster's account is trusted, under conditions."""
    return Trust(accounts=("own",), actions=actions, conditions=conditions)


def by_tag(name: str, value: str) -> Condition:
    return given("StringEquals", f"aws:RequestTag/{name}", value)


def by_id(pattern: str) -> Trust:
    return cluster_account(given("StringLike", "sts:ExternalId", pattern), actions=(ASSUME,))


@dataclass(frozen=True)
class Way:
    """An association that leads from a first role to a target role."""

    target: str
    role: str = "hub"
    tags: bool = True


TRUSTS = {
    "names-role": Trust(roles=("hub",)),
    "names-other-role": Trust(roles=("other-hub",)),
    "by-arn": cluster_account(given("ArnEquals", "aws:PrincipalArn", "role:hub")),
    "by-other-arn": cluster_account(given("ArnEquals", "aws:PrincipalArn", "role:other-hub")),
    "by-tags": cluster_account(
        by_tag("eks-cluster-arn", "cluster:arn"),
        by_tag("kubernetes-namespace", "{namespace:shop}"),
        by_tag("kubernetes-service-account", "cross-by-tags"),
    ),
    "not-eks-cluster-arn": cluster_account(by_tag("eks-cluster-arn", "elsewhere")),
    "not-kubernetes-namespace": cluster_account(by_tag("kubernetes-namespace", "elsewhere")),
    "not-kubernetes-service-account": cluster_account(
        by_tag("kubernetes-service-account", "somebody-else")
    ),
    "open": cluster_account(),
    "untaggable": cluster_account(actions=(ASSUME,)),
    "by-id": by_id("external-id:shop/cross-by-id"),
    "id-other-account": by_id("*/000000000000/*/*/*"),
    "id-other-cluster": by_id("*/*/elsewhere/*/*"),
    "id-other-namespace": by_id("*/*/*/elsewhere/*"),
    "id-other-service-account": by_id("*/*/*/*/somebody-else"),
}
"""Target roles, each with the trust that its name says."""
NOT_TAGS = ("eks-cluster-arn", "kubernetes-namespace", "kubernetes-service-account")
NOT_IDS = ("account", "cluster", "namespace", "service-account")

WAYS = {name: Way(name, tags="id" not in name.split("-")) for name in TRUSTS} | {
    "from-no-assume": Way("open", role="no-assume"),
    "from-no-tag": Way("open", role="no-tag"),
    "from-no-tag-untagged": Way("untaggable", role="no-tag", tags=False),
}
BY_THE_TARGET, BY_THE_FIRST_ROLE = DecidedBy.TRUST, DecidedBy.IDENTITY
REFUSED_BY = dict.fromkeys(
    (
        "names-other-role",
        "by-other-arn",
        *(f"not-{name}" for name in NOT_TAGS),
        *(f"id-other-{part}" for part in NOT_IDS),
    ),
    (BY_THE_TARGET, ASSUME),
) | {
    "untaggable": (BY_THE_TARGET, TAG),
    "from-no-tag": (BY_THE_FIRST_ROLE, TAG),
    "from-no-assume": (BY_THE_FIRST_ROLE, ASSUME),
}
"""Which policy refuses those that lead nowhere, and which action."""
TARGETS = tuple(f"role:{name}" for name in (*TRUSTS, "target", "untagged"))


def reads(*resources: str, conditions: tuple[Condition, ...] = ()) -> Statement:
    return Statement(actions=("s3:GetObject",), resources=resources, conditions=conditions)


def reads_with_tag(folder: str, namespace: str) -> Statement:
    conditions = (given("StringEquals", NAMESPACE_TAG, namespace),)
    return reads(f"bucket:vault/{folder}/*", conditions=conditions)


IN_THE_VAULT = (
    reads("bucket:vault/hello.txt"),
    reads_with_tag("tagged", "{namespace:shop}"),
    reads_with_tag("elsewhere", "elsewhere"),
)


def of_far(folder: str, *conditions: Condition, whole_account: bool = False) -> ResourceStatement:
    """What the foreign bucket says of one of its folders."""
    return ResourceStatement(
        actions=("s3:GetObject",),
        roles=() if whole_account else ("visitor",),
        accounts=("own",) if whole_account else (),
        resources=(f"bucket:far/{folder}/*",),
        conditions=conditions,
    )


FROM_THE_QUEUE = ResourceStatement(actions=("sqs:ReceiveMessage",), roles=("visitor",))
FOLDERS = ("both", "ours", "theirs", "account", "account-only", "tagged", "elsewhere")
OURS = ("both", "ours", "account", "tagged", "elsewhere")
"""Folders of the foreign bucket that the visitor's own role allows."""

SPEC = Spec(
    roles=(
        Role(
            name="hub",
            statements=(Statement(actions=BOTH, resources=TARGETS), reads("bucket:home/*")),
        ),
        Role(name="other-hub", statements=(Statement(actions=BOTH, resources=TARGETS),)),
        Role(name="no-assume", statements=(Statement(actions=(TAG,), resources=TARGETS),)),
        Role(name="no-tag", statements=(Statement(actions=(ASSUME,), resources=TARGETS),)),
        Role(
            name="visitor",
            statements=(
                reads(*(f"bucket:far/{folder}/*" for folder in OURS)),
                Statement(actions=("sqs:ReceiveMessage",), resources=("queue:both", "queue:ours")),
            ),
        ),
        Role(
            name="target",
            account="other",
            trust=(Trust(roles=("hub",)),),
            statements=IN_THE_VAULT,
        ),
        Role(
            name="untagged",
            account="other",
            trust=(Trust(roles=("hub",), actions=(ASSUME,)),),
            statements=IN_THE_VAULT,
        ),
        *(Role(name=name, account="other", trust=(trust,)) for name, trust in TRUSTS.items()),
    ),
    buckets=(
        Bucket(name="home", objects={"hello.txt": "the first role's"}),
        Bucket(
            name="vault",
            account="other",
            objects={"hello.txt": "from the other account", "rest.txt": "nobody's"}
            | {f"{folder}/a.txt": folder for folder in ("tagged", "elsewhere")},
        ),
        Bucket(
            name="far",
            account="other",
            objects={f"{folder}/a.txt": folder for folder in FOLDERS},
            statements=(
                of_far("both"),
                of_far("theirs"),
                of_far("account", whole_account=True),
                of_far("account-only", whole_account=True),
                of_far("tagged", given("StringEquals", NAMESPACE_TAG, "{namespace:shop}")),
                of_far("elsewhere", given("StringEquals", NAMESPACE_TAG, "elsewhere")),
            ),
        ),
    ),
    queues=(
        Queue(name="both", account="other", statements=(FROM_THE_QUEUE,)),
        Queue(name="theirs", account="other", statements=(FROM_THE_QUEUE,)),
        Queue(name="ours", account="other"),
    ),
    associations=(
        Association(
            namespace="shop", service_account="cross-app", role="hub", target_role="target"
        ),
        Association(
            namespace="shop",
            service_account="cross-untagged",
            role="hub",
            target_role="untagged",
            disable_session_tags=True,
        ),
        Association(namespace="shop", service_account="cross-visitor", role="visitor"),
        *(
            Association(
                namespace="shop",
                service_account=f"cross-{name}",
                role=way.role,
                target_role=way.target,
                disable_session_tags=not way.tags,
            )
            for name, way in WAYS.items()
        ),
    ),
)


@dataclass(frozen=True)
class Seen:
    """What the pods saw, and when."""

    probes: dict[str, Probe] = field(repr=False)
    began: datetime
    ended: datetime


@pytest.fixture(scope="module")
def seen(world: World) -> Seen:
    """Three pods: one with a target role, one without tags, and one that stays who it is."""

    def read(bucket: str, key: str) -> Call:
        return call("s3", "get_object", Bucket=world.bucket(bucket), Key=key)

    in_the_vault: dict[str, Call] = {
        "who am I": WHO_AM_I,
        "own credentials": ask_agent(),
        "hello": read("vault", "hello.txt"),
        "rest": read("vault", "rest.txt"),
        "tagged": read("vault", "tagged/a.txt"),
        "elsewhere": read("vault", "elsewhere/a.txt"),
        "home": read("home", "hello.txt"),
    }
    abroad: dict[str, Call] = {
        "who am I": WHO_AM_I,
        **{folder: read("far", f"{folder}/a.txt") for folder in FOLDERS},
        **{
            f"queue {name}": call("sqs", "receive_message", QueueUrl=world.queue(name))
            for name in ("both", "ours", "theirs")
        },
    }
    began = world.now()
    probes = world.probe_all(
        {
            "app": ProbeRequest("shop", "cross-app", in_the_vault, name="app"),
            "untagged": ProbeRequest("shop", "cross-untagged", in_the_vault, name="untagged"),
            "visitor": ProbeRequest("shop", "cross-visitor", abroad, name="visitor"),
        }
    )
    return Seen(probes, began, world.now())


@pytest.fixture(scope="module")
def app(seen: Seen) -> Probe:
    return seen.probes["app"]


@pytest.fixture(scope="module")
def untagged(seen: Seen) -> Probe:
    return seen.probes["untagged"]


@pytest.fixture(scope="module")
def visitor(seen: Seen) -> Probe:
    return seen.probes["visitor"]


@pytest.fixture(scope="module")
def speaker(world: World) -> Probe:
    """One pod that presents a token of each service account, and asks who it is."""
    tokens = world.tokens(*(f"cross-{name}" for name in WAYS), namespace="shop")
    secrets = {name.removeprefix("cross-"): token for name, token in tokens.items()}
    # The first one tells whether EKS Auth is there at all.
    first = next(iter(WAYS))
    plan = {
        name: ask_agent(name, then=WHO_AM_I, after=first if name != first else "") for name in WAYS
    }
    request = ProbeRequest("shop", "cross-visitor", plan, name="speaker", secrets=secrets)
    return world.probe_all({"speaker": request})["speaker"]


def whose_fault(speaker: Probe, way: str) -> Stage:
    """The agent's, if it gave out the very credentials of another; else EKS Auth's."""
    others = [speaker[name] for name in speaker if name != way]
    same = speaker[way].access_key in {one.access_key for one in others}
    return Stage.AGENT if same else Stage.EKS_AUTH


def leads_there(speaker: Probe, way: str, world: World) -> None:
    """The target role was assumed, and it is that one, in the other account."""
    identity = speaker[way].identified()
    with blaming(whose_fault(speaker, way)):
        assert identity.role_name == world.contract.roles[WAYS[way].target].name
        assert identity.account == world.contract.other_account_id


def leads_nowhere(speaker: Probe, way: str) -> None:
    """Refused by one of the two accounts, which EKS Auth says in the same words."""
    evidence = speaker[way]
    if evidence.outcome is Outcome.GRANTED and whose_fault(speaker, way) is Stage.AGENT:
        raise PromiseBroken(f"{way} was given credentials of another", Stage.AGENT)
    evidence.denied(Stage.STS, "AccessDeniedException")


# --- a target role


@proves(POD_IS_THE_TARGET_ROLE)
def test_pod_is_the_target_role(app: Probe, world: World) -> None:
    """STS names the target role and its account, which is not the cluster's."""
    identity = app["who am I"].identified()

    with blaming(Stage.STS):
        assert identity.account == world.contract.other_account_id
        assert identity.account != world.contract.account_id
        assert identity.role_name == world.contract.roles["target"].name


@proves(ACCOUNT_ID_IS_THE_TARGETS)
def test_credentials_name_the_targets_account(app: Probe, world: World) -> None:
    """Asked by hand, because SDKs take it and tell nobody."""
    answer = app["own credentials"].granted().answer

    with blaming(Stage.AGENT):
        assert answer.get("AccountId") == world.contract.other_account_id


@proves(TARGET_READS_ITS_BUCKET)
def test_target_reads_its_bucket(app: Probe) -> None:
    """The bucket has no policy; of two objects the target role allows one."""
    evidence = app["hello"].granted()
    app["rest"].denied(Stage.IAM, "AccessDenied")

    with blaming(Stage.SERVICE):
        assert evidence.text == "from the other account"


@proves(FIRST_ROLE_STAYS_BEHIND)
def test_first_role_stays_behind(app: Probe) -> None:
    """The associated role may read this object; the pod is not that role."""
    app["hello"].granted()
    app["home"].denied(Stage.IAM, "AccessDenied")


@proves(CHAINED_SESSION_LIVES_AN_HOUR)
def test_credentials_of_a_target_role_live_an_hour(seen: Seen) -> None:
    """Bounded by the moments before and after; the visitor's, which are not chained, live on."""
    chained = seen.probes["app"]["who am I"].granted().expires_at
    plain = seen.probes["visitor"]["who am I"].granted().expires_at

    with blaming(Stage.STS):
        assert chained is not None
        assert chained - seen.ended <= HOUR
        assert chained - seen.began >= HOUR - timedelta(minutes=1)
        assert plain is not None
        assert plain - seen.ended > HOUR


@proves(TAGS_COME_ALONG)
def test_tags_come_along_to_the_target(app: Probe) -> None:
    """Two folders of the other account, each for the pods of one namespace."""
    app["tagged"].granted()
    app["elsewhere"].denied(Stage.IAM, "AccessDenied")


@proves(NO_TAGS_COME_ALONG)
def test_without_tags_none_come_along(app: Probe, untagged: Probe) -> None:
    """Both roles have the same policy, and both read what asks for no tag."""
    app["tagged"].granted()
    untagged["hello"].granted()
    untagged["tagged"].denied(Stage.IAM, "AccessDenied")


@proves(CHAIN_IS_TWO_SESSIONS, needs={Capability.RECORDS})
def test_chain_is_two_sessions(app: Probe, world: World) -> None:
    """EKS asks for the first session; the first session asks for the target's, with its tags."""
    evidence = app["who am I"].granted()
    roles, sessions = world.contract.roles, world.records().sessions
    chained = [one for one in sessions if one.access_key_fingerprint == evidence.access_key]

    with blaming(Stage.STS):
        assert [one.role_arn for one in chained] == [roles["target"].arn]
        name = re.escape(roles["hub"].name)
        source = rf"arn:[a-z-]+:sts::{world.contract.account_id}:assumed-role/{name}/(.+)"
        found = re.fullmatch(source, chained[0].source)
        assert found is not None
        first = [
            one
            for one in sessions
            if (one.role_arn, one.session_name) == (roles["hub"].arn, found[1])
        ]
        assert [one.source for one in first] == ["pods.eks.amazonaws.com"]
        assert chained[0].tags == first[0].tags
        assert len(first[0].tags) == 6
        # Nobody has to pass them on, and nobody can take them off.
        assert set(chained[0].transitive) == {name for name, _ in chained[0].tags}


# --- whom a target trusts


@proves(TRUST_NAMES_THE_ROLE, needs={Capability.MINT_TOKENS})
def test_target_that_names_a_role_trusts_no_other(speaker: Probe, world: World) -> None:
    """Both come from the same role; one target names it, the other names its sister."""
    leads_there(speaker, "names-role", world)
    leads_nowhere(speaker, "names-other-role")


@proves(PRINCIPAL_ARN_NARROWS, needs={Capability.MINT_TOKENS})
def test_principal_arn_narrows_trust(speaker: Probe, world: World) -> None:
    """It is the role's ARN, not the session's."""
    leads_there(speaker, "by-arn", world)
    leads_nowhere(speaker, "by-other-arn")


@proves(REQUEST_TAGS_NARROW, needs={Capability.MINT_TOKENS})
@pytest.mark.parametrize("name", NOT_TAGS)
def test_request_tags_narrow_trust(name: str, speaker: Probe, world: World) -> None:
    """A target that wants all three as they are is assumed; one that wants another is not."""
    leads_there(speaker, "by-tags", world)
    leads_nowhere(speaker, f"not-{name}")


@proves(TARGET_MUST_ALLOW_TAGS, needs={Capability.MINT_TOKENS})
def test_target_must_allow_tags(speaker: Probe, world: World) -> None:
    """Two targets that trust the account, one of them without sts:TagSession."""
    leads_there(speaker, "open", world)
    leads_nowhere(speaker, "untaggable")


@proves(FIRST_ROLE_MUST_TAG, needs={Capability.MINT_TOKENS})
def test_first_role_must_be_allowed_to_tag(speaker: Probe, world: World) -> None:
    """One target that trusts the whole account, reached from two roles."""
    leads_there(speaker, "open", world)
    leads_nowhere(speaker, "from-no-tag")


@proves(UNTAGGED_NEEDS_NO_TAG_SESSION, needs={Capability.MINT_TOKENS})
def test_without_tags_nobody_needs_tag_session(speaker: Probe, world: World) -> None:
    """Neither this first role nor this target allows it; with tags the role alone fails."""
    leads_there(speaker, "from-no-tag-untagged", world)
    leads_nowhere(speaker, "from-no-tag")


@proves(FIRST_ROLE_MUST_BE_ALLOWED, needs={Capability.MINT_TOKENS})
def test_first_role_must_be_allowed_to_assume(speaker: Probe, world: World) -> None:
    """One target that trusts the whole account, reached from two roles."""
    leads_there(speaker, "open", world)
    leads_nowhere(speaker, "from-no-assume")


@proves(EXTERNAL_ID_IS_PASSED, needs={Capability.MINT_TOKENS})
def test_external_id_tells_who_comes(speaker: Probe, world: World) -> None:
    """The target asks for the whole of it, letter by letter."""
    leads_there(speaker, "by-id", world)


@proves(WRONG_EXTERNAL_ID_IS_REFUSED, needs={Capability.MINT_TOKENS})
@pytest.mark.parametrize("part", NOT_IDS)
def test_each_part_of_the_external_id_counts(part: str, speaker: Probe, world: World) -> None:
    """Each of these targets asks for one other part, and lets the rest be anything."""
    leads_there(speaker, "by-id", world)
    leads_nowhere(speaker, f"id-other-{part}")


@proves(EXTERNAL_ID_IS_TOLD)
def test_association_tells_its_external_id(world: World) -> None:
    """Of an association without tags, where a target has nothing else to go by."""
    contract = world.contract
    association = contract.associations["shop/cross-by-id"]
    told = world.eks("describe_pod_identity_association", associationId=association.id).granted()

    with blaming(Stage.EKS_AUTH):
        assert told.answer["association"].get("externalId") == association.external_id
        assert association.external_id == "/".join(
            (
                contract.region,
                contract.account_id,
                contract.cluster.name,
                association.namespace,
                association.service_account,
            )
        )


@proves(REFUSED_BY_WHO_DOES_NOT_ALLOW, needs={Capability.MINT_TOKENS, Capability.RECORDS})
def test_chain_is_refused_by_who_does_not_allow_it(speaker: Probe, world: World) -> None:
    """EKS Auth says the same of all of them; what IAM decided tells one from another."""
    roles = world.contract.roles
    decisions = world.records(since=speaker.pod.created).decisions

    for name, reason in REFUSED_BY.items():
        leads_nowhere(speaker, name)
        way = WAYS[name]
        refused = {
            (one.decided_by, one.action)
            for one in decisions
            if one.resource == roles[way.target].arn
            and f":assumed-role/{roles[way.role].name}/" in one.principal_arn
            and not one.allowed
        }
        with blaming(Stage.STS):
            assert refused == {reason}, name


# --- what a foreign resource says


@proves(FOREIGN_BUCKET_NEEDS_BOTH)
def test_foreign_bucket_is_read_when_both_allow(visitor: Probe, world: World) -> None:
    """The pod is who it is, of its own account, and reads what is another's."""
    identity = visitor["who am I"].identified()
    evidence = visitor["both"].granted()

    with blaming(Stage.SERVICE):
        assert identity.account == world.contract.account_id
        assert evidence.text == "both"


@proves(ONE_SIDE_IS_NOT_ENOUGH)
@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_one_side_alone_opens_no_foreign_bucket(side: str, visitor: Probe) -> None:
    """Three folders of one bucket: what we allow, what they allow, what both do."""
    visitor["both"].granted()
    visitor[side].denied(Stage.IAM, "AccessDenied")


@proves(ACCOUNT_IS_TRUSTED_FOR_ITS_ROLES)
def test_bucket_that_names_the_account_leaves_it_to_roles(visitor: Probe) -> None:
    """The bucket lets the whole account into both folders; the role allows one of them."""
    visitor["account"].granted()
    visitor["account-only"].denied(Stage.IAM, "AccessDenied")


@proves(FOREIGN_BUCKET_SEES_TAGS)
def test_foreign_bucket_sees_session_tags(visitor: Probe) -> None:
    """The role allows both folders; the bucket lets it in by the tag of its namespace."""
    visitor["tagged"].granted()
    visitor["elsewhere"].denied(Stage.IAM, "AccessDenied")


@proves(FOREIGN_QUEUE_NEEDS_BOTH)
@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_foreign_queue_needs_both(side: str, visitor: Probe) -> None:
    """Three queues of the other account: allowed by us, by them, by both."""
    visitor["queue both"].granted()
    visitor[f"queue {side}"].denied(Stage.IAM, "AccessDenied")
