"""
The posture of a cluster: what is not wrong yet, and is found before it is.

Most of it is promised of `conformance audit`, which finds what was planted; of the cluster
under test itself only what no suite has to bring along: its nodes.
"""

from functools import partial

from conformance.requirements.model import Level, Requirement, Targets
from conformance.stages import Stage

_BPG = "EKS best practices guide, security/iam (dc0243a)"
_UG = "EKS user guide, pod-identities (0be0c9b4)"

_extended = partial(
    Requirement,
    level=Level.EXTENDED,
    source=_BPG,
    stage=Stage.IAM,
    since="EKS Auth API 2023-11-26",
    targets=Targets.ALL,
    aws_validated="never",
)

NO_ASSOCIATION_FOR_DEFAULT = _extended(
    id="posture.default-account",
    title="No association for the service account `default`",
    promise=(
        "`conformance audit` MUST find an association for `default`, naming it and the command "
        "that deletes it."
    ),
    rationale="It gives a role to every pod whose author did not think about service accounts.",
    stage=Stage.EKS_AUTH,
)

ONE_ACCOUNT_ONE_PURPOSE = _extended(
    id="posture.one-purpose",
    title="One service account, one purpose",
    promise=(
        "`conformance audit` MUST find a service account with an association that two workloads "
        "share, naming it and both."
    ),
    rationale="Two workloads of one identity have the sum of what both need.",
    source=f"{_BPG}: use dedicated service accounts; {_UG}, least privilege",
)

NO_WILDCARD_PERMISSION = _extended(
    id="posture.wildcard",
    title="No wildcard permission",
    promise=(
        "`conformance audit` MUST find a role of an association whose policies allow by wildcard, "
        "naming role, policy and wildcard."
    ),
    rationale="What is allowed by a wildcard grows with every service that AWS adds.",
    source=f"{_BPG}: grant least privileged access to applications",
)

TRUST_IS_NARROWED = _extended(
    id="posture.wide-trust",
    title="Trust narrowed to cluster and namespace",
    promise=(
        "`conformance audit` MUST find a role that trusts EKS for any cluster or any namespace, "
        "naming it and the conditions that are missing."
    ),
    rationale="Whoever may make associations in any cluster of the account has such a role.",
    source="EKS user guide, pod-id-role (2edffcb1); terraform-aws-modules: trust conditions",
    stage=Stage.STS,
)

TARGET_ROLES_ARE_LOOKED_AT = _extended(
    id="posture.target-role",
    title="Target roles are looked at as well",
    promise=(
        "`conformance audit` MUST find a target role of an association that allows by wildcard or "
        "trusts everybody of an account, naming it and the caller that its trust has to name."
    ),
    rationale="It is the role that pods act as in the end; the first one only opens the door.",
    source="EKS user guide, pod-id-assign-target-role (06e01eb0): aws:PrincipalArn",
)

NO_IRSA_LEFT_OVER = _extended(
    id="posture.irsa-left-over",
    title="No annotation of IRSA beside an association",
    promise=(
        "`conformance audit` MUST find a service account that has an association and still an "
        "eks.amazonaws.com/role-arn, naming both roles."
    ),
    rationale="The annotation sleeps until the association is deleted, and then it is back.",
    source="aws/amazon-eks-pod-identity-webhook 3bf80a34: pkg/handler/handler.go",
    stage=Stage.INJECTION,
)

NO_STATIC_KEYS_IN_PODS = _extended(
    id="posture.static-keys",
    title="No static keys in pods",
    promise=(
        "`conformance audit` MUST find a pod whose containers set keys or a file of credentials, "
        "naming pod, container and variables, and never a value."
    ),
    rationale="SDKs take them before Pod Identity, so they outlive every migration.",
    stage=Stage.INJECTION,
)

EVERY_POD_WAS_INJECTED = _extended(
    id="posture.not-injected",
    title="Every pod with an association was injected",
    promise=(
        "`conformance audit` MUST find a pod of a service account with an association that was "
        "not injected, naming it and the association."
    ),
    rationale="Injection fails open and is never made up for; only making the pod again helps.",
    source="EKS user guide, pod-id-association (390223ef); eks-pod-identity-agent#52",
    stage=Stage.INJECTION,
)

IMDS_IS_CLOSED_TO_PODS = _extended(
    id="posture.open-imds",
    title="Pods do not reach the instance metadata",
    promise=(
        "`conformance audit` MUST find a node whose metadata service answers pods, naming its hop "
        "limit."
    ),
    rationale="There, a pod that was not injected is the node, and nothing says so.",
    source=f"{_BPG}: restrict access to the instance profile assigned to the worker node",
    stage=Stage.INJECTION,
    targets=Targets.EMULATED,
)

AGENT_IS_ON_EVERY_NODE = _extended(
    id="posture.no-agent",
    title="An agent on every node",
    promise="`conformance audit` MUST find a node without a ready agent, naming it.",
    rationale="Pods that land on it get nothing, and those beside it on other nodes do.",
    source="EKS user guide, pod-id-agent-setup (390223ef)",
    stage=Stage.AGENT,
    targets=Targets.EMULATED,
)

OWN_NODES_ARE_SOUND = _extended(
    id="posture.own-nodes",
    title="The nodes of this cluster have an agent and answer no pod",
    promise=(
        "Each node of the cluster under test MUST have a ready agent, and a metadata service that "
        "does not answer pods."
    ),
    rationale="On a node that is not so, a pod gets nothing, or it gets the role of the node.",
    source=(
        f"{_BPG}: restrict access to the instance profile assigned to the worker node; EKS user "
        "guide, pod-id-agent-setup (390223ef)"
    ),
    stage=Stage.AGENT,
)

AUDIT_ONLY_READS = _extended(
    id="posture.reads-only",
    title="An audit only reads",
    promise="`conformance audit` MUST make no call that CloudTrail records as readOnly false.",
    rationale="Who may look at a cluster in production must not change it by looking.",
    source="CloudTrail user guide (API 2013-11-01), record contents: readOnly",
    stage=Stage.SERVICE,
    targets=Targets.EMULATED,
)
