"""What an injected pod looks like: volume, variables, mounts, and what overrides them."""

from functools import partial

from conformance.requirements.model import Level, Requirement, Targets
from conformance.stages import Stage

_HANDLER = "aws/amazon-eks-pod-identity-webhook 3bf80a34: pkg/handler/handler.go"

_core = partial(
    Requirement,
    level=Level.CORE,
    source=_HANDLER,
    stage=Stage.INJECTION,
    since="EKS Auth API 2023-11-26",
    targets=Targets.ALL,
    aws_validated="never",
)
_extended = partial(_core, level=Level.EXTENDED)

TOKEN_VOLUME_IS_FIRST = _core(
    id="injection.volume",
    title="The token's volume comes first",
    promise=(
        "The pod's first volume MUST be eks-pod-identity-token, projecting one service account "
        "token for pods.eks.amazonaws.com and nothing else."
    ),
    rationale="What else it projected would be readable by every container that uses AWS.",
)

EXISTING_VOLUME_IS_KEPT = _extended(
    id="injection.volume.existing",
    title="A volume of that name is taken as it is",
    promise=(
        "A pod that already has a volume named eks-pod-identity-token MUST keep it unchanged and "
        "get no second one."
    ),
    rationale="Two volumes of one name would make the pod invalid, and it would not be created.",
)

TOKEN_IS_MOUNTED_READ_ONLY = _core(
    id="injection.mount",
    title="The token is mounted read-only",
    promise=(
        "Each injected container MUST mount the token's volume read-only at "
        "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount."
    ),
    rationale="SDKs look where the variable points, and nobody but the kubelet rotates the file.",
)

EXISTING_MOUNT_IS_KEPT = _extended(
    id="injection.mount.existing",
    title="A mount of that volume is kept",
    promise="A container that mounts the token's volume itself MUST get no second mount of it.",
    rationale="Somebody who wants the token elsewhere gets it there, and the pod stays valid.",
)

OWN_VARIABLES_COME_FIRST = _core(
    id="injection.variables.order",
    title="The pod's own variables come first",
    promise=(
        "Variables MUST be appended behind the container's own, in the order AWS_DEFAULT_REGION, "
        "AWS_REGION, AWS_CONTAINER_CREDENTIALS_FULL_URI, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE; "
        "AWS_STS_REGIONAL_ENDPOINTS, where the cluster adds it, stands before them and is regional."
    ),
    rationale="Order decides which of two equal names wins, and what $(NAME) can refer to.",
    source=(
        f"{_HANDLER}; all five seen on pods of EKS in aws/aws-sdk-php#3188 and "
        "kubernetes-sigs/external-dns#4382"
    ),
)

CLUSTERS_REGION_IS_INJECTED = _core(
    id="injection.variables.region.value",
    title="The region that is injected is the cluster's",
    promise="AWS_DEFAULT_REGION and AWS_REGION MUST both be the region of the cluster.",
    rationale="SDKs sign for it and look for its endpoints: another one is a denial far away.",
    source=f"{_HANDLER}; aws/aws-sdk-php#3188",
)

REGION_OF_THE_POD_IS_KEPT = _core(
    id="injection.variables.region",
    title="A region that the pod sets is kept",
    promise=(
        "A container that sets AWS_REGION or AWS_DEFAULT_REGION MUST get neither of them, and all "
        "the rest."
    ),
    rationale="A workload for another region must not be sent home by the cluster.",
)

CREDENTIALS_ADDRESS_OF_THE_POD_IS_KEPT = _core(
    id="injection.variables.preset",
    title="A credentials address that the pod sets is kept",
    promise=(
        "A container that sets the credentials address or the token's path MUST get neither "
        "of them, and still the mount."
    ),
    rationale="Half of one configuration and half of another works nowhere.",
)

COMPLETE_CONTAINER_IS_UNTOUCHED = _extended(
    id="injection.variables.complete",
    title="A container that sets everything is untouched",
    promise=(
        "A container that sets credentials address, region and AWS_STS_REGIONAL_ENDPOINTS itself "
        "MUST get no variable and no mount."
    ),
    rationale="It has said all there is to say; a mount would only change its file system.",
)

OTHER_CREDENTIALS_DO_NOT_STOP_INJECTION = _core(
    id="injection.variables.other-credentials",
    title="Other credentials neither stop injection nor are changed",
    promise=(
        "Static keys, web identity variables and AWS_CONTAINER_CREDENTIALS_RELATIVE_URI that a "
        "container sets MUST be left as they are, and it MUST be injected all the same."
    ),
    rationale=(
        "SDKs prefer them, so the pod acts as somebody else although it looks injected: it must "
        "be visible in its specification."
    ),
    source=f"{_HANDLER}; botocore 1.43.106: credentials.py, the order of its chain",
)

NO_TOKEN_IN_A_VARIABLE = _core(
    id="injection.variables.no-secret",
    title="No token and no role in a variable",
    promise=(
        "AWS_CONTAINER_AUTHORIZATION_TOKEN, AWS_ROLE_ARN and any ARN of a role MUST NOT be "
        "injected; only the path of the token is."
    ),
    rationale="Specifications are read by many; the webhook does not even know the role.",
)

EVERY_CONTAINER_IS_INJECTED = _core(
    id="injection.containers",
    title="Every container is injected",
    promise="Each container of a pod, sidecars too, MUST get the same variables and mount.",
    rationale="All of them run as the pod's service account.",
)

INIT_CONTAINERS_ARE_INJECTED = _core(
    id="injection.init-containers",
    title="Init containers are injected",
    promise="Each init container MUST get the same variables and mount as the containers.",
    rationale="Fetching configuration from S3 before the start is what init containers are for.",
)

SKIPPED_CONTAINERS_ARE_LEFT_ALONE = _extended(
    id="injection.skip-containers",
    title="Containers that the pod names are skipped",
    promise=(
        "Containers and init containers that the pod's annotation "
        "eks.amazonaws.com/skip-containers names MUST get no variable and no mount; others do."
    ),
    rationale="A sidecar of somebody else need not hold the application's credentials.",
)

INJECTED_PODS_ARE_LABELLED = _extended(
    id="injection.label",
    title="An injected pod is labelled",
    promise=(
        "An injected pod MUST carry the label eks.amazonaws.com/pod-identity=enabled, whatever "
        "value it came with."
    ),
    rationale="Watchers find pods that should have been injected and were not.",
    since="webhook v0.6.15 (2026-03-31)",
)

LABEL_COMES_ALONE = _extended(
    id="injection.label.alone",
    title="The label is set even if nothing else is",
    promise=(
        "A pod that has brought volume, variables and mounts itself MUST carry the label all the "
        "same."
    ),
    rationale="Whoever counts injected pods by their label must not miss those.",
    source=f"{_HANDLER}, since pull request 295",
    since="webhook v0.6.15 (2026-03-31)",
)

EXPIRATION_IS_SPREAD = _core(
    id="injection.expiration.spread",
    title="Tokens do not all expire together",
    promise=(
        "Without an annotation the token's expirationSeconds MUST lie between 79200 and 86400, and "
        "differ from pod to pod; 86400 that is asked for is spread as well."
    ),
    rationale="A fleet that was started at once would renew at once, and be throttled.",
    since="webhook pull request 260 (2025-03)",
)

POD_SETS_THE_EXPIRATION = _extended(
    id="injection.expiration.pod",
    title="The pod's annotation sets the token's life",
    promise=(
        "eks.amazonaws.com/token-expiration on the pod MUST set expirationSeconds, and wins over "
        "the service account's; below 600 it is 600."
    ),
    rationale="A short life limits what a token that leaked is worth.",
)

AUDIENCE_IS_NOT_ANNOTATED = _extended(
    id="injection.audience",
    title="The token's audience cannot be annotated",
    promise=(
        "eks.amazonaws.com/audience on the service account, which IRSA honours, MUST NOT change "
        "the audience of Pod Identity's token."
    ),
    rationale="It is left over from IRSA; EKS Auth would refuse a token for anybody else.",
)

SERVICE_ACCOUNT_SETS_THE_EXPIRATION = _extended(
    id="injection.expiration.service-account",
    title="The service account's annotation sets the token's life",
    promise=(
        "eks.amazonaws.com/token-expiration on the service account MUST set expirationSeconds of "
        "its pods' tokens."
    ),
    rationale="One place for all the pods of a workload.",
)

SERVICE_ACCOUNT_DECIDES_ON_REGIONAL_STS = _extended(
    id="injection.sts-regional-endpoints",
    title="The service account decides on regional STS endpoints",
    promise=(
        "eks.amazonaws.com/sts-regional-endpoints=true on the service account MUST add "
        "AWS_STS_REGIONAL_ENDPOINTS=regional in front of the other variables, and =false MUST "
        "keep it away, whatever the cluster does by itself."
    ),
    rationale=(
        "Old SDKs ask the global endpoint without it, which private clusters cannot reach; with "
        "it they cannot be sent to an endpoint of their own."
    ),
    source=f"{_HANDLER}; pkg/cache/cache.go",
)

TOKEN_IS_OF_THE_POD = _core(
    id="injection.token",
    title="The token in the container is the pod's own",
    promise=(
        "The file that the variable names MUST hold a token whose subject is the pod's service "
        "account, bound to this pod by name and UID, and valid at most as long as the volume says."
    ),
    rationale="It is all that EKS Auth has to go by.",
    source="EKS user guide, pod-id-how-it-works (390223ef); Kubernetes 1.37: projected volumes",
)

CONTAINER_SEES_WHAT_THE_POD_SAYS = _core(
    id="injection.variables.inside",
    title="The container sees the variables that the pod says",
    promise="Variables inside the container MUST be those of the pod's specification.",
    rationale="What kubectl shows must be what the SDK reads.",
    source=f"{_HANDLER}; EKS user guide, pod-id-how-it-works (390223ef)",
)

EVERY_KIND_OF_CONTAINER_IS_SERVED = _core(
    id="injection.containers.inside",
    title="Every kind of container is served",
    promise=(
        "Init containers, native sidecars and containers of one pod MUST each get credentials of "
        "its role by the pod's token; one that the pod's annotation skips finds none."
    ),
    rationale="A specification that looks right is not yet a program that gets credentials.",
    source=f"{_HANDLER}; Kubernetes 1.33: sidecar containers",
)

NOBODY_WRITES_BESIDE_THE_TOKEN = _core(
    id="injection.mount.inside",
    title="Nobody writes beside the token",
    promise=(
        "In every injected container, writing where the token is MUST be refused as a read-only "
        "file system."
    ),
    rationale="Whoever could replace the file could make the pod somebody else.",
)

IPV6_CLUSTERS_HAVE_THEIR_ADDRESS = _extended(
    id="injection.ipv6",
    title="A cluster of IPv6 has the agent's IPv6 address",
    promise=(
        "In a cluster whose ipFamily is ipv6, AWS_CONTAINER_CREDENTIALS_FULL_URI MUST be "
        "http://[fd00:ec2::23]/v1/credentials, and an SDK gets credentials there."
    ),
    rationale="Its pods have no IPv4; a client that does not read brackets fails there only.",
    source=f"{_HANDLER}; aws/aws-for-fluent-bit#983",
    targets=Targets.EMULATED,
)
