"""Which tokens the agent turns away itself, and whose credentials it keeps."""

from functools import partial

from conformance.requirements.model import Level, Requirement, Targets
from conformance.stages import Stage

_AGENT = "aws/eks-pod-identity-agent 0.1.37"
_VALIDATION = f"{_AGENT}: internal/validation/request.go"
_CACHE = f"{_AGENT}: internal/credsretriever"

_core = partial(
    Requirement,
    level=Level.CORE,
    source=_VALIDATION,
    stage=Stage.AGENT,
    since="agent 0.1.29",
    targets=Targets.ALL,
    aws_validated="never",
)
_extended = partial(_core, level=Level.EXTENDED)

EMPTY_TOKEN_IS_REFUSED = _core(
    id="agent.token.empty",
    title="A request without a token is refused",
    promise=(
        "A request without Authorization, or with an empty one, MUST be answered 400 "
        "'Service account token cannot be empty'."
    ),
    rationale="Clients that know only AWS_CONTAINER_AUTHORIZATION_TOKEN send none (aws-sdk-php).",
)

MALFORMED_TOKEN_IS_REFUSED = _core(
    id="agent.token.malformed",
    title="What is no token is refused",
    promise="A text that is no JWT MUST be answered 400 'cannot be parsed', with the reason.",
    rationale="A truncated file is told from a bad signature.",
)

BEARER_IS_REFUSED = _core(
    id="agent.token.bearer",
    title="'Bearer' in front of the token is refused",
    promise="Authorization: Bearer <token> MUST be answered 400: the token stands alone.",
    rationale="Everybody writes Bearer first; the answer must say what is wrong.",
)

EXPIRED_TOKEN_IS_REFUSED = _core(
    id="agent.token.expired",
    title="An expired token is refused",
    promise="A token whose exp has passed MUST be answered 400 'token is expired', without leeway.",
    rationale="The file was not re-read; asking EKS Auth again would not help.",
)

EARLY_TOKEN_IS_REFUSED = _extended(
    id="agent.token.not-yet-valid",
    title="A token that is not valid yet is refused",
    promise="A token whose nbf lies ahead MUST be answered 400 'token is not valid yet'.",
    rationale="A node's clock that is behind shows here first.",
)

BOTH_DATES_ARE_TOLD = _extended(
    id="agent.token.both-dates",
    title="A token that is wrong in both dates is told both",
    promise=(
        "A token whose exp has passed and whose nbf lies ahead MUST be answered 400 with both "
        "reasons, joined by a comma."
    ),
    rationale="Such a token was made by hand or by a broken clock, and one reason hides it.",
)

WITHOUT_DATES_EKS_AUTH_DECIDES = _extended(
    id="agent.token.no-dates",
    title="A token without dates is left to EKS Auth",
    promise="A token without exp and nbf MUST NOT be refused by the agent itself.",
    rationale="The agent reads tokens and believes none: what it cannot check others decide.",
)

UNKNOWN_ALGORITHM_IS_REFUSED = _extended(
    id="agent.token.algorithm",
    title="A token of an unknown algorithm is refused",
    promise=(
        "A token whose alg nobody knows MUST be answered 400 "
        "'token is unverifiable: signing method (alg) is unavailable'."
    ),
    rationale="It cannot be a cluster's.",
)

LOCAL_REFUSALS_STAY_ON_THE_NODE = _extended(
    id="agent.token.stays",
    title="What the agent refuses itself never leaves the node",
    promise="EKS Auth MUST NOT be asked about a request that the agent refuses by itself.",
    rationale="A crashing loop of bad requests must not use up the account's rate.",
    targets=Targets.EMULATED,
)

BLANKS_AROUND_A_TOKEN_ARE_TRIMMED = _extended(
    id="agent.token.blanks",
    title="Blanks around the token do not matter",
    promise="A token with blanks around it MUST be answered as the token itself.",
    rationale="SDKs send the file as it is, and editors add blanks.",
    source=f"{_VALIDATION}; Go 1.26: net/textproto",
)

SAME_TOKEN_SAME_CREDENTIALS = _core(
    id="agent.cache",
    title="The same token gets the same credentials",
    promise="Requests with one token MUST be given the same credentials until these are renewed.",
    rationale="Each process of a pod asks for itself; a session for each would be thousands.",
    source=_CACHE,
)

ONE_CALL_FOR_MANY_REQUESTS = _extended(
    id="agent.cache.one-call",
    title="Many requests at once are one call",
    promise="However many requests come with one new token at once, EKS Auth MUST be asked once.",
    rationale="A pod that starts many processes must not be throttled by its own start.",
    source=_CACHE,
    targets=Targets.EMULATED,
)

PODS_DO_NOT_SHARE_CREDENTIALS = _core(
    id="agent.cache.per-pod",
    title="Pods of one service account have their own credentials",
    promise=(
        "Two pods of one service account that ask one agent MUST be given different credentials, "
        "each in a session named after its pod."
    ),
    rationale="CloudTrail tells pods apart by it, and policies by kubernetes-pod-name.",
    source=_CACHE,
)

ADDRESSES_DO_NOT_SHARE_CREDENTIALS = _extended(
    id="agent.cache.per-address",
    title="Each address has credentials of its own",
    promise=(
        "One token that is presented at the IPv4 and at the IPv6 address MUST be given two "
        "sessions, both of its own pod."
    ),
    rationale="Calls to EKS Auth are planned by it: neither node nor pod is asked for once.",
    source=f"{_AGENT}: cmd/server.go, createServers; internal/credsretriever",
)

ROTATED_TOKEN_IS_THE_SAME_POD = _core(
    id="agent.cache.rotated",
    title="A rotated token goes on as the same pod",
    promise="A second token of the same pod MUST give the same role in a session of the same pod.",
    rationale="The kubelet rewrites the file while the pod runs.",
    source=f"{_CACHE}; its pull request 135",
)

ROTATED_TOKEN_IS_CHECKED_ON_THE_NODE = _extended(
    id="agent.cache.rotated.local",
    title="A rotated token is checked on the node",
    promise=(
        "A second token of a pod MUST be given what the agent keeps for that pod, without asking "
        "EKS Auth, if the cluster's published keys show that it is good; any other MUST be left "
        "to EKS Auth."
    ),
    rationale="A token that is rotated while EKS Auth is away must not cost its pod the role.",
    source=(
        "aws/eks-pod-identity-agent 0.2.1: internal/validation/token_validator.go; its pull "
        "requests 135, 143 and 150"
    ),
    since="agent 0.2.1, Kubernetes 1.34",
    targets=Targets.EMULATED,
)

REFUSALS_ARE_NOT_KEPT = _extended(
    id="agent.cache.refusals",
    title="Refusals are not kept",
    promise="A request that EKS Auth refused MUST be asked again when it is made again.",
    rationale="An association that was just made must not wait for an old refusal to expire.",
    source=f"{_CACHE}; its pull request 73",
    targets=Targets.EMULATED,
)
