"""
AssumeRoleForPodIdentity: who may call it, which tokens it believes, what it answers.

Its model declares nine errors, and eight are promised something about. Nobody has told what
InvalidRequestException is for, beside InvalidParameterException, so nobody can ask for it.
"""

from functools import partial

from conformance.requirements.model import Level, Requirement, Targets
from conformance.stages import Stage

_MODEL = "EKS Auth API 2023-11-26 (botocore 1.43.106), AssumeRoleForPodIdentity"

_core = partial(
    Requirement,
    level=Level.CORE,
    source=_MODEL,
    stage=Stage.EKS_AUTH,
    since="EKS Auth API 2023-11-26",
    targets=Targets.ALL,
    aws_validated="never",
)
_extended = partial(_core, level=Level.EXTENDED)
_provisional = partial(_core, level=Level.PROVISIONAL)

ANSWER_HAS_ITS_SHAPE = _core(
    id="eks-auth.answer",
    title="The answer says whose, of which association, as whom",
    promise=(
        "The answer MUST hold subject (namespace, service account), audience, the association's "
        "id and ARN, the assumed role's ARN and id, and credentials with their expiration."
    ),
    rationale="CSI drivers and command lines call EKS Auth themselves and read all of it.",
)

CALLER_NEEDS_PERMISSION = _core(
    id="eks-auth.permission",
    title="The caller needs permission to ask",
    promise=(
        "A caller without eks-auth:AssumeRoleForPodIdentity MUST be denied with "
        "AccessDeniedException, whatever token it presents."
    ),
    rationale="A token that leaked is of no use to somebody without that permission.",
    source=(
        "Service authorization reference, eks-auth (API 2023-11-26); AmazonEKSWorkerNodePolicy v3"
    ),
    stage=Stage.IAM,
)

PERMISSION_IS_FOR_A_CLUSTER = _core(
    id="eks-auth.permission.cluster",
    title="The permission is for a cluster",
    promise=(
        "A permission for this cluster's ARN MUST let a caller ask for it, and one for the ARN of "
        "another cluster MUST NOT."
    ),
    rationale="A node of one cluster must not act for pods of another.",
    source="Service authorization reference, eks-auth (API 2023-11-26): resource type cluster",
    stage=Stage.IAM,
)

UNKNOWN_CLUSTER_HAS_NO_PODS = _core(
    id="eks-auth.cluster",
    title="An unknown cluster is not found",
    promise="A request for a cluster that is not there MUST answer 404 ResourceNotFoundException.",
    rationale="An agent that was given the wrong cluster's name is told so.",
)

WITHOUT_ASSOCIATION_NO_ROLE = _core(
    id="eks-auth.association",
    title="Without an association there is no role",
    promise=(
        "A good token whose service account has no association MUST answer 404 "
        "ResourceNotFoundException."
    ),
    rationale="Being a pod of the cluster is worth nothing by itself.",
)

AUDIENCE_MUST_BE_POD_IDENTITY = _core(
    id="eks-auth.audience",
    title="A token for another audience is refused",
    promise=(
        "A token that the cluster signed for another audience, such as sts.amazonaws.com, MUST be "
        "refused as InvalidTokenException."
    ),
    rationale="A token for IRSA, or for some service in the cluster, must not become a role here.",
    source=f"{_MODEL}: audience is always pods.eks.amazonaws.com",
)

ISSUER_MUST_BE_THE_CLUSTER = _core(
    id="eks-auth.issuer",
    title="A token of another issuer is refused",
    promise="A token that names another issuer MUST be refused as InvalidTokenException.",
    rationale="Clusters have equal namespaces and service accounts; only the issuer differs.",
    source=f"{_MODEL}: InvalidTokenException",
)

TOKEN_MUST_BE_OF_A_POD = _provisional(
    id="eks-auth.bound",
    title="A token that is of no pod is refused",
    promise="A token of the service account alone, bound to no pod, MUST be refused.",
    rationale="Session name and tags name a pod; and such tokens outlive every pod.",
    source=f"{_MODEL}: the six session tags need a pod; the refusal itself was never seen",
)

WHAT_IS_NO_TOKEN_IS_REFUSED = _provisional(
    id="eks-auth.malformed",
    title="What is no token is refused",
    promise=(
        "A text that does not match the model's pattern of a token MUST be refused with 400 "
        "InvalidParameterException."
    ),
    rationale="Bad input is the caller's to mend, and no outage.",
    source=f"{_MODEL}: pattern of token; the refusal itself was never seen",
)

WHAT_IS_NO_CLUSTER_IS_REFUSED = _provisional(
    id="eks-auth.parameter",
    title="What cannot be a cluster's name is refused",
    promise=(
        "A request for a cluster whose name does not match the model's pattern MUST be refused "
        "with 400 InvalidParameterException."
    ),
    rationale="A name that was put together wrongly is told from a cluster that is gone.",
    source=f"{_MODEL}: pattern of clusterName; the refusal itself was never seen",
)

EXPIRED_TOKEN_IS_SAID = _extended(
    id="eks-auth.expired",
    title="An expired token is refused as expired",
    promise=(
        "A token whose exp has passed MUST be refused with 400 ExpiredTokenException, which says "
        "what time it is and when the token ended."
    ),
    rationale="Agents drop what they keep for it, and nobody takes a clock for a forgery.",
    source=f"{_MODEL}; the text as in aws/eks-pod-identity-agent#89",
    targets=Targets.EMULATED,
)

REFUSED_TRUST_IS_400 = _core(
    id="eks-auth.refused",
    title="A role that does not let EKS in is 400, not 403",
    promise=(
        "When the role's trust policy refuses, EKS Auth MUST answer its caller with "
        "AccessDeniedException and status 400."
    ),
    rationale=(
        "By the model a caller's own missing permission has this code and status, too: the text "
        "alone tells which role has to be mended."
    ),
    source=(
        "aws-samples/amazon-eks-security-immersion-day, 2024-04: the agent's log of the refusal, "
        "HTTP 400"
    ),
    stage=Stage.STS,
)

LIMIT_IS_THE_ACCOUNTS = _extended(
    id="eks-auth.throttled",
    title="Whoever asks too often is throttled, and no other account",
    promise=(
        "Beyond the account's rate EKS Auth MUST answer 429 ThrottlingException, and callers of "
        "another account MUST NOT be throttled by it."
    ),
    rationale="One account's storm must not stop another's pods.",
    source=f"{_MODEL}; aws/eks-pod-identity-agent#34 and #97: a limit for each account",
    targets=Targets.EMULATED,
)

FAILURE_IS_500 = _extended(
    id="eks-auth.failure",
    title="A failure of EKS Auth is 500",
    promise="When EKS Auth itself fails it MUST answer 500 InternalServerException.",
    rationale="Callers ask again after a 500, and never after a 400.",
    source=f"{_MODEL}: InternalServerException",
    targets=Targets.EMULATED,
)

UNAVAILABLE_IS_503 = _extended(
    id="eks-auth.unavailable",
    title="An EKS Auth that is unavailable is 503",
    promise="When EKS Auth cannot serve now it MUST answer 503 ServiceUnavailableException.",
    rationale="Callers ask again later: nothing of what they sent was wrong, and nothing failed.",
    source=f"{_MODEL}: ServiceUnavailableException",
    targets=Targets.EMULATED,
)

CREDENTIALS_LIVE_SIX_HOURS = _core(
    id="eks-auth.lifetime",
    title="Credentials live six hours",
    promise=(
        "Credentials MUST expire six hours after they were asked for, also when the role's own "
        "longest session is one hour."
    ),
    rationale="Renewal and outages are planned by it; a role's default would make it one hour.",
    source=(
        "aws-samples/amazon-eks-security-immersion-day: AssumeRole event of 2024-04-16, "
        "durationSeconds 21600"
    ),
)

EACH_CALL_IS_A_SESSION = _core(
    id="eks-auth.session",
    title="Each call is a session of its own",
    promise="The same token asked for twice MUST give two sessions with names that differ.",
    rationale="Who counts sessions, or authenticates again by name (MSK), must know.",
    source="aws/containers-roadmap#2362",
)
