"""
EKS Auth away, throttled, slow and failing; agents killed, late, and wrong about the time;
a webhook that is down.

One pod calls from the first to the last, through its SDK and by hand; others come while
something is broken. Each fault is one stretch of time, and most scenarios look at two: in
it, and after it. What nobody's fault may be, credentials of another or an answer that is
made up, would be seen as a call that is granted.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from conformance.emulator.records import EksAuthCall
from conformance.environment import Capability
from conformance.errors import HarnessError
from conformance.faults import EKS_AUTH_DOWN
from conformance.probes import Call, Evidence, Outcome, ask_agent, blaming, repeated
from conformance.probes.injected import injected_parts
from conformance.probes.plan import WHO_AM_I
from conformance.probes.samples import Samples
from conformance.requirements.agent import TOO_MANY_ARE_TURNED_AWAY
from conformance.requirements.eks_auth import (
    EXPIRED_TOKEN_IS_SAID,
    FAILURE_IS_500,
    LIMIT_IS_THE_ACCOUNTS,
    UNAVAILABLE_IS_503,
)
from conformance.requirements.marks import proves
from conformance.requirements.outages import (
    CLOCK_AHEAD_REFUSES,
    CLOCK_BEHIND_IS_WAITED_OUT,
    FLAPPING_IS_HIDDEN,
    MISSED_PODS_NEVER_HEAL,
    NEWCOMERS_GET_NOTHING,
    OUTAGE_IS_BRIDGED,
    OUTAGE_IS_SAID,
    OUTAGE_LEAVES_NOTHING,
    OUTAGES_ARE_TOLD_IN_PLAIN_TEXT,
    POD_BEFORE_ITS_AGENT,
    RESTART_IS_NOT_NOTICED,
    RESTARTED_AGENT_STARTS_ANEW,
    ROTATED_TOKEN_GETS_NOTHING,
    RUNNING_PODS_NOTICE_NO_OUTAGE,
    SLOW_IS_WAITED_FOR,
    THREE_ATTEMPTS,
    THROTTLING_IS_PASSED_ON,
    TOO_SLOW_IS_GIVEN_UP,
    WEBHOOK_DOWN_LETS_PODS_PASS,
)
from conformance.spec import Association, Role, Spec
from conformance.stages import Stage
from conformance.targets.own import OwnEnvironment
from conformance.world import ONCE, Pod, Probe, ProbeRequest, Running, World

ACCOUNT = "fault-app"

OWN = OwnEnvironment()
SPEC = Spec(
    roles=(Role(name="app"),),
    associations=(Association(namespace="shop", service_account=ACCOUNT, role="app"),),
)

SHORT_SECONDS = 20
"""Five more than the agent's margin: so long are credentials kept."""
SLOW_SECONDS, TOO_SLOW_SECONDS = 0.6, 1.5
"""The agent waits a second for an answer."""
TOKEN_SECONDS = 5
BEHIND_SECONDS, AHEAD_SECONDS = 3, 7200
"""A token that the harness asks for lives an hour."""
BURST, EACH_SECOND, MORE_THAN_ALLOWED = 500, 1000, 6000
WITHIN = timedelta(seconds=30)
NEVER = datetime.max.replace(tzinfo=UTC)

needs = {Capability.OWN_ENVIRONMENT, Capability.FAULTS, Capability.MINT_TOKENS}


@dataclass(frozen=True)
class Stretch:
    """From when on something was surely so, and until when."""

    began: datetime
    ended: datetime = NEVER

    def of(self, load: Samples) -> Samples:
        return load.after(self.began).before(self.ended)


@dataclass
class Seen:
    """What the pods saw, and when which part was how."""

    load: dict[str, Samples] = field(default_factory=dict)
    when: dict[str, Stretch] = field(default_factory=dict)
    once: dict[str, Evidence] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)
    """What was injected while the webhook was down, and afterwards into another pod."""
    injected: list[str] = field(default_factory=list)
    calls: list[EksAuthCall] = field(default_factory=list)
    checks_tokens: bool = False
    """Whether this release of the agent finds out by itself that a rotated token is good."""

    def during(self, what: str, name: str) -> Samples:
        return self.when[what].of(self.load[name])

    def after(self, what: str, name: str) -> Samples:
        return self.load[name].after(self.when[what].ended)


class Day:
    """One bad day: what happens, in its order."""

    def __init__(self, world: World, pods: ExitStack) -> None:
        self.world = world
        self.pods = pods
        local = Capability.LOCAL_VALIDATION in world.environment.capabilities
        self.seen = Seen(checks_tokens=local)
        self.running: list[Running] = []
        self.tokens: dict[str, str] = {}
        self.holders: dict[str, Pod] = {}
        """The pods that tokens are bound to, by the names of these."""

    def token(self, *names: str) -> dict[str, str]:
        """A new token for each, bound to a pod of its own that never runs."""
        self.holders |= {name: self.world.stand_in("shop", ACCOUNT) for name in names}
        return {name: self.world.token(self.holders[name]) for name in names}

    def start(
        self, plan: Mapping[str, Call], *, node: str = "", given: Mapping[str, str] | None = None
    ) -> Running:
        """
        A pod that calls from now on, on the first one's node unless said otherwise.

        Each call presents the token that it is given by its name or a new one, unless its name
        says that it uses the pod's own.
        """
        node = node or (self.running[0].pod.node if self.running else "")
        given = given or {}
        new = [name for name in plan if not name.startswith("own") and name not in given]
        secrets = {**given, **self.token(*new)}
        request = ProbeRequest("shop", ACCOUNT, plan, name="app", secrets=secrets, node=node)
        pod = self.pods.enter_context(self.world.running({"app": request}))["app"]
        self.running.append(pod)
        return pod

    def ask(self, *names: str) -> Probe:
        """A pod that asks once for each name, one after the other, presenting a new token."""
        new = [name for name in names if name not in self.tokens]
        self.tokens |= self.token(*new)
        plan = {name: ask_agent(name) for name in names}
        node = self.running[0].pod.node
        request = ProbeRequest("shop", ACCOUNT, plan, "asker", secrets=self.tokens, node=node)
        return self.world.probe_all({"asker": request})["asker"]

    def flood(self) -> None:
        """Where the machine is busy a pod may ask too slowly, and no more than is looked at."""
        plan = {"flood": ask_agent(None, flood=MORE_THAN_ALLOWED)}
        node = self.running[0].pod.node

        def enough() -> bool:
            request = ProbeRequest("shop", ACCOUNT, plan, "flood", node=node)
            evidence = self.world.probe_all({"flood": request})["flood"]["flood"]
            self.seen.once["flood"] = evidence
            return not evidence.answer or answered(evidence, 400) < MORE_THAN_ALLOWED

        self.until("more was asked than is looked at", enough)

    def until(self, what: str, ask: Callable[[], object]) -> None:
        self.world.settles(what, ask, within=WITHIN, consecutive=ONCE)

    def now(self) -> datetime:
        return self.world.now()

    def direct(self, token: str, *, as_other: bool = False) -> Evidence:
        """EKS Auth asked without an agent; the same token at each call that names it."""
        if token not in self.tokens:
            self.tokens |= self.token(token)
        return self.world.eks_auth(self.tokens[token], as_other=as_other)

    # --- what happens

    def token_is_believed(self) -> None:
        with self.world.own.behaving(token_seconds=TOKEN_SECONDS):
            self.seen.once["in time"] = self.direct("short-lived")

    def token_has_expired(self) -> None:
        def refused() -> bool:
            self.seen.once["expired"] = self.direct("short-lived")
            return self.seen.once["expired"].outcome is not Outcome.GRANTED

        self.until("the token has expired", refused)

    def eks_auth_and_webhook_are_away(self) -> None:
        """
        Newcomers meanwhile: one with a token of its own, one that should be injected.

        And a token that was rotated: of a pod that the agent keeps credentials for.
        """
        own = self.world.own
        own.behave(credential_seconds=SHORT_SECONDS)
        brief = self.start({"brief": repeated(ask_agent("brief"), every=0.2)})
        with own.fault(EKS_AUTH_DOWN):
            began = self.now()
            with own.webhook_down():
                self.seen.missed = injected_parts(self.world.admitted("shop", ACCOUNT))
                self.start({"own missed": repeated(WHO_AM_I, fresh=True, every=0.5)})
                missing = self.now()
            self.seen.when["webhook"] = Stretch(began, missing)
            self.seen.injected = injected_parts(self.world.admitted("shop", ACCOUNT))
            fresh = self.start(
                {name: repeated(ask_agent(name), every=0.2) for name in ("fresh", "rotated")},
                given={"rotated": self.world.token(self.holders["steady"])},
            )
            self.until("the kept credentials are over", lambda: brief["brief"].refused)
            self.seen.when["outage"] = Stretch(began, self.now())
        over = self.now()
        own.behave(credential_seconds=3600)
        self.until("they are served", lambda: served(fresh["fresh"].after(over)))
        self.until("they are served", lambda: served(brief["brief"].after(over)))
        self.seen.when["outage over"] = Stretch(over, over)

    def agent_is_killed(self, app: Running) -> None:
        began = self.now()
        self.world.own.restart_agents()
        self.until("it is served", lambda: served(app["steady"].after(began)))
        # A new agent has kept nothing: whoever it has not asked for yet would ask later.
        self.until("everybody is served", lambda: self.all_served_since(began))
        self.seen.when["restart"] = Stretch(began, self.now())
        ended = self.now()
        self.until("the pod calls", lambda: app.called_since(ended))

    def all_served_since(self, moment: datetime) -> bool:
        """Whoever was injected, that is."""
        loads = [pod[name] for pod in self.running for name in pod if name != "own missed"]
        return all(served(load.after(moment)) for load in loads)

    def eks_auth_throttles(self) -> None:
        """One call is left; an agent that renews what it keeps may take it, and then once more."""

        def the_one_call_was_the_pods() -> bool:
            for name in ("passed", "throttled"):
                self.tokens.pop(name, None)
            with self.world.own.behaving(eks_auth_calls_per_second=0.01):
                probe = self.ask("passed", "throttled")
                again = self.ask("passed")
                self.seen.once["throttled directly"] = self.direct("direct")
                self.seen.once["another account"] = self.direct("direct", as_other=True)
            self.seen.once |= {name: probe[name] for name in probe} | {"kept": again["passed"]}
            return probe["passed"].outcome is Outcome.GRANTED

        self.until("the one call was the pod's", the_one_call_was_the_pods)
        self.seen.once["not throttled"] = self.ask("throttled")["throttled"]

    def eks_auth_is_slow_and_fails_once(self) -> None:
        with self.world.own.behaving(eks_auth_delay_seconds=SLOW_SECONDS):
            self.seen.once["slow"] = self.ask("slow")["slow"]
        with self.world.own.behaving(eks_auth_failures=1):
            self.seen.once["flapping"] = self.ask("flapping")["flapping"]
        with self.world.own.behaving(eks_auth_failures=1):
            self.seen.once["failing"] = self.direct("direct")
        self.seen.once["direct"] = self.direct("direct")
        failure = {"eks_auth_failures": 1, "eks_auth_failure": "ServiceUnavailableException"}
        with self.world.own.behaving(**failure):
            self.seen.once["unavailable"] = self.direct("direct")
        with self.world.own.behaving(eks_auth_delay_seconds=TOO_SLOW_SECONDS):
            self.seen.once["too slow"] = self.ask("too-slow")["too-slow"]

    def clocks_are_wrong(self, app: Running) -> None:
        with self.world.own.behaving(agent_clock_seconds=-BEHIND_SECONDS):
            early = self.start({"own early": repeated(ask_agent())})
            self.until("it is the token's time", lambda: served(early["own early"]))
            self.seen.when["behind"] = Stretch(self.now(), self.now())
        with self.world.own.behaving(agent_clock_seconds=AHEAD_SECONDS):
            began = self.now()
            self.until("the pod calls", lambda: len(app["steady"].after(began)) >= 2)
            self.seen.when["ahead"] = Stretch(began, self.now())
        right = self.now()
        self.until("the pod calls", lambda: len(app["steady"].after(right)) >= 2)
        self.seen.when["right again"] = Stretch(right, right)


def answered(flood: Evidence, status: int) -> int:
    """How many requests of a flood were answered so."""
    return int(flood.answer["Statuses"].get(str(status), 0))


def served(load: Samples) -> bool:
    return bool(len(load) - len(load.refused))


@pytest.fixture(scope="module")
def seen(world: World) -> Seen:
    with ExitStack() as pods:
        day = Day(world, pods)
        app = day.start({"own sdk": repeated(WHO_AM_I, every=0.2),
                         "steady": repeated(ask_agent("steady"))})  # fmt: skip
        # Whoever is refused before anything was broken is not to be looked at any further.
        app["steady"][:1].granted()
        day.token_is_believed()
        let_agents_come = pods.enter_context(world.own.no_agent_on_new_nodes())
        newcomer = day.start({"own newcomer": repeated(ask_agent(), every=0.2)}, node=joined(world))
        day.eks_auth_and_webhook_are_away()
        day.seen.when["without agent"] = Stretch(day.seen.when["outage"].began, day.now())
        let_agents_come()
        came = day.now()
        day.until("it is served", lambda: served(newcomer["own newcomer"].after(came)))
        day.seen.when["agent came"] = Stretch(came, came)
        day.agent_is_killed(app)
        day.eks_auth_throttles()
        day.eks_auth_is_slow_and_fails_once()
        day.clocks_are_wrong(app)
        day.token_has_expired()
        for pod in day.running:
            day.seen.load |= pod.so_far()
        day.seen.calls = world.records().eks_auth
        # When nobody is looked at any more, for all of them are turned away now and then.
        day.flood()
    return day.seen


def joined(world: World) -> str:
    """The name of a node that has just joined."""
    before = set(world.own.nodes())
    (group,) = world.eks("list_nodegroups").granted().answer["nodegroups"]
    size = {"minSize": 1, "maxSize": 2, "desiredSize": 2}
    world.eks("update_nodegroup_config", nodegroupName=group, scalingConfig=size).granted()
    new = world.eventually(
        "a node has joined", lambda: set(world.own.nodes()) - before, within=WITHIN
    )
    return new.pop()


# --- EKS Auth


@proves(RUNNING_PODS_NOTICE_NO_OUTAGE, needs=needs)
def test_who_has_credentials_notices_no_outage(seen: Seen) -> None:
    """One session all the while, and no call that failed."""
    load = seen.during("outage", "own sdk").unbroken()

    with blaming(Stage.SERVICE):
        assert len(load.access_keys) == 1


@proves(OUTAGE_IS_BRIDGED, needs=needs)
def test_kept_credentials_bridge_an_outage(seen: Seen) -> None:
    """Those with hours left for all of it, those with seconds left for these seconds."""
    steady = seen.during("outage", "steady").unbroken()
    brief = seen.during("outage", "brief")

    with blaming(Stage.AGENT):
        assert len(steady.access_keys) == 1
    brief[:1].unbroken()


@proves(OUTAGE_IS_SAID, needs=needs)
def test_outage_that_outlasts_the_credentials_is_said(seen: Seen) -> None:
    """From the first refusal on nothing is handed out any more, until EKS Auth is back."""
    brief = seen.during("outage", "brief")
    with blaming(Stage.AGENT):
        assert brief.refused
    first = brief.refused[0]

    over = seen.when["outage"].of(seen.load["brief"]).after(first.began)
    evidence = over.away(Stage.EKS_AUTH, "Unreachable")[0].evidence
    with blaming(Stage.AGENT):
        assert (evidence.status, evidence.message) == (500, "[]")


@proves(NEWCOMERS_GET_NOTHING, needs=needs)
def test_new_token_gets_nothing_in_an_outage(seen: Seen) -> None:
    """Others are served from the cache of the same agent at the same time."""
    seen.during("outage", "steady").unbroken()

    seen.during("outage", "fresh").away(Stage.EKS_AUTH, "Unreachable")


@proves(ROTATED_TOKEN_GETS_NOTHING, needs=needs)
def test_rotated_token_gets_nothing_in_an_outage(seen: Seen) -> None:
    """The first token of the same pod is served all the while: the second is as good as new."""
    steady = seen.during("outage", "steady").unbroken()
    rotated = seen.during("outage", "rotated")

    with blaming(Stage.AGENT):
        assert len(steady.access_keys) == 1
        if seen.checks_tokens:
            assert rotated.unbroken().access_keys == steady.access_keys
    if not seen.checks_tokens:
        rotated.away(Stage.EKS_AUTH, "Unreachable")


@proves(OUTAGES_ARE_TOLD_IN_PLAIN_TEXT, needs=needs)
@pytest.mark.parametrize("name", ["outage", "throttled", "too slow"])
def test_outages_are_told_in_plain_text(name: str, seen: Seen) -> None:
    """Whether EKS Auth was not there, had enough, or took too long."""
    evidence = seen.during("outage", "fresh")[0].evidence if name == "outage" else seen.once[name]
    code = "ThrottlingException" if name == "throttled" else "Unreachable"
    evidence.unanswered(Stage.EKS_AUTH, code)

    with blaming(Stage.AGENT):
        assert evidence.agent is not None
        assert evidence.agent.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert evidence.agent.headers["X-Content-Type-Options"] == "nosniff"
        assert evidence.agent.newline
        assert not evidence.agent.text.startswith("{")


@proves(OUTAGE_LEAVES_NOTHING, needs=needs)
@pytest.mark.parametrize("name", ["fresh", "brief"])
def test_after_an_outage_everybody_is_served_again(name: str, seen: Seen) -> None:
    """Nobody was restarted; who asks after the end is answered."""
    with blaming(Stage.AGENT):
        assert seen.during("outage", name).refused

    until_next = seen.after("outage over", name).before(seen.when["restart"].began)
    until_next.unbroken()


@proves(THROTTLING_IS_PASSED_ON, needs=needs)
def test_throttling_is_passed_on_and_hurts_newcomers_only(seen: Seen) -> None:
    """One call was left for the account: its token is served again, from what was kept."""
    first, refused, kept = (seen.once[name] for name in ("passed", "throttled", "kept"))
    first.granted()

    refused.unanswered(Stage.EKS_AUTH, "ThrottlingException")
    with blaming(Stage.AGENT):
        assert refused.status == 429
        assert kept.granted().access_key == first.access_key
    seen.once["not throttled"].granted()


@proves(THREE_ATTEMPTS, needs=needs | {Capability.RECORDS})
def test_agent_asks_three_times_at_most(seen: Seen) -> None:
    """One request of a pod, refused; what EKS Auth has counted of it."""
    token = seen.once["throttled"].unanswered(Stage.EKS_AUTH, "ThrottlingException").token
    assert token is not None
    asked = Counter(one.outcome for one in seen.calls if one.token_fingerprint == token.fingerprint)

    with blaming(Stage.AGENT):
        assert asked["Throttling"] == 3


def not_given_up(evidence: Evidence) -> Evidence:
    """EKS Auth was there all the time, so a pod that got no answer was given up by the agent."""
    with blaming(Stage.AGENT):
        assert evidence.agent is not None
        assert evidence.agent.status == 200, evidence.agent.text
    return evidence.granted()


@proves(FLAPPING_IS_HIDDEN, needs=needs | {Capability.RECORDS})
def test_single_failure_is_hidden(seen: Seen) -> None:
    """EKS Auth answered 500 first; the pod was answered 200."""
    token = not_given_up(seen.once["flapping"]).token
    assert token is not None
    asked = [one.outcome for one in seen.calls if one.token_fingerprint == token.fingerprint]

    with blaming(Stage.AGENT):
        assert asked == ["InternalServer", "ok"]


@proves(SLOW_IS_WAITED_FOR, needs=needs)
def test_slow_answer_is_waited_for(seen: Seen) -> None:
    """It took as long as it took, and it came."""
    evidence = not_given_up(seen.once["slow"])

    with blaming(Stage.AGENT):
        assert evidence.latency_ms >= SLOW_SECONDS * 1000


@proves(TOO_SLOW_IS_GIVEN_UP, needs=needs)
def test_answer_that_takes_too_long_is_given_up(seen: Seen) -> None:
    """Three attempts of a second each, and pauses between them; a shorter delay was waited for."""
    not_given_up(seen.once["slow"])
    evidence = seen.once["too slow"].unanswered(Stage.EKS_AUTH, "Unreachable")

    with blaming(Stage.AGENT):
        assert (evidence.status, evidence.message) == (500, "[]")
        assert 3000 <= evidence.latency_ms < 10_000


# --- EKS Auth, without an agent


@proves(EXPIRED_TOKEN_IS_SAID, needs=needs)
def test_expired_token_is_refused_as_expired(seen: Seen) -> None:
    """The very token that was believed before; an agent would have refused it by itself."""
    seen.once["in time"].granted()
    evidence = seen.once["expired"].denied(Stage.EKS_AUTH, "ExpiredTokenException")

    with blaming(Stage.EKS_AUTH):
        assert evidence.status == 400
        assert re.search(
            r"is expired: current date/time \S+ must be before the expiration date/time \S+",
            evidence.message,
        )


@proves(LIMIT_IS_THE_ACCOUNTS, needs=needs)
def test_limit_is_the_accounts(seen: Seen) -> None:
    """
    The second account has no such cluster, and is told so at the same moment.

    Whoever asks is looked at before what is asked for, so it would have been throttled.
    """
    seen.once["direct"].granted()
    evidence = seen.once["throttled directly"].unanswered(Stage.EKS_AUTH, "ThrottlingException")

    with blaming(Stage.EKS_AUTH):
        assert evidence.status == 429
        assert seen.once["another account"].code == "ResourceNotFoundException"


@proves(FAILURE_IS_500, needs=needs)
def test_failure_is_500(seen: Seen) -> None:
    """The same token is granted right after."""
    evidence = seen.once["failing"].unanswered(Stage.EKS_AUTH, "InternalServerException")

    with blaming(Stage.EKS_AUTH):
        assert evidence.status == 500
    seen.once["direct"].granted()


@proves(UNAVAILABLE_IS_503, needs=needs)
def test_unavailable_is_503(seen: Seen) -> None:
    """The same token was granted right before."""
    evidence = seen.once["unavailable"].unanswered(Stage.EKS_AUTH, "ServiceUnavailableException")

    with blaming(Stage.EKS_AUTH):
        assert evidence.status == 503
    seen.once["direct"].granted()


# --- agents


@proves(RESTARTED_AGENT_STARTS_ANEW, needs=needs)
def test_killed_agent_starts_anew(seen: Seen) -> None:
    """The same token in the same pod: other credentials, because the first ones are forgotten."""
    before = seen.during("outage", "steady").unbroken()
    after = seen.after("restart", "steady").before(seen.when["behind"].ended)

    after.unbroken()
    with blaming(Stage.AGENT):
        assert not set(before.access_keys) & set(after.access_keys)


@proves(RESTART_IS_NOT_NOTICED, needs=needs)
def test_killed_agent_is_not_noticed_by_who_has_credentials(seen: Seen) -> None:
    """Before, while and after it is killed: one session."""
    load = seen.load["own sdk"].after(seen.when["restart"].began)

    with blaming(Stage.SERVICE):
        assert len(load.unbroken().access_keys) == 1


@proves(TOO_MANY_ARE_TURNED_AWAY, needs=needs)
def test_agent_looks_at_a_thousand_requests_a_second(seen: Seen) -> None:
    """None of them has a token: who was looked at is told so, and the rest that it is too much."""
    flood = seen.once["flood"].granted()
    looked_at, turned_away = answered(flood, 400), answered(flood, 429)
    seconds = flood.answer["Seconds"]

    with blaming(Stage.AGENT):
        assert looked_at + turned_away == MORE_THAN_ALLOWED
        assert BURST <= looked_at <= BURST + EACH_SECOND * seconds + 1
    if not turned_away:
        raise HarnessError("a pod asked too slowly to be turned away", saw=f"{seconds} s")
    with blaming(Stage.AGENT):
        assert flood.answer["Texts"]["429"] == "Too Many Requests\n"


@proves(POD_BEFORE_ITS_AGENT, needs=needs | {Capability.NODE_ISOLATION})
def test_pod_that_is_there_before_its_agent_recovers(seen: Seen) -> None:
    """Nobody listens on the new node; then its agent comes, and the same pod is served."""
    seen.during("without agent", "own newcomer").away(Stage.AGENT, "Unreachable")

    came = seen.after("agent came", "own newcomer").before(seen.when["restart"].began)
    came.unbroken()


@proves(CLOCK_BEHIND_IS_WAITED_OUT, needs=needs)
def test_clock_that_is_behind_refuses_new_tokens_until_it_is_their_time(seen: Seen) -> None:
    """Exactly as long as the clock is behind; older tokens are served meanwhile."""
    early = seen.load["own early"]
    token = early[0].evidence.token
    assert token is not None
    valid = datetime.fromtimestamp(token.issued + BEHIND_SECONDS, UTC)

    early.before(valid).denied(Stage.AGENT, "TokenNotYetValid")
    early.after(valid).before(seen.when["behind"].ended).unbroken()
    seen.load["steady"].after(early[0].began).before(valid).unbroken()


@proves(CLOCK_AHEAD_REFUSES, needs=needs)
def test_clock_that_is_ahead_refuses_good_tokens(seen: Seen) -> None:
    """The token lives an hour, and the clock is two ahead; then it is right again."""
    before = seen.after("restart", "steady").before(seen.when["behind"].ended).unbroken()
    seen.during("ahead", "steady").denied(Stage.AGENT, "TokenExpired")

    with blaming(Stage.AGENT):
        after = seen.after("right again", "steady").unbroken()
        assert after.access_keys == before.access_keys


# --- the webhook


@proves(WEBHOOK_DOWN_LETS_PODS_PASS, needs=needs)
def test_while_the_webhook_is_down_pods_are_admitted_without_credentials(seen: Seen) -> None:
    """It was created and ran; its SDK found nothing to ask with."""
    with blaming(Stage.INJECTION):
        assert seen.missed == []

    seen.load["own missed"][:1].denied(Stage.INJECTION, "NoCredentials")


@proves(MISSED_PODS_NEVER_HEAL, needs=needs)
def test_missed_pod_never_heals_and_its_successor_is_injected(seen: Seen) -> None:
    """Long after the webhook is back, each new program in that pod still finds nothing."""
    with blaming(Stage.INJECTION):
        assert seen.injected

    seen.after("webhook", "own missed").denied(Stage.INJECTION, "NoCredentials")
