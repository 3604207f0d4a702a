"""Which pods the webhook injects, and which it must leave alone."""

from functools import partial

from conformance.requirements.model import Level, Requirement, Targets
from conformance.stages import Stage

_WEBHOOK = "aws/amazon-eks-pod-identity-webhook 3bf80a34: pkg/handler/handler.go"
_SINCE = "EKS Auth API 2023-11-26"

ASSOCIATED_POD_IS_INJECTED = Requirement(
    id="injection.associated",
    title="A pod with an association is injected",
    level=Level.CORE,
    promise=(
        "A new pod whose service account is associated MUST get the credentials address, the "
        "token's path, and a projected token for pods.eks.amazonaws.com that is bound to this "
        "pod."
    ),
    rationale="Everything later starts here, and the webhook's failure policy makes a miss silent.",
    source=f"{_WEBHOOK}; EKS user guide, pod-id-how-it-works (390223ef)",
    stage=Stage.INJECTION,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

UNASSOCIATED_POD_IS_NOT_INJECTED = Requirement(
    id="injection.unassociated",
    title="A pod without an association is left alone",
    level=Level.CORE,
    promise=(
        "A pod whose service account has no association MUST NOT get any variable, volume or "
        "label of Pod Identity."
    ),
    rationale="A pod that is sent to the agent for nothing fails where it had worked before.",
    source=f"{_WEBHOOK}; pkg/containercredentials, exact match of namespace and service account",
    stage=Stage.INJECTION,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

UNASSOCIATED_POD_HAS_NO_CREDENTIALS = Requirement(
    id="injection.unassociated.no-credentials",
    title="A pod without an association has no credentials",
    level=Level.CORE,
    promise="The SDK's default chain MUST find no credentials in a pod without an association.",
    rationale="An association is the only way to a role; being in the cluster is not one.",
    source="EKS user guide, pod-id-how-it-works (390223ef); botocore 1.43.106: credentials.py",
    stage=Stage.INJECTION,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

UNASSOCIATED_POD_NEVER_ASKS_THE_AGENT = Requirement(
    id="injection.unassociated.agent-not-asked",
    title="A pod without an association never asks the agent",
    level=Level.CORE,
    promise=(
        "A pod without an association MUST NOT ask an agent: none in the cluster logs a request "
        "from it."
    ),
    rationale="Proves that the pod was not sent there, rather than turned away on arrival.",
    source=f"{_WEBHOOK}; aws/eks-pod-identity-agent 0.1.37: internal/middleware/logger",
    stage=Stage.INJECTION,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

NO_LONG_LIVED_KEYS = Requirement(
    id="injection.no-long-lived-keys",
    title="No long-lived keys in the pod",
    level=Level.CORE,
    promise=(
        "An associated pod MUST hold no access key, no shared credentials file and no role "
        "annotation: nothing that outlives it or names its role."
    ),
    rationale="Keys in a pod are what Pod Identity is there to replace, and SDKs prefer them.",
    source=f"{_WEBHOOK}; EKS user guide, pod-identities (0be0c9b4), benefits",
    stage=Stage.INJECTION,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

_core = partial(
    Requirement,
    level=Level.CORE,
    source=_WEBHOOK,
    stage=Stage.INJECTION,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)
_extended = partial(_core, level=Level.EXTENDED)

NAMES_MATCH_EXACTLY = _core(
    id="injection.exact-match",
    title="Names match exactly",
    promise=(
        "Only pods of exactly the associated namespace and service account are injected; names "
        "that begin alike, and the same name in another namespace, MUST NOT be."
    ),
    rationale="There are no wildcards, so nobody gets a role by choosing a name that is close.",
    source=f"{_WEBHOOK}; pkg/containercredentials; aws/containers-roadmap#2397",
)

OTHER_KINDS_ARE_UNTOUCHED = _core(
    id="injection.pods-only",
    title="Only pods are changed, not what makes them",
    promise=(
        "A Deployment of an associated service account MUST be stored as it was sent; its pods are "
        "injected when they are created."
    ),
    rationale="Tools that compare what is stored with what was sent would fight the webhook.",
    source="aws/amazon-eks-pod-identity-webhook 3bf80a34: deploy/mutatingwebhook.yaml",
)

HOST_NETWORK_PODS_ARE_INJECTED = _extended(
    id="injection.host-network",
    title="A pod on the host's network is injected",
    promise="A pod with hostNetwork MUST be injected as any other.",
    rationale="Node agents use AWS, too; the webhook looks at no field of the network.",
    source=f"{_WEBHOOK}; aws/eks-pod-identity-agent#139",
)

ANY_PLACE_IS_INJECTED = _extended(
    id="injection.any-place",
    title="Where a pod will run is not asked",
    promise="A pod that asks for Fargate, where no agent is, MUST be injected as any other.",
    rationale="It looks supported and is not; what tells so is that nobody answers there.",
    source=f"{_WEBHOOK}; EKS user guide, pod-identities (0be0c9b4), restrictions",
)

WINDOWS_PODS_GET_THEIR_PATH = _extended(
    id="injection.windows",
    title="A Windows pod is told a Windows path",
    promise=(
        "In a pod whose node selector asks for Windows the variable of the token's path MUST begin "
        "with C:\\ and use backslashes; nothing else differs."
    ),
    rationale="Such pods are not supported and injected all the same, so the path must be right.",
)

OPTED_OUT_PODS_ARE_LEFT_ALONE = _extended(
    id="injection.opt-out",
    title="A pod can opt out",
    promise=(
        "A pod with the label eks.amazonaws.com/skip-pod-identity-webhook MUST be left alone, "
        "whatever the label's value."
    ),
    rationale="The only way to run one pod of a service account without its credentials.",
    source="aws/amazon-eks-pod-identity-webhook 3bf80a34: deploy/mutatingwebhook.yaml",
)

POD_IDENTITY_WINS_OVER_IRSA = _core(
    id="injection.irsa.suppressed",
    title="An association wins over an IRSA annotation",
    promise=(
        "A pod whose service account has an association and eks.amazonaws.com/role-arn MUST get "
        "Pod Identity's variables and none of web identity's."
    ),
    rationale="SDKs prefer web identity: with both, the association would have no effect.",
)

IRSA_WORKS_ALONE = _core(
    id="injection.irsa.alone",
    title="Without an association IRSA is as it was",
    promise=(
        "A pod whose service account has eks.amazonaws.com/role-arn and no association MUST get "
        "web identity's variables with a token for sts.amazonaws.com, and nothing of Pod Identity."
    ),
    rationale="Clusters migrate one service account at a time.",
)

WEBHOOK_FAILS_OPEN = _extended(
    id="injection.fails-open",
    title="The webhook never holds up a cluster",
    promise=(
        "The webhook MUST be registered for the creation of pods only, with failure policy Ignore "
        "and without side effects."
    ),
    rationale=(
        "Pods start when it is down, silently without credentials: whoever looks for them must "
        "know that this can happen."
    ),
    source="aws/eks-pod-identity-agent#153: the MutatingWebhookConfiguration of a cluster",
)

SERVICE_ACCOUNT_MAY_COME_LATER = _core(
    id="injection.service-account-later",
    title="The association may come before the service account",
    promise=("A pod MUST be injected although its service account was made after the association."),
    rationale="Associations are made with the cluster, service accounts with the application.",
    source="EKS user guide, pod-id-association (390223ef); aws/containers-roadmap#2245",
)
