"""Tokens and credentials that end while pods go on: what is renewed, when, and what is refused."""

from functools import partial

from conformance.requirements.model import Level, Requirement, Targets
from conformance.stages import Stage

_CACHE = "aws/eks-pod-identity-agent 0.1.37: internal/credsretriever/refreshing_cache.go"
_SESSIONS = "IAM user guide (API 2010-05-08), id_credentials_temp_use-resources"

_extended = partial(
    Requirement,
    level=Level.EXTENDED,
    stage=Stage.AGENT,
    since="agent 0.1.0",
    targets=Targets.EMULATED,
    aws_validated="never",
)

TOKEN_FILE_IS_REWRITTEN = _extended(
    id="rotation.token.rewritten",
    title="The token's file has another one in time",
    promise=(
        "Before a pod's token expires, another one for the same pod MUST stand in the same file."
    ),
    rationale="A token lives a day and a pod for months; nothing in the pod asks for another.",
    source=(
        "kubernetes/kubernetes 1.37.2: pkg/kubelet/token/token_manager.go, 80 % of a token's life"
    ),
    stage=Stage.INJECTION,
    since="Kubernetes 1.20",
)

TOKEN_FILE_IS_READ_AGAIN = _extended(
    id="rotation.token.read-again",
    title="An SDK that outlives its token uses the next one",
    promise=(
        "A program that runs for longer than its token lives MUST be given credentials all the "
        "while, by the token that is in the file."
    ),
    rationale="A token that is read once and kept works for a day, which is longer than a test.",
    source="botocore 1.43: credentials.ContainerProvider reads the file at each fetch",
    since="boto3 1.34.41",
)

CACHE_DOES_NOT_SAVE_A_TOKEN = _extended(
    id="rotation.token.expired",
    title="An expired token is refused, whatever was given for it",
    promise=(
        "From its exp on a token MUST be refused 'token is expired', although the credentials that "
        "were given for it are good still."
    ),
    rationale="A stolen token must not live as long as somebody goes on using it.",
    source="aws/eks-pod-identity-agent 0.1.37: internal/validation/request.go, before the cache",
)

NO_LOST_CALL_AT_RENEWAL = _extended(
    id="rotation.load",
    title="No call fails while credentials are renewed",
    promise="Under constant load no call MUST fail while a pod's credentials are renewed.",
    rationale="Credentials are renewed several times a day in every pod there is.",
    source=f"{_CACHE}; botocore 1.43: credentials.RefreshableCredentials",
)

RENEWED_BEFORE_THEIR_END = _extended(
    id="rotation.margin",
    title="Nobody is handed credentials that are about to end",
    promise=(
        "Credentials with 15 s or less to live MUST NOT be handed out; others are fetched then, "
        "and no earlier."
    ),
    rationale="A call that takes a moment must not find its credentials expired on arrival.",
    source=f"{_CACHE}: minCredentialTtl",
)

TOO_SHORT_IS_REFUSED = _extended(
    id="rotation.margin.refused",
    title="Credentials that EKS Auth gave too late are refused",
    promise=(
        "When what EKS Auth gives has 15 s or less to live, the agent MUST answer 500 'will expire "
        "within the next', and hand out nothing."
    ),
    rationale="Clocks that differ make fresh credentials look old; the pod has to be told so.",
    source=_CACHE,
)

RENEWAL_IS_ANOTHER_SESSION = _extended(
    id="rotation.session-name",
    title="A renewal is a session of its own",
    promise=(
        "Renewed credentials MUST be of the same role, in a session whose name ends in another "
        "UUID."
    ),
    rationale="What was authenticated by the old name, such as a connection to MSK, has to know.",
    source="CloudTrail record in the EKS workshop, 2024-04-16; aws/containers-roadmap#2362",
    stage=Stage.EKS_AUTH,
    since="EKS Auth API 2023-11-26",
)

RENEWAL_ENDS_NO_SESSION = _extended(
    id="rotation.overlap",
    title="A renewal ends nothing that was given before",
    promise="Credentials MUST go on working until they expire, also after others were given.",
    rationale="Programs of one pod renew at different moments.",
    source=_SESSIONS,
    stage=Stage.SERVICE,
    since="EKS Auth API 2023-11-26",
)

SESSION_ENDS_WHEN_IT_SAYS = _extended(
    id="rotation.session-ends",
    title="A session ends when it says",
    promise=(
        "Credentials MUST work until their expiration and be refused from then on: ExpiredToken."
    ),
    rationale="It is the only bound on what a leaked set of credentials can do.",
    source=_SESSIONS,
    stage=Stage.SERVICE,
    since="EKS Auth API 2023-11-26",
)

URL_ENDS_WITH_ITS_SESSION = _extended(
    id="rotation.presigned",
    title="A presigned URL ends with its session",
    promise="What was presigned with a session's credentials MUST be refused once that has ended.",
    rationale="URLs are handed to strangers, with an hour on them, by sessions with a minute left.",
    source=(
        "S3 user guide (API 2006-03-01), ShareObjectPreSignedURL: it expires with its credentials"
    ),
    stage=Stage.SERVICE,
    since="EKS Auth API 2023-11-26",
)

MANY_RENEW_AT_ONCE = _extended(
    id="rotation.many",
    title="Many pods renew at the same time",
    promise=(
        "When the credentials of many pods of a node are due at the same moment, no request MUST "
        "fail, and EKS Auth MUST be asked once for each set that is handed out."
    ),
    rationale="A deployment starts its pods together, so they are due together ever after.",
    source=f"{_CACHE}; aws/eks-pod-identity-agent#34 and #97",
)

MANY_ARE_SWEPT = _extended(
    id="rotation.many.sweep",
    title="Many that are due in one sweep are renewed a few at a time",
    promise=(
        "When a sweep of the agent finds the credentials of many pods due, it MUST renew two at "
        "first and three in two seconds then, and no more; go on handing out those that have to "
        "wait; and renew them in the next sweeps, long before they end."
    ),
    rationale="Pods that were started together must not use up EKS Auth's rate every three hours.",
    source=f"{_CACHE}; configuration/config.go, max-service-qps 3, of which each renewal takes two",
)

FAILED_RENEWAL_IS_TRIED_AGAIN = _extended(
    id="outage.renewal",
    title="A renewal that fails in an outage is not noticed, and made up for",
    promise=(
        "When EKS Auth is away at the moment of a renewal, the agent MUST go on handing out what "
        "it keeps, and renew it within minutes of EKS Auth's return."
    ),
    rationale="Credentials have three hours left then: enough for an outage, if they are kept.",
    source=f"{_CACHE}; internal/cloud/eksauth/errors.go, recoverable",
)

FAILED_RENEWALS_ARE_COUNTED = _extended(
    id="agent.metrics.renewal",
    title="Renewals that failed are counted by their code",
    promise=(
        "pod_identity_cache_errors MUST count failed renewals by code, as NonRecoverable where "
        'what was kept is dropped, which pod_identity_cache_state{state="evicted"} MUST count, '
        "and as Recoverable where it is kept."
    ),
    rationale="It tells that pods will be refused, or soon may be, before any of them is.",
    source=_CACHE,
)
