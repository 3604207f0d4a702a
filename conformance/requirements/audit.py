"""Who did what from which pod: what CloudTrail alone can tell."""

from functools import partial

from conformance.requirements.model import Level, Requirement, Targets
from conformance.stages import Stage

_RECORDED = (
    "aws-samples/amazon-eks-security-immersion-day: "
    "2-identity-and-access-management/3-eks-pod-identity, events of 2024-04-16"
)
_MODEL = "EKS Auth API 2023-11-26 (botocore 1.43.106), AssumeRoleForPodIdentity"
_GUIDE = "CloudTrail user guide (API 2013-11-01), userIdentity element"

_extended = partial(
    Requirement,
    level=Level.EXTENDED,
    source=_RECORDED,
    stage=Stage.STS,
    since="EKS Auth API 2023-11-26",
    targets=Targets.EMULATED,
    aws_validated="never",
)

CALL_NAMES_ITS_SESSION = _extended(
    id="audit.call",
    title="A pod's call is recorded under its session",
    promise=(
        "A management call of a pod MUST be recorded with userIdentity AssumedRole, the session's "
        "ARN, and the association's role as its issuer."
    ),
    rationale="Sessions of one role are told apart by nothing else.",
    source=_GUIDE,
    stage=Stage.SERVICE,
)

SESSION_NAMES_ITS_POD = _extended(
    id="audit.pod",
    title="The session leads to the pod",
    promise=(
        "For the session of every recorded call there MUST be one AssumeRole event whose tags "
        "name cluster, namespace, service account, pod and pod UID."
    ),
    rationale="The session name has ten characters of the pod's name; a replica set has many pods.",
)

SESSION_IS_EKS_DOING = _extended(
    id="audit.service",
    title="The session was made by EKS and nobody else",
    promise=(
        "That AssumeRole event MUST have userIdentity AWSService, invoked by "
        "pods.eks.amazonaws.com, which is also its sourceIPAddress and userAgent, and the role "
        "among its resources."
    ),
    rationale="It is what tells a pod's session from one that somebody assumed by hand.",
)

NODE_IS_NAMED = _extended(
    id="audit.node",
    title="EKS Auth's event names the node that asked",
    promise=(
        "AssumeRoleForPodIdentity MUST be recorded under the session of the node's role, named "
        "after the instance, with the cluster among its parameters."
    ),
    rationale="A token that was stolen is used from another node than its pod's.",
    stage=Stage.EKS_AUTH,
)

EVENTS_ARE_A_PAIR = _extended(
    id="audit.pair",
    title="Each session has an event of EKS Auth and one of STS",
    promise=(
        "For each session there MUST be one AssumeRole, with a sharedEventID of its own, and "
        "within two seconds of it an AssumeRoleForPodIdentity for the same cluster in this "
        "account; each request is recorded once."
    ),
    rationale=(
        "Neither names the other, so they are joined by cluster and time. Of several sessions "
        "within two seconds CloudTrail does not tell which node asked for which."
    ),
)

DENIED_SESSION_IS_RECORDED = _extended(
    id="audit.denied-session",
    title="A refused session is recorded, with the request id that the pod was told",
    promise=(
        "Where the role's trust policy refuses EKS, AssumeRoleForPodIdentity MUST be recorded "
        "with errorCode AccessDenied, a message, and the request id that stands in the agent's "
        "answer to the pod."
    ),
    rationale="From a pod's log line to the reason, without access to the cluster.",
    stage=Stage.EKS_AUTH,
)

DENIED_TOKEN_IS_RECORDED = _extended(
    id="audit.denied-token",
    title="A refused token is recorded, with the request id that the pod was told",
    promise=(
        "Where EKS Auth finds no association, or does not believe a token, "
        "AssumeRoleForPodIdentity MUST be recorded with the error's code and message, and the "
        "request id that stands in the agent's answer."
    ),
    rationale="Tokens that are tried out are how an intruder in a cluster is noticed.",
    source=f"{_MODEL}: errors; how CloudTrail records these two was never seen",
    stage=Stage.EKS_AUTH,
    level=Level.PROVISIONAL,
)

DENIED_CALL_IS_RECORDED = _extended(
    id="audit.denied-call",
    title="A denied call is recorded under the pod's session",
    promise="A management call that IAM denies MUST be recorded with errorCode AccessDenied.",
    rationale="Denials are how an intruder in a pod is noticed.",
    source=_GUIDE,
    stage=Stage.IAM,
)

TOKEN_IS_HIDDEN = _extended(
    id="audit.token-hidden",
    title="No event holds the token or the credentials",
    promise=(
        "AssumeRoleForPodIdentity MUST be recorded with token HIDDEN_DUE_TO_SECURITY_REASONS and "
        "without response, and no event of Pod Identity hold a token or a secret key."
    ),
    rationale="Who may read the trail must not thereby be any pod.",
    stage=Stage.EKS_AUTH,
)

CLUSTER_FINDS_ITS_SESSIONS = _extended(
    id="audit.lookup",
    title="Sessions are found by their cluster, calls by their session",
    promise=(
        "LookupEvents by ResourceName MUST find AssumeRoleForPodIdentity under the cluster's "
        "name, and by Username the calls under the session's."
    ),
    rationale="LookupEvents takes one attribute; these two are where an investigation begins.",
    stage=Stage.SERVICE,
)
