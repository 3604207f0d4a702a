"""Which credentials an SDK takes when a pod could have several."""

from functools import partial

from conformance.requirements.model import Level, Requirement, Targets
from conformance.stages import Stage

_CHAIN = "botocore 1.43: credentials.py, create_credential_resolver"
_UG = "EKS user guide, pod-identities (0be0c9b4)"
_WEBHOOK = "aws/amazon-eks-pod-identity-webhook 3bf80a34: pkg/handler/handler.go"
_HOPS = "EKS best practices guide, security/iam (dc0243a): restrict access to the instance profile"

_core = partial(
    Requirement,
    level=Level.CORE,
    source=_CHAIN,
    stage=Stage.INJECTION,
    since="EKS Auth API 2023-11-26",
    targets=Targets.ALL,
    aws_validated="never",
)
_extended = partial(_core, level=Level.EXTENDED)

ASSOCIATION_BEATS_IRSA = _core(
    id="precedence.irsa",
    title="Association and IRSA on one service account: the association wins",
    promise=(
        "A pod whose service account has an association and an eks.amazonaws.com/role-arn "
        "annotation MUST act as the association's role."
    ),
    rationale="It is how a cluster leaves IRSA: associate first, take the annotation off later.",
    source=f"{_WEBHOOK}: container credentials before role-arn",
)

IRSA_COMES_BACK = _extended(
    id="precedence.irsa.back",
    title="Without the association IRSA is back",
    promise=(
        "When the association of an annotated service account is deleted, its new pods MUST be "
        "given the variables of IRSA again, and nothing of Pod Identity."
    ),
    rationale="The way back of a move that went wrong, as long as the annotation was left.",
    source=f"{_WEBHOOK}: container credentials before role-arn",
)

WEB_IDENTITY_BEATS_THE_AGENT = _extended(
    id="precedence.web-identity",
    title="Web identity variables set by hand win, and the agent is not asked",
    promise=(
        "Where AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are set by other means than the "
        "webhook, the SDK MUST ask STS with that file and not the agent; the token of Pod Identity "
        "in it is refused as InvalidIdentityToken."
    ),
    rationale=(
        "'Pod Identity wins over IRSA' holds for injection only; charts that set these variables "
        "end in 'Incorrect token audience'."
    ),
    source=f"{_CHAIN}; terraform-provider-aws#41473",
)

STATIC_KEYS_BEAT_THE_AGENT = _core(
    id="precedence.static-keys",
    title="Keys in variables win, and the association is without effect",
    promise=(
        "A pod with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY MUST call with these, although it "
        "is injected; the association has no effect on it."
    ),
    rationale="A forgotten key is not only a risk: it hides whether Pod Identity works at all.",
)

CREDENTIALS_FILE_BEATS_THE_AGENT = _extended(
    id="precedence.credentials-file",
    title="A file of credentials wins, too",
    promise=(
        "A pod with a shared credentials file MUST call with the keys in it, although it is "
        "injected."
    ),
    rationale="Keys in a mounted Secret are seen in no variable.",
)

ADDRESS_BY_HAND_STOPS_INJECTION = _core(
    id="precedence.address-by-hand",
    title="The address set by hand comes without a token",
    promise=(
        "A container that has AWS_CONTAINER_CREDENTIALS_FULL_URI already MUST NOT be given "
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, so that its SDK asks without a token, and the "
        "agent refuses with 400."
    ),
    rationale="Half of a pair, copied from a blog: 'Service account token cannot be empty'.",
    source=f"{_WEBHOOK}; aws-sdk-php#3188",
)

TOKEN_BY_HAND_LOSES = _extended(
    id="precedence.token-by-hand",
    title="A token set by hand loses to the token's file",
    promise=(
        "A container with AWS_CONTAINER_AUTHORIZATION_TOKEN MUST be injected as any other, and its "
        "SDK present the token in AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE."
    ),
    rationale="A token in a variable is one that nobody renews.",
    source=f"{_WEBHOOK}; botocore 1.43: credentials.py, ContainerProvider",
)

UNSUPPORTED_ADDRESS_IS_REFUSED = _extended(
    id="precedence.unsupported-address",
    title="The SDK asks no stranger for credentials",
    promise=(
        "With another host than a loopback address, ECS's or EKS's in "
        "AWS_CONTAINER_CREDENTIALS_FULL_URI the SDK MUST refuse, 'Unsupported host', and ask "
        "nobody."
    ),
    rationale="It would be handed the pod's token. SDKs that are too old refuse EKS's, too.",
    source="botocore 1.43: utils.py, ContainerMetadataFetcher; aws-sdk-js-v3#5709",
)

MISSED_INJECTION_IS_THE_NODE = _extended(
    id="precedence.node-role",
    title="Where pods reach IMDS, a pod that was not injected is the node",
    promise=(
        "With a hop limit of 2, a pod whose injection was missed MUST act as the node role "
        "although its service account has an association, and no call says so."
    ),
    rationale=(
        "Injection fails open: a webhook that is away for a minute gives pods the node's "
        "permissions (eks-pod-identity-agent#153)."
    ),
    source=f"{_UG}; {_HOPS}",
    targets=Targets.EMULATED,
)

HOP_LIMIT_CLOSES_IT = _extended(
    id="precedence.hop-limit",
    title="A hop limit of 1 closes IMDS to pods, and the agent does not need it",
    promise=(
        "With a hop limit of 1, a pod without injection MUST find no credentials, while pods with "
        "an association on the same nodes have theirs."
    ),
    rationale="It turns a silent change of identity into an error that somebody sees.",
    source=_HOPS,
    targets=Targets.EMULATED,
)

AGENT_BEATS_THE_NODE = _extended(
    id="precedence.agent-before-node",
    title="An injected pod is never the node",
    promise="Where pods reach IMDS, a pod with an association MUST act as its role all the same.",
    rationale="The node role is the last of the chain.",
    targets=Targets.EMULATED,
)

REFUSAL_IS_NO_FALLBACK = _extended(
    id="precedence.no-fallback",
    title="A refusal by the agent does not fall through to the node",
    promise=(
        "Where pods reach IMDS and the agent refuses a pod (its role does not trust EKS), the SDK "
        "MUST raise the refusal and not go on to the node role."
    ),
    rationale="A pod that is refused must not end up with more than it asked for.",
    source=f"{_CHAIN}; botocore 1.43: ContainerProvider raises CredentialRetrievalError",
    targets=Targets.EMULATED,
)
