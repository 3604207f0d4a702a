"""
The agent as a pod sees it, without an SDK in between.

One pod asks in every way that a client might: each request differs from the plain one
in one thing. What the agent refuses by itself must never leave the node, so we look at
its answers and, where records are kept, at what reached EKS Auth.
"""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from conformance.environment import Capability
from conformance.probes import Call, Evidence, PromiseBroken, ask_agent, ask_node, blaming
from conformance.probes.forgery import with_algorithm, with_claims
from conformance.probes.plan import WHO_AM_I, AgentCall
from conformance.requirements.agent import (
    ACCOUNT_IS_THE_ROLES,
    AGENT_COUNTS_ITS_ANSWERS,
    AGENT_SAYS_THAT_IT_IS_WELL,
    AGENT_SIGNS_AS_ITS_NODE,
    CREDENTIALS_HAVE_THEIR_SHAPE,
    ERRORS_ARE_PLAIN_TEXT,
    EXPIRATION_IS_RFC3339,
    HITS_ARE_RENEWALS,
    HOST_IS_CHECKED_FIRST,
    HOST_MAY_HAVE_A_PORT,
    IPV6_ANSWERS_ALIKE,
    IPV6_REFUSES_ALIKE,
    METHOD_IS_IGNORED,
    MISSES_ARE_COUNTED,
    NO_SECRET_IN_THE_LOG,
    ONLY_ONE_PATH_ANSWERS,
    OTHER_HOSTS_ARE_REFUSED,
    QUERY_IS_IGNORED,
    REFUSALS_ARE_NOT_SHARED,
    STATUS_IS_PASSED_ON,
    UNCLEAN_PATH_IS_REDIRECTED,
)
from conformance.requirements.agent_tokens import (
    ADDRESSES_DO_NOT_SHARE_CREDENTIALS,
    BEARER_IS_REFUSED,
    BLANKS_AROUND_A_TOKEN_ARE_TRIMMED,
    BOTH_DATES_ARE_TOLD,
    EARLY_TOKEN_IS_REFUSED,
    EMPTY_TOKEN_IS_REFUSED,
    EXPIRED_TOKEN_IS_REFUSED,
    LOCAL_REFUSALS_STAY_ON_THE_NODE,
    MALFORMED_TOKEN_IS_REFUSED,
    ONE_CALL_FOR_MANY_REQUESTS,
    PODS_DO_NOT_SHARE_CREDENTIALS,
    REFUSALS_ARE_NOT_KEPT,
    ROTATED_TOKEN_IS_CHECKED_ON_THE_NODE,
    ROTATED_TOKEN_IS_THE_SAME_POD,
    SAME_TOKEN_SAME_CREDENTIALS,
    UNKNOWN_ALGORITHM_IS_REFUSED,
    WITHOUT_DATES_EKS_AUTH_DECIDES,
)
from conformance.requirements.marks import proves
from conformance.spec import Association, Role, Spec
from conformance.stages import Stage
from conformance.world import Probe, ProbeRequest, World

APP = "agent-app"
STRANGER = "agent-stranger"

SPEC = Spec(
    roles=(Role(name="app"),),
    associations=(Association(namespace="shop", service_account=APP, role="app"),),
)

PATHS = ("/", "/v1/credentials/", "/v1/credentials/app", "/v2/credentials", "/healthz")
METADATA = "/latest/meta-data/iam/security-credentials/"
METHODS = ("POST", "PUT", "PATCH", "DELETE")
HOSTS = {
    "localhost": "localhost",
    "loopback": "127.0.0.1",
    "IPv6 loopback": "[::1]",
    "the agent of ECS": "169.254.170.2",
    "a name": "agent.example.com",
}
SPELLINGS = {
    "another port": "169.254.170.23:8080",
    "IPv6": "[fd00:ec2::23]",
    "IPv6 with a port": "[fd00:ec2::23]:80",
}
EMPTY = {"no token": None, "an empty token": "", "blanks": "   "}
SEGMENTS = "token is malformed: token contains an invalid number of segments"
MALFORMED = {
    "a word": ("hello", SEGMENTS),
    "two segments": ("e30.e30", SEGMENTS),
    "no base64": (
        "!.!.!",
        "token is malformed: could not base64 decode header: illegal base64 data at input byte 0",
    ),
    "no JSON": (
        "eyJhbGciOiJSUzI1NiJ9.aGVsbG8.cw",
        (
            "token is malformed: could not JSON decode claim: "
            "invalid character 'h' looking for beginning of value"
        ),
    ),
    "an empty object": (
        "e30.e30.c2ln",
        "token is unverifiable: signing method (alg) is unspecified",
    ),
}
"""What is presented, and why it is no token."""
AT_ONCE, REFUSED_AT_ONCE = 20, 3

GOOD = partial(ask_agent, after="credentials")
"""A request that must be granted: nobody need wait for it where EKS Auth is away."""

PLAIN: dict[str, AgentCall] = {
    "metrics before": ask_node("/metrics", port=2705),
    "credentials": ask_agent(),
    "who am I": GOOD(then=WHO_AM_I),
    "with a query": GOOD(path="/v1/credentials?role=admin&namespace=kube-system"),
    "with a body": GOOD(method="POST", body='{"role": "admin"}'),
    "unclean": ask_agent(path="//v1/credentials"),
    "bearer": ask_agent(authorization="Bearer {token}"),
    "blanks around": GOOD(authorization="  {token} "),
    "other host without token": ask_agent(None, host="localhost"),
    "healthz": ask_node("/healthz", port=2705),
    "readyz": ask_node("/readyz", port=2705),
    "metrics": ask_node("/metrics", port=2705),
    **{f"path {path}": ask_agent(path=path) for path in (*PATHS, METADATA)},
    **{f"method {method}": GOOD(method=method) for method in METHODS},
    **{f"host {name}": ask_agent(host=host) for name, host in HOSTS.items()},
    **{f"host {name}": GOOD(host=host) for name, host in SPELLINGS.items()},
    **{
        name: ask_agent(None) if text is None else ask_agent(authorization=text)
        for name, text in EMPTY.items()
    },
    **{name: ask_agent(authorization=text) for name, (text, _) in MALFORMED.items()},
    "metrics afterwards": ask_node("/metrics", port=2705),
}
GRANTED_ALIKE = (
    "with a query",
    "with a body",
    "blanks around",
    *(f"method {method}" for method in METHODS),
    *(f"host {name}" for name in SPELLINGS),
)
"""Names of `PLAIN`: what is given the credentials that its token was given before."""
REFUSED_ALIKE = (
    "unclean",
    "bearer",
    "other host without token",
    *(f"path {path}" for path in (*PATHS, METADATA)),
    *(f"host {name}" for name in HOSTS),
    *EMPTY,
    *MALFORMED,
)
BAD_TOKENS = {
    "expired": "TokenExpired",
    "early": "TokenNotYetValid",
    "both dates": "TokenExpired",
    "algorithm": "TokenMalformed",
}
"""What the agent says of tokens that it refuses by itself."""
RELAYED = {
    "stranger": (404, "ResourceNotFoundException"),
    "audience": (400, "InvalidTokenException"),
    "issued ahead": (400, "InvalidTokenException"),
}
"""What EKS Auth says of tokens that the agent has nothing against."""


def secret(name: str) -> str:
    return name.replace(" ", "-")


IPV6 = "http://[fd00:ec2::23]"
BOTH_ADDRESSES: dict[str, Call] = {
    "ipv4": ask_agent(then=WHO_AM_I),
    "ipv6": ask_agent(address=IPV6, then=WHO_AM_I),
    **{
        f"ipv6 {name}": replace(PLAIN[name], address=IPV6, after="ipv6")
        for name in (*GRANTED_ALIKE, *REFUSED_ALIKE)
    },
    **{
        f"ipv6 {name}": ask_agent(secret(name), address=IPV6, after="ipv6")
        for name in (*BAD_TOKENS, *RELAYED)
    },
}


@pytest.fixture(scope="module")
def asking(world: World) -> Probe:
    """A pod that asks with its own token."""
    return world.probe("shop", APP, PLAIN, name="asking")


@pytest.fixture(scope="module")
def tokens(world: World) -> dict[str, str]:
    """
    Tokens of others, by name, bound to pods that never run.

    Dates and algorithms of some were changed under their signatures, which the agent does not
    check unless it keeps something for the pod.
    """
    now = datetime.now(UTC)
    passed = int((now - timedelta(seconds=2)).timestamp())
    in_an_hour = int((now + timedelta(hours=1)).timestamp())
    pod, other, third = (world.stand_in("shop", APP) for _ in range(3))
    stranger = world.stand_in("shop", STRANGER)
    token, audience = world.token(pod), world.token(third, audience="sts.amazonaws.com")
    secrets = {
        "token": token,
        "rotated": world.token(pod),
        "other pod": world.token(other),
        "stranger": world.token(stranger),
        "refused twice": world.token(stranger),
        "refused at once": world.token(stranger),
        "audience": audience,
        # Nobody would grant it whatever its signature: its audience is wrong, too.
        "issued ahead": with_claims(audience, iat=in_an_hour),
        "forged": with_claims(token, exp=int((now + timedelta(hours=9)).timestamp())),
        "expired": with_claims(token, exp=passed),
        "early": with_claims(token, nbf=in_an_hour),
        "both dates": with_claims(token, exp=passed, nbf=in_an_hour),
        "no dates": with_claims(token, exp=None, nbf=None),
        "algorithm": with_algorithm(token, "XX256"),
    }
    return {secret(name): token for name, token in secrets.items()}


@pytest.fixture(scope="module")
def both(world: World, tokens: dict[str, str]) -> Probe:
    """A pod that asks at both addresses with its own token, and at one with those of others."""
    request = ProbeRequest("shop", APP, BOTH_ADDRESSES, name="both", secrets=tokens)
    return world.probe_all({"both": request})["both"]


@pytest.fixture(scope="module")
def presenting(world: World, tokens: dict[str, str]) -> Probe:
    """A pod that presents tokens of others, one after the other."""
    plan: dict[str, Call] = {
        "metrics before": ask_node("/metrics", port=2705),
        "at once": ask_agent("token", times=AT_ONCE),
        "afterwards": ask_agent("token", then=WHO_AM_I, after="at once"),
        "other pod": ask_agent("other-pod", then=WHO_AM_I, after="at once"),
        "rotated": ask_agent("rotated", then=WHO_AM_I, after="at once"),
        "forged": ask_agent("forged", after="at once"),
        "refused": ask_agent("refused-twice", after="at once"),
        "refused again": ask_agent("refused-twice", after="at once"),
        "refused at once": ask_agent("refused-at-once", times=REFUSED_AT_ONCE, after="at once"),
        "no dates": ask_agent("no-dates", after="at once"),
        **{name: ask_agent(secret(name), after="at once") for name in RELAYED},
        **{name: ask_agent(secret(name)) for name in BAD_TOKENS},
        "metrics": ask_node("/metrics", port=2705),
    }
    request = ProbeRequest("shop", APP, plan, name="presenting", secrets=tokens)
    return world.probe_all({"presenting": request})["presenting"]


def calls_with(evidence: Evidence, world: World) -> int:
    """How often EKS Auth was asked with the token that was presented."""
    assert evidence.token is not None
    mark = evidence.token.fingerprint
    return sum(call.token_fingerprint == mark for call in world.records().eks_auth)


def refused(evidence: Evidence, code: str, status: int, text: str) -> None:
    """The agent refused with exactly this status and text."""
    evidence.denied(Stage.AGENT, code)
    with blaming(Stage.AGENT):
        assert evidence.agent is not None
        assert (evidence.agent.status, evidence.agent.text) == (status, text)


def form(evidence: Evidence) -> tuple[object, ...]:
    """How a refusal is written, and what it says but for EKS Auth's request id."""
    assert evidence.agent is not None
    answer = evidence.agent
    headers = ("Content-Type", "X-Content-Type-Options", "Location")
    said = re.sub(r"^\[[0-9a-f-]+\]", "[request id]", answer.text)
    return answer.status, said, answer.newline, *map(answer.headers.get, headers)


# --- what it gives


@proves(CREDENTIALS_HAVE_THEIR_SHAPE)
def test_credentials_are_one_json_object(asking: Probe) -> None:
    """Five members in their order, no more, under their type, and nothing after the object."""
    answer = asking["credentials"].granted().agent

    with blaming(Stage.AGENT):
        assert answer is not None
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.members == (
            "AccessKeyId", "SecretAccessKey", "Token", "AccountId", "Expiration",
        )  # fmt: skip
        assert not answer.newline


@proves(EXPIRATION_IS_RFC3339)
def test_expiration_is_a_moment_ahead(asking: Probe) -> None:
    """Written as SDKs parse it; far enough ahead that they keep what they were given."""
    evidence = asking["credentials"].granted()

    with blaming(Stage.AGENT):
        written = evidence.answer["Expiration"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d*[1-9])?Z", written)
        assert evidence.expires_at is not None
        assert evidence.expires_at - datetime.now(UTC) > timedelta(minutes=15)


@proves(ACCOUNT_IS_THE_ROLES)
def test_account_is_the_roles(asking: Probe) -> None:
    """What the agent says is what STS says of the same credentials."""
    account = asking["who am I"].identified().account

    with blaming(Stage.AGENT):
        assert asking["credentials"].granted().answer["AccountId"] == account


# --- what it is asked


@proves(ONLY_ONE_PATH_ANSWERS)
@pytest.mark.parametrize("path", [*PATHS, METADATA])
def test_only_one_path_answers(path: str, asking: Probe) -> None:
    """The token is good, so it is the path alone that is refused."""
    refused(asking[f"path {path}"], "NotFound", 404, "404 page not found")


@proves(UNCLEAN_PATH_IS_REDIRECTED)
def test_unclean_path_is_redirected(asking: Probe) -> None:
    """The redirection says where the credentials are, and holds none."""
    evidence = asking["unclean"].denied(Stage.AGENT, "HTTP307")

    with blaming(Stage.AGENT):
        assert evidence.agent is not None
        assert evidence.agent.headers["Location"] == "/v1/credentials"


# Without networks of their own any agent may answer a pod, each from a cache of its own.
@proves(QUERY_IS_IGNORED, needs={Capability.NODE_ISOLATION})
def test_query_changes_nothing(asking: Probe) -> None:
    """It asks for another role and namespace, and gets what the plain request got."""
    plain = asking["credentials"].granted()

    with blaming(Stage.AGENT):
        assert asking["with a query"].granted().access_key == plain.access_key


@proves(METHOD_IS_IGNORED, needs={Capability.NODE_ISOLATION})
@pytest.mark.parametrize("name", [*(f"method {method}" for method in METHODS), "with a body"])
def test_method_does_not_matter(name: str, asking: Probe) -> None:
    """Each gets what the plain GET got."""
    plain = asking["credentials"].granted()

    with blaming(Stage.AGENT):
        assert asking[name].granted().access_key == plain.access_key


@proves(OTHER_HOSTS_ARE_REFUSED, needs={Capability.NODE_ISOLATION})
@pytest.mark.parametrize("name", HOSTS)
def test_request_for_another_host_is_refused(name: str, asking: Probe) -> None:
    """It came to the right address with a good token; only its Host is another one."""
    asking["credentials"].granted()

    refused(
        asking[f"host {name}"],
        "InvalidAddress",
        403,
        "Access Denied. Called agent through invalid address, please use either "
        f"[169.254.170.23 fd00:ec2::23] address not {HOSTS[name].strip('[]')}",
    )


@proves(HOST_MAY_HAVE_A_PORT)
@pytest.mark.parametrize("name", SPELLINGS)
def test_port_and_brackets_do_not_matter(name: str, asking: Probe) -> None:
    """Also the other address's name on this one's listener."""
    asking[f"host {name}"].granted()


@proves(HOST_IS_CHECKED_FIRST)
def test_host_is_checked_before_the_token(asking: Probe) -> None:
    """Both are wrong, and the answer is about the host."""
    asking["other host without token"].denied(Stage.AGENT, "InvalidAddress")
    asking["no token"].denied(Stage.AGENT, "TokenEmpty")


@proves(ERRORS_ARE_PLAIN_TEXT)
@pytest.mark.parametrize(
    "name", ["no token", "a word", "host localhost", "path /", *BAD_TOKENS, *RELAYED, "no dates"]
)
def test_errors_are_plain_text(name: str, asking: Probe, presenting: Probe) -> None:
    """Refusals of each place in the agent and some of EKS Auth, all in the same form."""
    evidence = asking[name] if name in PLAIN else presenting[name]

    with blaming(Stage.INJECTION):
        assert evidence.agent is not None, evidence.message
    answer = evidence.agent
    with blaming(Stage.AGENT):
        assert answer.status >= 400
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.newline
        assert not answer.text.startswith("{")


@proves(STATUS_IS_PASSED_ON)
@pytest.mark.parametrize("name", RELAYED)
def test_status_of_eks_auth_is_the_pods(name: str, presenting: Probe) -> None:
    """
    The agent has nothing against these tokens, so EKS Auth is asked, and what it says is passed on.

    404 for a service account without association: whoever reads it must see that one is missing.
    Neither audience nor `iat` is the agent's to judge.
    """
    evidence = presenting[name]
    if evidence.access_key:
        raise PromiseBroken("a token that is good for nothing was given credentials", Stage.AGENT)
    status, code = RELAYED[name]
    evidence.denied(Stage.EKS_AUTH, code)

    with blaming(Stage.AGENT):
        assert evidence.agent is not None
        assert evidence.agent.status == status
        assert re.fullmatch(rf"\[[0-9a-f-]+\]: \({code}\): .+, fault: client", evidence.agent.text)


@proves(IPV6_ANSWERS_ALIKE, needs={Capability.NODE_ISOLATION})
def test_ipv6_address_answers_alike(both: Probe) -> None:
    """Each listener keeps its own credentials, so identity and shape must be the same."""
    pair = both["ipv4"], both["ipv6"]
    four, six = (one.identified() for one in pair)

    with blaming(Stage.AGENT):
        assert (six.account, six.role_name) == (four.account, four.role_name)
        shapes = [one.agent and (one.agent.members, one.agent.newline) for one in pair]
        assert shapes[0] == shapes[1]


@proves(IPV6_ANSWERS_ALIKE, needs={Capability.NODE_ISOLATION})
@pytest.mark.parametrize("name", GRANTED_ALIKE)
def test_ipv6_address_gives_the_same_to_the_same_token(name: str, both: Probe) -> None:
    """However it is asked: what the plain request got there is kept and given again."""
    plain = both["ipv6"].granted()

    with blaming(Stage.AGENT):
        assert both[f"ipv6 {name}"].granted().access_key == plain.access_key


@proves(IPV6_REFUSES_ALIKE, needs={Capability.NODE_ISOLATION})
@pytest.mark.parametrize("name", REFUSED_ALIKE)
def test_ipv6_address_refuses_alike(name: str, both: Probe, asking: Probe) -> None:
    """Status, text and form: one pod was told so at the one address, one at the other."""
    four, six = asking[name], both[f"ipv6 {name}"]
    six.denied(Stage.AGENT, four.code)

    with blaming(Stage.AGENT):
        assert form(six) == form(four)


@proves(IPV6_REFUSES_ALIKE, needs={Capability.NODE_ISOLATION})
@pytest.mark.parametrize("name", [*BAD_TOKENS, *RELAYED])
def test_ipv6_address_refuses_the_same_tokens(name: str, both: Probe, presenting: Probe) -> None:
    """What the agent refuses by itself, and what it passes on of EKS Auth."""
    four, six = presenting[name], both[f"ipv6 {name}"]
    if name in RELAYED:
        six.denied(Stage.EKS_AUTH, RELAYED[name][1])
    else:
        six.denied(Stage.AGENT, BAD_TOKENS[name])

    with blaming(Stage.AGENT):
        assert form(six) == form(four)


@proves(ADDRESSES_DO_NOT_SHARE_CREDENTIALS, needs={Capability.NODE_ISOLATION})
def test_each_address_has_credentials_of_its_own(both: Probe) -> None:
    """One pod, one token, one agent: two sessions, named alike but for their UUIDs."""
    four, six = both["ipv4"], both["ipv6"]
    [names, others] = [one.identified().session_name for one in (four, six)]

    with blaming(Stage.AGENT):
        assert four.token == six.token
        assert four.access_key != six.access_key
        assert names[:-36] == others[:-36]


# --- tokens


@proves(EMPTY_TOKEN_IS_REFUSED)
@pytest.mark.parametrize("name", EMPTY)
def test_request_without_a_token_is_refused(name: str, asking: Probe) -> None:
    """No header, an empty one, one of blanks: it is told that the token is missing."""
    refused(asking[name], "TokenEmpty", 400, "Service account token cannot be empty")


@proves(MALFORMED_TOKEN_IS_REFUSED)
@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_token_is_refused(name: str, asking: Probe) -> None:
    """Five texts that are no JWT; each is told why it cannot be parsed."""
    _, reason = MALFORMED[name]

    refused(
        asking[name],
        "TokenMalformed",
        400,
        f"Service account token cannot be parsed: {reason}",
    )


@proves(BEARER_IS_REFUSED)
def test_bearer_in_front_is_refused(asking: Probe) -> None:
    """The same token without the word is granted; with it, the sixth byte is no base64."""
    asking["credentials"].granted()

    refused(
        asking["bearer"],
        "TokenMalformed",
        400,
        "Service account token cannot be parsed: token is malformed: could not base64 decode "
        "header: illegal base64 data at input byte 6",
    )


@proves(EXPIRED_TOKEN_IS_REFUSED)
def test_expired_token_is_refused(presenting: Probe) -> None:
    """It expired two seconds before the pod was made; a clock's leeway would let it pass."""
    refused(
        presenting["expired"],
        "TokenExpired",
        400,
        "Service account token failed basic claim validations: token is expired",
    )


@proves(EARLY_TOKEN_IS_REFUSED)
def test_token_that_is_not_valid_yet_is_refused(presenting: Probe) -> None:
    """Its nbf lies an hour ahead."""
    presenting["early"].denied(Stage.AGENT, "TokenNotYetValid")


@proves(BOTH_DATES_ARE_TOLD)
def test_token_that_is_wrong_in_both_dates_is_told_both(presenting: Probe) -> None:
    """It expired, and is not valid yet."""
    evidence = presenting["both dates"].denied(Stage.AGENT, "TokenExpired")

    with blaming(Stage.AGENT):
        assert evidence.status == 400
        assert evidence.message.endswith(": token is expired, token is not valid yet")


@proves(WITHOUT_DATES_EKS_AUTH_DECIDES)
def test_token_without_dates_is_left_to_eks_auth(presenting: Probe) -> None:
    """Its signature is that of a token with dates, so EKS Auth does not believe it."""
    presenting["at once"].granted()

    presenting["no dates"].denied(Stage.EKS_AUTH, "InvalidTokenException")


@proves(UNKNOWN_ALGORITHM_IS_REFUSED)
def test_token_of_an_unknown_algorithm_is_refused(presenting: Probe) -> None:
    """Everything else about it is good; the text names the algorithm as the reason."""
    evidence = presenting["algorithm"].denied(Stage.AGENT, "TokenMalformed")

    with blaming(Stage.AGENT):
        assert evidence.message.endswith(
            "token is unverifiable: signing method (alg) is unavailable"
        )


@proves(LOCAL_REFUSALS_STAY_ON_THE_NODE, needs={Capability.RECORDS, Capability.NODE_ISOLATION})
def test_local_refusals_never_leave_the_node(
    asking: Probe, presenting: Probe, world: World
) -> None:
    """
    EKS Auth heard of the good tokens and of none that were refused on the node.

    The status alone would not prove it: an agent that forwarded the request and
    relayed the refusal would answer the same.
    """
    presenting["at once"].granted()
    for name in BAD_TOKENS:
        with blaming(Stage.AGENT):
            assert calls_with(presenting[name], world) == 0, name
    # The pod's own token was refused time and again, and asked about when it was good.
    good = asking["credentials"].granted()
    with blaming(Stage.AGENT):
        assert all(asking[name].access_key == "" for name in REFUSED_ALIKE)
        assert calls_with(good, world) == 1


@proves(BLANKS_AROUND_A_TOKEN_ARE_TRIMMED, needs={Capability.NODE_ISOLATION})
def test_blanks_around_the_token_do_not_matter(asking: Probe) -> None:
    """It is given the very credentials that the token itself was given."""
    plain = asking["credentials"].granted()

    with blaming(Stage.AGENT):
        assert asking["blanks around"].granted().access_key == plain.access_key


# --- whose credentials it keeps


@proves(SAME_TOKEN_SAME_CREDENTIALS, needs={Capability.NODE_ISOLATION})
def test_same_token_gets_the_same_credentials(asking: Probe, presenting: Probe) -> None:
    """Twenty requests at once, and one after them: all were given the same."""
    together, after = presenting["at once"].granted(), presenting["afterwards"].granted()

    with blaming(Stage.AGENT):
        assert together.answer["Different"] == 1
        assert after.access_key == together.access_key
        assert asking["who am I"].granted().access_key == asking["credentials"].access_key


@proves(ONE_CALL_FOR_MANY_REQUESTS, needs={Capability.RECORDS, Capability.NODE_ISOLATION})
def test_many_requests_at_once_are_one_call(presenting: Probe, world: World) -> None:
    """All twenty came with a token that this agent had never seen; EKS Auth saw it once."""
    together = presenting["at once"].granted()

    with blaming(Stage.AGENT):
        assert calls_with(together, world) == 1


@proves(PODS_DO_NOT_SHARE_CREDENTIALS)
def test_pods_of_one_service_account_have_their_own(presenting: Probe) -> None:
    """Tokens of two pods, presented to one agent: two sessions, each named after its pod."""
    one, other = presenting["afterwards"].granted(), presenting["other pod"].granted()

    with blaming(Stage.AGENT):
        assert one.access_key != other.access_key
        assert one.identified().session_name != other.identified().session_name
        assert one.identified().role_name == other.identified().role_name


@proves(ROTATED_TOKEN_IS_THE_SAME_POD)
def test_rotated_token_goes_on_as_the_same_pod(presenting: Probe) -> None:
    """Whether it gets the same session or a new one differs between releases; not whose it is."""
    first, rotated = presenting["afterwards"], presenting["rotated"]
    [before, after] = [one.identified() for one in (first, rotated)]

    with blaming(Stage.AGENT):
        assert first.token != rotated.token
        assert before.role_name == after.role_name
        # The UUID at the end is of the session.
        assert before.session_name[:-36] == after.session_name[:-36]


@proves(
    ROTATED_TOKEN_IS_CHECKED_ON_THE_NODE,
    needs={Capability.LOCAL_VALIDATION, Capability.RECORDS, Capability.NODE_ISOLATION},
)
def test_rotated_token_is_checked_on_the_node(presenting: Probe, world: World) -> None:
    """
    It is given the pod's credentials, the agent says that it checked it, and EKS Auth never saw it.

    The forged one claims to be of the same pod: EKS Auth saw that one, and refused it.
    """
    first, rotated, forged = (presenting[name] for name in ("afterwards", "rotated", "forged"))
    if forged.access_key:
        raise PromiseBroken("a forged token was given what is kept for its pod", Stage.AGENT)
    forged.denied(Stage.EKS_AUTH, "InvalidTokenException")

    with blaming(Stage.AGENT):
        assert rotated.granted().access_key == first.granted().access_key
        assert [calls_with(one, world) for one in (rotated, forged)] == [0, 1]
        metrics = presenting["metrics"].granted().text
        for result in ("success", "failure"):
            assert counted(metrics, f'local_validation{{result="{result}"}}') >= 1, result


@proves(REFUSALS_ARE_NOT_KEPT, needs={Capability.RECORDS})
def test_refusals_are_not_kept(presenting: Probe, world: World) -> None:
    """One token was refused twice, and EKS Auth was asked both times."""
    again = presenting["refused again"]
    if again.access_key:
        raise PromiseBroken("a token without association was given credentials", Stage.AGENT)
    again.denied(Stage.EKS_AUTH, "ResourceNotFoundException")

    with blaming(Stage.AGENT):
        assert calls_with(again, world) == 2


@proves(REFUSALS_ARE_NOT_SHARED, needs={Capability.RECORDS})
def test_refusals_are_not_shared(presenting: Probe, world: World) -> None:
    """Three requests at once, with a token that nobody had presented before: three calls."""
    together = presenting["refused at once"]
    if together.access_key:
        raise PromiseBroken("a token without association was given credentials", Stage.AGENT)
    together.denied(Stage.EKS_AUTH, "ResourceNotFoundException")

    with blaming(Stage.AGENT):
        assert calls_with(together, world) == REFUSED_AT_ONCE


# --- what it tells others


@proves(AGENT_SIGNS_AS_ITS_NODE, needs={Capability.RECORDS})
def test_agent_asks_as_its_node(asking: Probe, world: World) -> None:
    """The caller of the pod's call is a session of another role, named after an instance."""
    evidence = asking["who am I"].granted()
    callers = {
        call.caller_arn
        for call in world.records().eks_auth
        if call.access_key_fingerprint == evidence.access_key
    }

    with blaming(Stage.AGENT):
        assert len(callers) == 1
        assert re.fullmatch(r"arn:[^:]+:sts::\d+:assumed-role/[^/]+/i-[0-9a-f]+", callers.pop())


@proves(NO_SECRET_IN_THE_LOG, needs={Capability.NODE_ISOLATION})
def test_agent_logs_no_token(asking: Probe, presenting: Probe, world: World) -> None:
    """
    After all these requests no agent's log holds anything that looks like a token.

    The pods' addresses are there, so it is the right log that was read.
    """
    asking["credentials"].granted()
    presenting["at once"].granted()

    with blaming(Stage.AGENT):
        assert world.agent_requests(asking.pod) != []
        assert world.agent_requests(presenting.pod) != []
        for node, log in world.agent_logs().items():
            assert not re.search(r"eyJ[\w-]{8,}", log), f"a token in the log on {node}"


@proves(AGENT_SAYS_THAT_IT_IS_WELL, needs={Capability.NODE_ISOLATION})
@pytest.mark.parametrize("name", ["healthz", "readyz"])
def test_agent_says_that_it_is_well(name: str, asking: Probe) -> None:
    """Asked from a pod, at the port of the metrics, which listens on every address of the node."""
    with blaming(Stage.AGENT):
        assert asking[name].granted().text == ""


@proves(AGENT_COUNTS_ITS_ANSWERS, needs={Capability.NODE_ISOLATION})
@pytest.mark.parametrize("code", ["200", "400", "403", "404"])
def test_agent_counts_its_answers(code: str, asking: Probe, presenting: Probe) -> None:
    """
    Between two looks of one pod it has counted at least what this pod was answered.

    Paths that are not there it does not count, so the 404 are those that it passed on.
    """
    asking["credentials"].granted()
    presenting["at once"].granted()
    pod, names = {
        "200": (asking, GRANTED_ALIKE),
        "400": (asking, (*EMPTY, *MALFORMED, "bearer")),
        "403": (asking, [f"host {name}" for name in HOSTS]),
        "404": (presenting, ("stranger", "refused", "refused again")),
    }[code]
    before = pod["metrics before"].granted().text
    after = pod["metrics" if pod is presenting else "metrics afterwards"].granted().text

    with blaming(Stage.AGENT):
        answers = [one.agent.status for one in map(pod.__getitem__, names) if one.agent]
        assert answers == [int(code)] * len(names)
        assert grown(before, after, f'http_response{{code="{code}"}}') >= len(names)


@proves(MISSES_ARE_COUNTED, needs={Capability.NODE_ISOLATION})
def test_what_is_not_kept_is_a_miss(presenting: Probe) -> None:
    """Two tokens that the agent had not seen, and one twice that was refused, so not kept."""
    presenting["at once"].granted()
    presenting["other pod"].granted()
    for name in ("refused", "refused again"):
        presenting[name].denied(Stage.EKS_AUTH, "ResourceNotFoundException")
    before, after = (presenting[name].granted().text for name in ("metrics before", "metrics"))

    with blaming(Stage.AGENT):
        assert grown(before, after, 'cache_state{state="miss"}') >= 4


@proves(HITS_ARE_RENEWALS, needs={Capability.NODE_ISOLATION})
def test_hits_are_renewals(asking: Probe) -> None:
    """
    Everything that was granted between two looks came from the cache, and none was a hit.

    A renewal may fall between them, so the count may grow, but not by as many.
    """
    served = [f"method {name}" for name in METHODS] + [f"host {name}" for name in SPELLINGS]
    for name in served:
        asking[name].granted()
    before, after = (asking[name].granted().text for name in ("metrics", "metrics afterwards"))

    with blaming(Stage.AGENT):
        assert grown(before, after, 'http_response{code="200"}') >= len(served)
        assert grown(before, after, 'cache_state{state="hit"}') < len(served)


def counted(text: str, series: str) -> int:
    """The value of a series, 0 where it is not there yet."""
    found = re.search(rf"^pod_identity_{re.escape(series)} (\d+)", text, re.MULTILINE)
    return int(found[1]) if found else 0


def grown(before: str, after: str, series: str) -> int:
    """By how much a series has grown from one look to the other."""
    return counted(after, series) - counted(before, series)
