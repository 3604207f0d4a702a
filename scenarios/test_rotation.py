"""
Credentials of eighteen seconds and tokens of five, under load.

The agent hands out nothing that has 15 s or less to live, so credentials of 18 s are
renewed every three. Several pods call all the while, as several programs would: through
their SDK, by hand with the token in their file, and with tokens that were handed to them.
What they saw in some ten seconds is looked at afterwards.

Before that, a pod has credentials of six hours, and for its agent three of them pass at once.

One role may ask EKS Auth itself, where nothing keeps a margin: so sessions of four
seconds are seen to end.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from conformance.emulator.records import EksAuthCall
from conformance.environment import Capability
from conformance.probes import (
    Call,
    Evidence,
    ask_agent,
    blaming,
    by_url,
    call,
    presented,
    repeated,
)
from conformance.probes.plan import WHO_AM_I, ServiceCall
from conformance.probes.samples import Samples
from conformance.requirements.lifecycle import (
    DELETED_ASSOCIATIONS_SESSION_ENDS,
    SWAPPED_WHEN_RENEWED,
)
from conformance.requirements.marks import proves
from conformance.requirements.rotation import (
    CACHE_DOES_NOT_SAVE_A_TOKEN,
    MANY_RENEW_AT_ONCE,
    NO_LOST_CALL_AT_RENEWAL,
    RENEWAL_ENDS_NO_SESSION,
    RENEWAL_IS_ANOTHER_SESSION,
    RENEWED_BEFORE_THEIR_END,
    SESSION_ENDS_WHEN_IT_SAYS,
    TOKEN_FILE_IS_READ_AGAIN,
    TOKEN_FILE_IS_REWRITTEN,
    TOO_SHORT_IS_REFUSED,
    URL_ENDS_WITH_ITS_SESSION,
)
from conformance.requirements.sqs_consume import WORK_OUTLIVES_ITS_SESSION
from conformance.spec import Association, Bucket, Queue, Role, Spec, Statement
from conformance.stages import Stage
from conformance.targets.own import OwnEnvironment
from conformance.world import ONCE, Probe, ProbeRequest, Running, World

CREDENTIAL_SECONDS, TOKEN_SECONDS, SESSION_SECONDS, TOO_SHORT_SECONDS = 18, 5, 6, 10
MARGIN = timedelta(seconds=15)
TICK = timedelta(seconds=1)
"""Expirations are whole seconds, cut."""
UUID = 36
"""Characters of it."""
LONGEST = timedelta(seconds=40)
TOO_EARLY, DUE = timedelta(hours=2, minutes=55), timedelta(hours=3, minutes=1)
"""The agent keeps credentials for three hours, and looks once a minute."""
MANY = tuple(f"pod-{number}" for number in range(6))
"""Pods that do nothing but ask, each by its own token."""

OWN = OwnEnvironment()
SPEC = Spec(
    roles=(
        Role(
            name="app",
            statements=(
                Statement(actions=("s3:GetObject",), resources=("bucket:data/*",)),
                Statement(actions=("eks-auth:AssumeRoleForPodIdentity",), resources=("*",)),
                Statement(
                    actions=tuple(f"sqs:{name}Message" for name in ("Send", "Receive", "Delete")),
                    resources=("queue:jobs",),
                ),
            ),
        ),
        Role(name="next"),
    ),
    buckets=(Bucket(name="data", objects={"hello.txt": "hello"}),),
    # Hidden for longer than all of this takes: who sees it again has got it twice.
    queues=(Queue(name="jobs", visibility_seconds=600),),
    associations=tuple(
        Association(namespace="shop", service_account=f"rotation-{name}", role="app")
        for name in ("app", "leaver", "swapped")
    ),
)

needs = {Capability.SHORT_LIVES, Capability.MINT_TOKENS, Capability.RECORDS}

RENEWING: dict[str, Call] = {
    "sdk": repeated(WHO_AM_I, every=0.2),
    "file": repeated(ask_agent(then=WHO_AM_I), every=0.2),
    "steady": repeated(ask_agent("steady", then=WHO_AM_I)),
    "first of steady": repeated(ask_agent("steady"), keeping=WHO_AM_I, every=0.3),
    "short": repeated(ask_agent("short"), every=0.2),
    "given for short": repeated(ask_agent("short"), keeping=WHO_AM_I, every=0.3),
}
ASKING: dict[str, dict[str, Call]] = {
    name: {name: repeated(ask_agent(), every=0.4)} for name in MANY
}

UNTIL: dict[str, Callable[[Samples], object]] = {
    "sdk": lambda load: len(load.tokens) >= 3,
    "file": lambda load: len(load.tokens) >= 3,
    "steady": lambda load: len(load.access_keys) >= 3,
    "short": lambda load: load.refused,
    "ends": lambda load: load.refused,
    "url": lambda load: load.refused,
    "leaver": lambda load: load.refused,
    "worker": lambda load: load.refused,
    **dict.fromkeys(MANY, lambda load: len(load.access_keys) >= 2),
}
"""Nobody looks before this is so, and a second call has shown it."""


@dataclass(frozen=True)
class Swap:
    """What a running pod saw of the swap of its association's role."""

    load: Samples
    early: datetime
    """The update was made, and for the agent it is soon to be renewed."""
    due: datetime
    """And now it is so late."""


@dataclass(frozen=True)
class Seen:
    """What the pods saw, by call; and what was done meanwhile."""

    samples: Mapping[str, Samples]
    swap: Swap
    too_short: Evidence
    deleted: datetime
    """When the association of the service account `rotation-leaver` was gone."""
    calls: list[EksAuthCall]
    names: Mapping[str, str]
    """Of the pods that are many, by call."""
    finisher: Probe
    """Went on with the work of "worker" once that one's session had ended."""

    def __getitem__(self, name: str) -> Samples:
        return self.samples[name]


def minted(world: World, account: str, secrets: list[str]) -> dict[str, str]:
    """A token for each name, of a pod of its own that never runs."""
    return {name: world.token(world.stand_in("shop", f"rotation-{account}")) for name in secrets}


def app(plan: Mapping[str, Call], secrets: Mapping[str, str]) -> ProbeRequest:
    return ProbeRequest("shop", "rotation-app", plan, name="app", secrets=secrets)


def until(world: World, what: str, ask: Callable[[], object]) -> None:
    """Pods' logs say so."""
    world.settles(what, ask, within=LONGEST, consecutive=ONCE)


def swapped(world: World) -> Swap:
    """The first of all: the agent has this pod's credentials to renew and nobody else's."""
    own, id_ = world.own, world.contract.associations["shop/rotation-swapped"].id
    plan: dict[str, Call] = {"load": repeated(ask_agent(then=WHO_AM_I), every=0.2)}
    request = ProbeRequest("shop", "rotation-swapped", plan, name="swapped")
    with world.running({"swapped": request}) as pods:
        pod = pods["swapped"]
        pod["load"][:1].granted()
        role = world.contract.roles["next"].arn
        world.eks("update_pod_identity_association", associationId=id_, roleArn=role).granted()
        with own.behaving(agent_elapsed_seconds=TOO_EARLY.total_seconds()):
            early = world.now()
            until(world, "it calls", lambda: len(pod["load"].after(early)) >= 2)
            due = world.now()
            own.behave(agent_elapsed_seconds=DUE.total_seconds())
            until(world, "it was renewed", lambda: len(pod["load"].access_keys) >= 2)
        return Swap(pod["load"], early, due)


@pytest.fixture(scope="module")
def seen(world: World) -> Seen:
    swap = swapped(world)
    tokens = minted(world, "app", ["asker", "steady", "ends", "url", "worker"])
    tokens |= minted(world, "leaver", ["leaver"])
    read = call("s3", "get_object", Bucket=world.bucket("data"), Key="hello.txt")
    cluster, jobs = world.contract.cluster.name, world.queue("jobs")
    receive = call("sqs", "receive_message", QueueUrl=jobs)

    def session(secret: str, then: ServiceCall) -> Call:
        """Asked of EKS Auth by the asker, and used for ever after."""
        asked = call(
            "eks-auth", "assume_role_for_pod_identity", clusterName=cluster, token=presented(secret)
        )
        return repeated(ask_agent("asker", then=asked), keeping=then, every=0.2)

    ending = {
        "ends": session("ends", WHO_AM_I),
        "url": session("url", by_url(read)),
        "leaver": session("leaver", WHO_AM_I),
        "worker": session("worker", receive),
    }
    # The asker's own credentials are what the agent keeps for its token: of the old life.
    first: dict[str, Call] = {
        "asker": ask_agent("asker"),
        "send": call("sqs", "send_message", QueueUrl=jobs, MessageBody="job"),
    }
    world.probe_all({"asker": app(first, tokens)})["asker"]["asker"].granted()
    world.own.behave(credential_seconds=SESSION_SECONDS)
    with world.running({"ending": app(ending, tokens)}) as held:
        world.own.behave(credential_seconds=CREDENTIAL_SECONDS, token_seconds=TOKEN_SECONDS)
        association = world.contract.associations["shop/rotation-leaver"].id
        world.eks("delete_pod_identity_association", associationId=association).granted()
        deleted = world.now()
        tokens |= minted(world, "app", ["short"])
        many = {name: app(plan, {}) for name, plan in ASKING.items()}
        with world.running({"app": app(RENEWING, tokens), **many}) as pods:
            # Whoever is refused from the beginning renews nothing.
            pods["app"]["steady"][:1].granted()
            every = (held["ending"], *pods.values())
            what = "tokens and credentials were renewed, and sessions have ended"
            until(world, what, lambda: long_enough(so_far(*every)))
            samples = so_far(*every)
            calls = world.records().eks_auth
            names = {name: pods[name].pod.name for name in MANY}
    handle = next((one["ReceiptHandle"] for one in received(samples["worker"])), "none")
    finishing = {
        "meanwhile": receive,
        "delete": call("sqs", "delete_message", QueueUrl=jobs, ReceiptHandle=handle),
        "afterwards": receive,
    }
    finisher = world.probe_all({"finisher": app(finishing, {})})["finisher"]
    world.own.behave(credential_seconds=TOO_SHORT_SECONDS)
    late = app({"late": ask_agent("late")}, minted(world, "app", ["late"]))
    too_short = world.probe_all({"late": late})["late"]["late"]
    return Seen(samples, swap, too_short, deleted, calls, names, finisher)


def received(load: Samples) -> list[dict[str, str]]:
    """Every message that a load received, as often as it did."""
    return [one for sample in load for one in sample.evidence.answer.get("Messages", [])]


def so_far(*pods: Running) -> dict[str, Samples]:
    return {name: load for pod in pods for name, load in pod.so_far().items()}


def long_enough(samples: Mapping[str, Samples]) -> bool:
    """Everything that a scenario looks at has come about."""
    return all(wanted(samples[name]) for name, wanted in UNTIL.items())


# --- tokens


@proves(TOKEN_FILE_IS_REWRITTEN, needs=needs)
def test_another_token_is_in_the_file_in_time(seen: Seen) -> None:
    """
    A program that reads the file at each call never finds a token that has expired.

    All of them are of one pod, so none of them was somebody else's.
    """
    file = seen["file"]
    claims = [one.evidence.token for one in file]

    with blaming(Stage.INJECTION):
        assert len(file.tokens) >= 2
        for sample, token in zip(file, claims, strict=True):
            assert token is not None
            assert sample.began.timestamp() < token.expires
        assert len({token.kubernetes["pod"]["uid"] for token in claims if token}) == 1


@proves(TOKEN_FILE_IS_READ_AGAIN, needs=needs)
def test_sdk_goes_on_with_the_next_token(seen: Seen) -> None:
    """
    Long after its first token expired, one SDK is given credentials that are new.

    The agent refuses expired tokens, as another scenario shows.
    """
    sdk = seen["sdk"].granted()
    first = sdk[0].evidence.token

    with blaming(Stage.AGENT):
        assert first is not None
        later = sdk.after(datetime.fromtimestamp(first.expires, UTC) + TICK)
        assert set(later.access_keys) - set(sdk.before(later[0].began).access_keys)


@proves(CACHE_DOES_NOT_SAVE_A_TOKEN, needs=needs)
def test_expired_token_is_refused_while_its_credentials_work(seen: Seen) -> None:
    """Until its exp the token is good, from then on it is refused; its credentials go on."""
    short = seen["short"]
    token = short[0].evidence.token
    assert token is not None
    expires = datetime.fromtimestamp(token.expires, UTC)

    short.before(expires).granted()
    short.after(expires).denied(Stage.AGENT, "TokenExpired")
    seen["given for short"].after(expires).granted()


# --- credentials


@proves(NO_LOST_CALL_AT_RENEWAL, needs=needs)
@pytest.mark.parametrize("name", ["sdk", "file", "steady"])
def test_no_call_fails_while_credentials_are_renewed(name: str, seen: Seen) -> None:
    """Renewed at least twice, under load, through an SDK and without one."""
    load = seen[name].granted()

    with blaming(Stage.AGENT):
        assert len(load.access_keys) >= 3


@proves(RENEWED_BEFORE_THEIR_END, needs=needs)
def test_nobody_is_handed_credentials_that_are_about_to_end(seen: Seen) -> None:
    """At every call, whoever made it, more than the margin was left."""
    for name in ("sdk", "file", "steady", *MANY):
        for sample in seen[name].granted():
            expires = sample.evidence.expires_at
            with blaming(Stage.AGENT):
                assert expires is not None
                assert expires - sample.began > MARGIN, name


@proves(TOO_SHORT_IS_REFUSED, needs=needs)
def test_credentials_that_come_too_late_are_refused(seen: Seen) -> None:
    """EKS Auth gives ten seconds; longer lives than the margin are handed out as ever."""
    seen["steady"].granted()
    evidence = seen.too_short.denied(Stage.AGENT, "CredentialsExpire")

    with blaming(Stage.AGENT):
        assert evidence.status == 500


@proves(RENEWAL_IS_ANOTHER_SESSION, needs=needs)
def test_renewal_is_a_session_of_its_own(seen: Seen) -> None:
    """One token, presented all the while: each set of credentials has a name of its own."""
    steady = seen["steady"].granted()
    roles, names = zip(*(arn.rsplit("/", 1) for arn in steady.sessions), strict=True)

    with blaming(Stage.EKS_AUTH):
        assert len(steady.tokens) == len(set(roles)) == 1
        assert len(set(names)) == len(set(steady.access_keys)) >= 3
        assert len({name[:-UUID] for name in names}) == 1


@proves(MANY_RENEW_AT_ONCE, needs=needs)
def test_many_pods_renew_at_the_same_time(seen: Seen) -> None:
    """They began together, so theirs are due together; each set that one was given is one call."""
    given = {name: seen[name].granted() for name in MANY}
    asked = Counter(one.access_key_fingerprint for one in seen.calls)
    of_pod = Counter(one.pod for one in seen.calls)

    with blaming(Stage.AGENT):
        assert all(len(load.access_keys) >= 2 for load in given.values())
        for name, load in given.items():
            assert all(asked[key] == 1 for key in load.access_keys)
            # One may have been made since the last call that we know of.
            assert of_pod[seen.names[name]] - len(load.access_keys) in (0, 1)


# --- sessions


@proves(RENEWAL_ENDS_NO_SESSION, needs=needs)
def test_renewal_ends_nothing_that_was_given_before(seen: Seen) -> None:
    """The first credentials of a token work after others were handed out for it."""
    kept, renewed = seen["first of steady"], seen["steady"]
    others = [one for one in renewed if one.evidence.access_key not in kept.access_keys]

    with blaming(Stage.AGENT):
        assert others
    kept.after(others[0].ended).granted()


def ends_when_it_says(load: Samples) -> None:
    """It worked until its expiration, and then never again."""
    expires = load[:1].granted()[0].evidence.expires_at
    assert expires is not None
    load.before(expires).granted()
    load.after(expires).denied(Stage.SERVICE, "ExpiredToken")


@proves(SESSION_ENDS_WHEN_IT_SAYS, needs=needs)
def test_session_ends_when_it_says(seen: Seen) -> None:
    """STS answers everybody whose credentials are good, so nothing else ends here."""
    ends_when_it_says(seen["ends"])


@proves(URL_ENDS_WITH_ITS_SESSION, needs=needs)
def test_presigned_url_ends_with_its_session(seen: Seen) -> None:
    """The URL itself is good for an hour; the object is there all the while."""
    ends_when_it_says(seen["url"])


@proves(WORK_OUTLIVES_ITS_SESSION, needs=needs)
def test_work_outlives_the_session_that_took_it(seen: Seen) -> None:
    """
    A worker received a message once, however often it asked, until its session ended.

    Another session is not given it either, and deletes it by the receipt handle.
    """
    worker, finisher = seen["worker"], seen.finisher
    ends_when_it_says(worker)

    finisher["delete"].granted()
    with blaming(Stage.SERVICE):
        assert [one["Body"] for one in received(worker)] == ["job"]
        for moment in ("meanwhile", "afterwards"):
            assert "Messages" not in finisher[moment].granted().answer


@proves(DELETED_ASSOCIATIONS_SESSION_ENDS, needs=needs)
def test_session_of_a_deleted_association_ends_when_it_says(seen: Seen) -> None:
    """Its association is deleted while it lives: that neither ends it nor lets it live on."""
    load = seen["leaver"]

    load.before(seen.deleted).granted()
    ends_when_it_says(load)
    with blaming(Stage.SERVICE):
        expires = load[0].evidence.expires_at
        assert expires is not None
        assert load.after(seen.deleted).before(expires).granted()


# --- three hours


@proves(SWAPPED_WHEN_RENEWED, needs=needs)
def test_running_pod_has_the_new_role_when_its_agent_renews(seen: Seen, world: World) -> None:
    """
    Five minutes before, it has the very session of before the update; then the new role's.

    It is one program with one token all the while, and no call fails.
    """
    swap, roles = seen.swap, world.contract.roles
    load = swap.load.granted()
    was, still, now = load[0], load.after(swap.early).before(swap.due)[-1], load[-1]

    with blaming(Stage.AGENT):
        assert still.evidence.access_key == was.evidence.access_key
        assert len(load.access_keys) == 2
        assert len(load.tokens) == 1
        for sample, role in ((still, "app"), (now, "next")):
            assert sample.evidence.identified().role_name == roles[role].name
