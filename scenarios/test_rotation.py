"""
Credentials of eighteen seconds and tokens of five, under load.

The agent hands out nothing that has 15 s or less to live, so credentials of 18 s are
renewed every three. Several pods call all the while, as several programs would: through
their SDK, by hand with the token in their file, and with tokens that were handed to them.
What they saw in some ten seconds is looked at afterwards.

Before that, a pod has credentials of six hours, and for its agent three of them pass at once:
an association was updated and another one deleted meanwhile, and then EKS Auth is away.

One role may ask EKS Auth itself, where nothing keeps a margin: so sessions of four
seconds are seen to end.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise

import pytest

from conformance.emulator.records import EksAuthCall
from conformance.environment import Capability
from conformance.faults import EKS_AUTH_DOWN
from conformance.probes import (
    Call,
    Evidence,
    ask_agent,
    ask_node,
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
    DROPPED_WHEN_RENEWED,
    SDK_IS_SWAPPED_LATER,
    SWAPPED_WHEN_RENEWED,
)
from conformance.requirements.marks import proves
from conformance.requirements.rotation import (
    CACHE_DOES_NOT_SAVE_A_TOKEN,
    FAILED_RENEWAL_IS_TRIED_AGAIN,
    FAILED_RENEWALS_ARE_COUNTED,
    MANY_ARE_SWEPT,
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
SOON = timedelta(seconds=20)
"""Where nobody waits for a life to end, but for calls and the agent's pauses, 6 s at most."""
TOO_EARLY, DUE = timedelta(hours=2, minutes=55), timedelta(hours=3, minutes=1)
"""The agent keeps credentials for three hours, and looks once a minute."""
RETRY, MOMENT = timedelta(minutes=2), timedelta(seconds=10)
"""It tries again after one or two minutes, and its SDK after four seconds at most."""
RENEWALS, RENEWALS_PER_SECOND = 1.5, 1.5
"""
Of a listener at once, and then each second: half of --max-service-qps, 3, because the agent
takes its limit twice for each.
"""
MANY = tuple(f"pod-{number}" for number in range(6))
"""Pods that do nothing but ask, each by its own token."""
LATER = tuple(f"later-{number}" for number in range(3))
"""Others, whose credentials of six hours are due in one sweep with two that come before them."""

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
        for name in ("app", "leaver", "swapped", "deleted")
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
CHANGED: dict[str, dict[str, Call]] = {
    "swapped": {
        "swapped": repeated(ask_agent(then=WHO_AM_I), every=0.2),
        "starts anew": repeated(WHO_AM_I, every=0.5, fresh=True),
        "sdk": repeated(WHO_AM_I, every=0.2),
    },
    "deleted": {"deleted": repeated(ask_agent(), every=0.2)},
}
"""What pods of associations call that are changed while they run, by their service account."""

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
class Hours:
    """What running pods saw while three hours passed for their agent, by call."""

    samples: Mapping[str, Samples]
    early: datetime
    """Associations were changed, and for the agent what it keeps is soon to be renewed."""
    due: datetime
    """And now it is so late."""
    away: datetime
    """Until `back`, EKS Auth was."""
    back: datetime
    failed: list[str]
    """What the agent logged of renewals that it will try again."""
    calls: list[EksAuthCall]

    def __getitem__(self, name: str) -> Samples:
        return self.samples[name]


@dataclass(frozen=True)
class Seen:
    """What the pods saw, by call; and what was done meanwhile."""

    samples: Mapping[str, Samples]
    hours: Hours
    metrics: Evidence
    """Of the agent, after these hours."""
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


def until(
    world: World, what: str, ask: Callable[[], object], *, within: timedelta = LONGEST
) -> None:
    """Pods' logs say so."""
    world.settles(what, ask, within=within, consecutive=ONCE)


class AgentsTime:
    """How much later it is for the agent; each minute or more that passes at once is one sweep."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._elapsed = timedelta()

    def is_later(self, elapsed: timedelta) -> None:
        self._elapsed = elapsed
        self._world.own.behave(agent_elapsed_seconds=elapsed.total_seconds())

    def passes(self, by: timedelta) -> None:
        self.is_later(self._elapsed + by)

    def goes_on_until(self, what: str, ask: Callable[[], object]) -> None:
        """Nor does it stand still while the agent waits between attempts, or between renewals."""

        def so() -> bool:
            if ask():
                return True
            self.passes(MOMENT)
            return False

        until(self._world, what, so, within=SOON)


def three_hours(world: World) -> Hours:
    """
    The first of all: the agent has these pods' credentials to renew and nobody else's.

    It renews in the order in which they asked first, two in a sweep, so those of associations
    that are changed are there before the others.
    """
    own, ids = world.own, world.contract.associations
    first = {
        name: ProbeRequest("shop", f"rotation-{name}", plan, name=name)
        for name, plan in CHANGED.items()
    }
    later = {name: app({name: repeated(ask_agent(), every=0.2)}, {}) for name in LATER}
    soon, time = partial(until, world, within=SOON), AgentsTime(world)
    with ExitStack() as stack:
        changed = stack.enter_context(world.running(first))
        for name, pod in changed.items():
            # Whoever is refused from the beginning is given nothing to renew.
            pod[name][:1].granted()
        others = stack.enter_context(world.running(later))
        stack.enter_context(own.behaving(agent_elapsed_seconds=0.0))
        id_, role = ids["shop/rotation-swapped"].id, world.contract.roles["next"].arn
        world.eks("update_pod_identity_association", associationId=id_, roleArn=role).granted()
        id_ = ids["shop/rotation-deleted"].id
        world.eks("delete_pod_identity_association", associationId=id_).granted()

        time.is_later(TOO_EARLY)
        early = world.now()
        time.goes_on_until("they call", lambda: called(early, changed, *CHANGED, times=3))
        due = world.now()
        time.is_later(DUE)
        soon("what was changed was renewed", lambda: noticed(so_far(*changed.values())))
        renewed = world.now()
        soon("the SDK calls", lambda: changed["swapped"].called_since(renewed, "sdk"))

        with own.fault(EKS_AUTH_DOWN):
            away = world.now()
            time.passes(RETRY)
            time.goes_on_until("a renewal has failed", lambda: failures(world))
            failed = world.now()
            soon("they call", lambda: called(failed, others, *LATER))
            back = world.now()
        before, number = -1, 0
        # Where nobody was renewed, nobody waits for the next.
        while before < number < len(LATER):
            time.passes(RETRY)
            time.goes_on_until("one more is renewed", partial(has_more, number, *others.values()))
            before, number = number, new_ones(*others.values())
        load = so_far(*changed.values(), *others.values())
    calls = world.records().eks_auth
    return Hours(load, early, due, away, back, failures(world), calls)


def called(since: datetime, pods: Mapping[str, Running], *calls: str, times: int = 2) -> bool:
    """Each of these calls was made so often, the last one after whatever happened."""
    return all(len(pods[call][call].after(since)) >= times for call in calls)


def noticed(load: Mapping[str, Samples]) -> bool:
    """Who asks the agent is given the next role, or nothing any more."""
    swapped = all(len(load[name].access_keys) >= 2 for name in ("swapped", "starts anew"))
    return bool(swapped and load["deleted"].refused)


def new_ones(*pods: Running) -> int:
    """How many of the pods were given others."""
    return sum(len(load.access_keys) >= 2 for load in so_far(*pods).values())


def has_more(number: int, *pods: Running) -> bool:
    return new_ones(*pods) > number


def failures(world: World) -> list[str]:
    """Renewals that agents will try again, as they log them."""
    lines = [line for log in world.agent_logs().values() for line in log.splitlines()]
    return [line for line in lines if "Could not renew, will try to keep existing creds" in line]


@pytest.fixture(scope="module")
def seen(world: World) -> Seen:
    hours = three_hours(world)
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
        "metrics": ask_node("/metrics", port=2705),
    }
    asker = world.probe_all({"asker": app(first, tokens)})["asker"]
    asker["asker"].granted()
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
    metrics = asker["metrics"]
    return Seen(samples, hours, metrics, too_short, deleted, calls, names, finisher)


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


@proves(RENEWED_BEFORE_THEIR_END, needs=needs)
def test_others_are_handed_out_no_earlier(seen: Seen) -> None:
    """
    When a call was given others, by its end the ones before had the margin left, or less.

    Whatever a busy machine delays makes that end later. The first of them do not count: when
    the ones before were fetched, somebody else was asking with the same token.
    """
    steady = seen["steady"].granted()
    others = [
        (before.evidence, after)
        for before, after in pairwise(steady)
        if before.evidence.access_key != after.evidence.access_key
    ][1:]

    with blaming(Stage.AGENT):
        assert others
        for before, after in others:
            assert before.expires_at is not None
            assert before.expires_at - after.ended <= MARGIN


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
def test_who_asks_has_the_new_role_when_the_agent_renews(seen: Seen, world: World) -> None:
    """
    Minutes before, it has the very session of before the update; then the new role's.

    It is one program with one token all the while, and no call fails.
    """
    hours, roles = seen.hours, world.contract.roles
    load = hours["swapped"].before(hours.away).granted()
    was, still, now = load[0], load.after(hours.early).before(hours.due)[-1], load[-1]

    with blaming(Stage.AGENT):
        assert still.evidence.access_key == was.evidence.access_key
        assert len(load.access_keys) == 2
        assert len(load.tokens) == 1
        for sample, role in ((still, "app"), (now, "next")):
            assert sample.evidence.identified().role_name == roles[role].name


@proves(SDK_IS_SWAPPED_LATER, needs=needs)
def test_sdk_that_has_credentials_keeps_the_old_role(seen: Seen, world: World) -> None:
    """
    In the same pod, with the same token, whoever starts anew has the next role already.

    For the SDK all six hours of its copy are left, because only for the agent some passed.
    """
    hours, roles = seen.hours, world.contract.roles
    anew = hours["starts anew"].before(hours.away).granted()
    swapped = next(one for one in anew if one.evidence.access_key != anew[0].evidence.access_key)
    sdk = hours["sdk"].granted()

    with blaming(Stage.SERVICE):
        assert swapped.evidence.identified().role_name == roles["next"].name
        assert len(sdk.access_keys) == 1
        late = sdk.after(swapped.ended)[-1].evidence
        assert late.identified().role_name == roles["app"].name


@proves(DROPPED_WHEN_RENEWED, needs=needs)
def test_token_of_a_deleted_association_gets_nothing_when_the_agent_renews(seen: Seen) -> None:
    """Until then it is given what it was before the deletion, and then what EKS Auth answers."""
    hours = seen.hours
    load = hours["deleted"].before(hours.away)
    with blaming(Stage.AGENT):
        assert load.refused
    first = load.refused[0]

    kept = load.before(first.began).granted()
    load.after(first.began).denied(Stage.EKS_AUTH, "ResourceNotFoundException")
    with blaming(Stage.AGENT):
        assert first.ended > hours.due
        assert len(kept.access_keys) == 1


@proves(FAILED_RENEWAL_IS_TRIED_AGAIN, needs=needs)
def test_outage_at_renewal_is_not_noticed_and_made_up_for(seen: Seen) -> None:
    """
    By its log the agent tried and failed; everybody was given what was kept, then others.

    Who is not known: it may have renewed some before, and EKS Auth is back before it has tried
    all.
    """
    hours = seen.hours

    for name in LATER:
        with blaming(Stage.AGENT):
            assert not hours[name].refused, "EKS Auth was away, but the agent had credentials"
        load = hours[name].unbroken()
        meanwhile = load.after(hours.away).before(hours.back).unbroken()
        with blaming(Stage.AGENT):
            assert len(meanwhile.access_keys) == 1
            assert load[-1].evidence.access_key != load[0].evidence.access_key
    with blaming(Stage.AGENT):
        assert hours.failed


@proves(MANY_ARE_SWEPT, needs=needs)
def test_many_that_are_due_in_one_sweep_are_renewed_a_few_at_a_time(seen: Seen) -> None:
    """
    The first sweep took no more than its rate, and later ones the rest.

    Less than an hour passed for the agent until they were all renewed, so of the old ones there
    were two hours left.
    """
    hours = seen.hours
    given = [key for name in LATER for key in hours[name].unbroken().access_keys]
    asked = Counter(one.access_key_fingerprint for one in hours.calls)
    at_once = sorted(
        one.at - hours.due
        for one in hours.calls
        if hours.due < one.at < hours.away and one.access_key_fingerprint in given
    )

    with blaming(Stage.AGENT):
        assert all(len(hours[name].access_keys) == 2 for name in LATER)
        assert all(asked[key] == 1 for key in given)
        for number, after in enumerate(at_once, start=1):
            assert number <= RENEWALS + RENEWALS_PER_SECOND * after.total_seconds()


@proves(FAILED_RENEWALS_ARE_COUNTED, needs=needs | {Capability.NODE_ISOLATION})
@pytest.mark.parametrize(
    "series",
    [
        'cache_state{state="evicted"}',
        'cache_errors{code="ResourceNotFoundException",type="NonRecoverable"}',
        'cache_errors{code="",type="Recoverable"}',
    ],
)
def test_failed_renewal_is_counted(series: str, seen: Seen) -> None:
    """Of the association that was deleted, and of EKS Auth while it was away: it gave no code."""
    with blaming(Stage.AGENT):
        assert f"pod_identity_{series} " in seen.metrics.granted().text
