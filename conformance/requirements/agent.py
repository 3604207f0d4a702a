"""
What the agent answers to pods: addresses, paths, the shape of answers, its own ports.

What its counters say of failed renewals is promised where hours pass for it, in `rotation`.
Nothing is promised about a node without credentials of its own: the agent then answers 500
with whatever the SDK for Go says, and nobody takes them from a node in a scenario.
"""

from functools import partial

from conformance.requirements.model import Level, Requirement, Targets
from conformance.stages import Stage

_AGENT = "aws/eks-pod-identity-agent 0.1.37"
_HANDLERS = f"{_AGENT}: pkg/handlers"
_ERRORS = f"{_AGENT}: pkg/errors/errors.go"
_VALIDATION = f"{_AGENT}: internal/validation/request.go"
_SERVER = f"{_AGENT}: cmd/server.go, pkg/server/server.go"

_core = partial(
    Requirement,
    level=Level.CORE,
    source=_HANDLERS,
    stage=Stage.AGENT,
    since="agent 0.1.29",
    targets=Targets.ALL,
    aws_validated="never",
)
_extended = partial(_core, level=Level.EXTENDED)

CREDENTIALS_HAVE_THEIR_SHAPE = _core(
    id="agent.credentials",
    title="Credentials come as one JSON object",
    promise=(
        "Credentials MUST be answered as application/json, one object of AccessKeyId, "
        "SecretAccessKey, Token, AccountId and Expiration in this order, and nothing after it."
    ),
    rationale="Every SDK parses it, some strictly; instance metadata has other members.",
    source=f"{_AGENT}: pkg/credentials/model.go",
)

EXPIRATION_IS_RFC3339 = _core(
    id="agent.credentials.expiration",
    title="The expiration is a moment in UTC that lies ahead",
    promise=(
        "Expiration MUST be RFC 3339 in UTC ending in Z, and lie more than 15 minutes ahead: an "
        "SDK would ask again at every call otherwise."
    ),
    rationale="SDKs renew by it; botocore does so 15 minutes before it.",
    source=f"{_AGENT}: pkg/credentials/model.go; botocore 1.43.106: credentials.py",
)

ACCOUNT_IS_THE_ROLES = _core(
    id="agent.credentials.account",
    title="The account is that of the role",
    promise="AccountId MUST be the account of the role whose credentials are given.",
    rationale="SDKs choose account-based endpoints by it.",
    source=f"{_AGENT}: pkg/credentials/model.go, parsed from assumedRoleUser.arn",
)

ONLY_ONE_PATH_ANSWERS = _core(
    id="agent.path",
    title="Only /v1/credentials answers",
    promise=(
        "Any other path, /v1/credentials/ and instance metadata's too, MUST be answered 404 "
        "'404 page not found'."
    ),
    rationale="The agent's own probes rely on that 404, and it is no metadata service.",
    source=_SERVER,
)

UNCLEAN_PATH_IS_REDIRECTED = _extended(
    id="agent.path.unclean",
    title="An unclean path is redirected",
    promise="A path such as //v1/credentials MUST be redirected to its clean form, not answered.",
    rationale="Who joins an address and a path carelessly must not get credentials by luck.",
    source=f"{_SERVER}; Go 1.26: net/http, ServeMux",
)

QUERY_IS_IGNORED = _extended(
    id="agent.query",
    title="A query changes nothing",
    promise="/v1/credentials MUST be answered alike with any query.",
    rationale="Neither role nor identity can be asked for; the token alone decides.",
)

METHOD_IS_IGNORED = _extended(
    id="agent.method",
    title="The method does not matter",
    promise="GET, POST, PUT, PATCH and DELETE, with a body or without, MUST be answered alike.",
    rationale="Clients differ, and a request that gives credentials must be judged by its token.",
)

OTHER_HOSTS_ARE_REFUSED = _core(
    id="agent.host",
    title="A request for another host is refused",
    promise=(
        "A request whose Host is not 169.254.170.23 or fd00:ec2::23 MUST be refused with 403, and "
        "the text names the addresses to use."
    ),
    rationale="It stops web pages and proxies from reaching the agent by another name.",
    source=f"{_HANDLERS}; {_VALIDATION}",
)

HOST_MAY_HAVE_A_PORT = _extended(
    id="agent.host.spelling",
    title="Port and brackets in Host do not matter",
    promise="Either address MUST be accepted in Host with any port, the IPv6 one in brackets.",
    rationale="HTTP clients spell it in all these ways.",
    source=_VALIDATION,
)

HOST_IS_CHECKED_FIRST = _extended(
    id="agent.host.first",
    title="The host is checked before the token",
    promise="A request for another host MUST be told 403 whatever its token, or without one.",
    rationale="Somebody who may not ask at all learns nothing about tokens.",
    source=_VALIDATION,
)

ERRORS_ARE_PLAIN_TEXT = _core(
    id="agent.errors",
    title="Errors are plain text",
    promise=(
        "Every refusal MUST be text/plain; charset=utf-8 with X-Content-Type-Options nosniff and "
        "end with a newline; it MUST NOT be JSON."
    ),
    rationale="Logs show it as it is, and an SDK that expects JSON says so instead of the reason.",
    source=_ERRORS,
)

STATUS_IS_PASSED_ON = _core(
    id="agent.relay",
    title="EKS Auth's status is the pod's",
    promise=(
        "When EKS Auth answers with an error, the agent MUST answer with the same status, 404 "
        "too, and '[request id]: (code): message, fault: client'. What is wrong with audience or "
        "iat of a token it MUST leave to EKS Auth to say."
    ),
    rationale="A missing association, a bad token and a bad trust policy need different people.",
    source=_ERRORS,
    since="agent after 0.0.25, which answered 500",
)

IPV6_ANSWERS_ALIKE = _extended(
    id="agent.ipv6",
    title="The IPv6 address answers as the IPv4 one does",
    promise=(
        "http://[fd00:ec2::23]/v1/credentials MUST give the same identity to the same token, and "
        "the same credentials with any method, query and accepted Host."
    ),
    rationale="On IPv6 clusters it is the only one that pods are told.",
    source=_SERVER,
)

IPV6_REFUSES_ALIKE = _extended(
    id="agent.ipv6.refusals",
    title="The IPv6 address refuses as the IPv4 one does",
    promise=(
        "What is refused at the IPv4 address, by the agent or by EKS Auth, MUST be refused alike "
        "at the IPv6 one."
    ),
    rationale="A way around a check is one, whichever address it leads through.",
    source=_SERVER,
)

REFUSALS_ARE_NOT_SHARED = _extended(
    id="agent.cache.refusals.at-once",
    title="Refusals are not shared",
    promise="Of requests that come at once and are refused by EKS Auth, each MUST be asked for.",
    rationale="Who asks just after a repair must not be told of an attempt before it.",
    source=f"{_AGENT}: internal/credsretriever; its pull request 73",
    targets=Targets.EMULATED,
)

TOO_MANY_ARE_TURNED_AWAY = _extended(
    id="agent.rate",
    title="A thousand requests a second are looked at, the rest is turned away",
    promise=(
        "Of more requests than 500 and 1000 a second at one address, the agent MUST answer the "
        "rest 429 'Too Many Requests' before it looks at them."
    ),
    rationale="One pod that asks in a loop must not take the node's processor from all others.",
    source=f"{_AGENT}: internal/middleware/rate_limiter, configuration/config.go",
    targets=Targets.EMULATED,
)

AGENT_SIGNS_AS_ITS_NODE = _extended(
    id="agent.caller",
    title="The agent asks as its node",
    promise="EKS Auth MUST be asked by a session of the node's role, named after its instance.",
    rationale="Pods need no permission of their own for it, and CloudTrail tells the node.",
    source=f"{_AGENT}: internal/cloud/eksauth; EKS user guide, pod-id-agent-setup (390223ef)",
    targets=Targets.EMULATED,
)

NO_SECRET_IN_THE_LOG = _core(
    id="agent.log",
    title="The agent logs no token",
    promise="The agent's log MUST say who asked, and MUST NOT hold a token, whole or in part.",
    rationale="Node logs are read and shipped by many who may not act as every pod of the node.",
    source=f"{_AGENT}: internal/middleware/logger",
)

AGENT_SAYS_THAT_IT_IS_WELL = _extended(
    id="agent.health",
    title="The agent says that it is well",
    promise="/healthz and /readyz at port 2705 MUST answer 200 without a body.",
    rationale="Probes that fail restart the agent, and with it every pod's renewal.",
    source=_SERVER,
)

AGENT_COUNTS_ITS_ANSWERS = _extended(
    id="agent.metrics",
    title="The agent counts its answers by status",
    promise=(
        "/metrics at port 2705 MUST count answers as pod_identity_http_response by code, refusals "
        "and what EKS Auth refused included."
    ),
    rationale="The one number that shows from outside how many pods are refused.",
    source=f"{_AGENT}: internal/middleware/metrics",
)

MISSES_ARE_COUNTED = _extended(
    id="agent.metrics.miss",
    title="A token that the agent has not seen is a miss",
    promise=(
        'pod_identity_cache_state{state="miss"} MUST count requests whose token is not kept, for '
        "which EKS Auth is asked."
    ),
    rationale="It is the number that the account's rate of EKS Auth is used up by.",
    source=f"{_AGENT}: internal/credsretriever/refreshing_cache.go",
)

HITS_ARE_RENEWALS = _extended(
    id="agent.metrics.hit",
    title="A 'hit' is a renewal, not an answer from the cache",
    promise=(
        'pod_identity_cache_state{state="hit"} MUST NOT count answers that were served from the '
        "cache: it counts renewals in the background."
    ),
    rationale="A hit rate that is made of it is wrong, and alarms on it fire for nothing.",
    source=f"{_AGENT}: internal/credsretriever/refreshing_cache.go",
)
