"""The role session that a pod acts as: whose it is, what it is called, what it is tagged with."""

from conformance.requirements.model import Level, Requirement, Targets
from conformance.stages import Stage

_SINCE = "EKS Auth API 2023-11-26"
_ABAC = "EKS user guide, pod-id-abac (0fc2ccb3)"
_CLOUDTRAIL = (
    "aws-samples/amazon-eks-security-immersion-day: "
    "2-identity-and-access-management/3-eks-pod-identity, AssumeRole event of 2024-04-16"
)

SESSION_IS_OF_THE_ASSOCIATED_ROLE = Requirement(
    id="session.role",
    title="The pod acts as its association's role",
    level=Level.CORE,
    promise=(
        "The SDK's default chain MUST find the credentials of the role that the association "
        "names, in the cluster's account."
    ),
    rationale="Being allowed something proves a permission, not an identity.",
    source="EKS user guide, pod-id-how-it-works (390223ef)",
    stage=Stage.EKS_AUTH,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

SESSION_NAME_SAYS_WHICH_POD = Requirement(
    id="session.name",
    title="The session is named after cluster and pod",
    level=Level.CORE,
    promise=(
        "The session MUST be named eks-<cluster>-<pod>-<uuid>, cluster and pod cut to 10 "
        "characters."
    ),
    rationale="CloudTrail readers and trust policies of other accounts recognise pods by it.",
    source=_CLOUDTRAIL,
    stage=Stage.STS,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

SESSION_HAS_SIX_TAGS = Requirement(
    id="session.tags",
    title="Six session tags that policies can use",
    level=Level.CORE,
    promise=(
        "IAM MUST see cluster ARN, cluster name, namespace, service account, pod name and pod UID "
        "of the pod as aws:PrincipalTag of its session."
    ),
    rationale="Policies that separate tenants by tag grant nothing, or everything, without them.",
    source=_ABAC,
    stage=Stage.STS,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

SESSION_TAGS_ARE_EXACT = Requirement(
    id="session.tags.exact",
    title="The six tags are exact, ordered and transitive",
    level=Level.EXTENDED,
    promise=(
        "STS MUST be passed exactly six tags, in the documented order, with this pod's values, "
        "and all six transitive."
    ),
    rationale="A tag too many, or one lost by chaining, changes what policies elsewhere say.",
    source=f"{_ABAC}; {_CLOUDTRAIL}",
    stage=Stage.STS,
    since=_SINCE,
    targets=Targets.EMULATED,
    aws_validated="never",
)

TAGS_ARE_TRANSITIVE = Requirement(
    id="session.tags.transitive",
    title="A chained session keeps the six tags, and nobody changes them",
    level=Level.CORE,
    promise=(
        "A session of a pod that assumes another role MUST NOT be able to set any of the six tags "
        "anew: STS refuses, for they are transitive; a tag of its own it may add."
    ),
    rationale="Could a pod rename itself by one AssumeRole, tags would separate nobody.",
    source=(
        f"{_ABAC}; IAM user guide (API 2010-05-08), pass session tags in AWS STS, chaining; "
        f"{_CLOUDTRAIL}"
    ),
    stage=Stage.STS,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

SESSION_TAGS_BEAT_ROLE_TAGS = Requirement(
    id="session.tags.beat-role-tags",
    title="A session tag beats the role's tag of the same key",
    level=Level.CORE,
    promise=(
        "Where the role itself has a tag kubernetes-namespace, IAM MUST see the pod's namespace "
        "and not the role's tag."
    ),
    rationale="Whoever tags roles must not be able to lend a pod another tenant's name.",
    source=f"{_ABAC}: session tags override role tags",
    stage=Stage.STS,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

OTHER_ROLE_TAGS_STAY = Requirement(
    id="session.tags.role-tags-stay",
    title="The role's other tags stay beside the six",
    level=Level.EXTENDED,
    promise="Tags of the role with other keys MUST be aws:PrincipalTag of the session, too.",
    rationale="Policies by team or cost centre were written for the role and must go on working.",
    source=f"{_ABAC}; IAM user guide (API 2010-05-08), aws:PrincipalTag",
    stage=Stage.STS,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

ASSOCIATION_TAGS_ARE_NOT_SESSION_TAGS = Requirement(
    id="session.tags.no-others",
    title="Tags of the association are no session tags",
    level=Level.CORE,
    promise="A tag of the association resource MUST NOT be an aws:PrincipalTag of the session.",
    rationale="Who may tag a resource of EKS must not thereby write identities.",
    source=(
        f"{_ABAC}: custom tags are not supported; "
        "EKS API 2017-11-01, CreatePodIdentityAssociation: tags"
    ),
    stage=Stage.STS,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

TAGS_CAN_BE_DISABLED = Requirement(
    id="session.tags.disabled",
    title="With session tags disabled there is none of the six",
    level=Level.CORE,
    promise=(
        "An association with disableSessionTags MUST give a session without the six tags; IAM then "
        "sees the role's own tags only."
    ),
    rationale="Policies by namespace must fail closed for such an association.",
    source="EKS API 2017-11-01, CreatePodIdentityAssociation: disableSessionTags",
    stage=Stage.STS,
    since="EKS API with disableSessionTags, 2025-06",
    targets=Targets.ALL,
    aws_validated="never",
)

SESSION_IS_NARROWED = Requirement(
    id="session.policy.narrows",
    title="The association's policy takes away",
    level=Level.CORE,
    promise=(
        "With a policy on the association, the session MUST be allowed what role and policy both "
        "allow, and be refused by IAM what the policy leaves out."
    ),
    rationale="One role for many service accounts is what the policy was added for.",
    source="EKS API 2017-11-01, CreatePodIdentityAssociation: policy (intersection)",
    stage=Stage.IAM,
    since="EKS API with policy, 2026-02 (terraform-provider-aws#48868)",
    targets=Targets.ALL,
    aws_validated="never",
)

POLICY_NEVER_WIDENS = Requirement(
    id="session.policy.never-widens",
    title="The association's policy never adds",
    level=Level.CORE,
    promise="What the policy allows and the role does not MUST be refused by IAM.",
    rationale="Who may write associations must not be able to grant what the role's owner did not.",
    source="EKS API 2017-11-01, CreatePodIdentityAssociation: policy (intersection)",
    stage=Stage.IAM,
    since="EKS API with policy, 2026-02 (terraform-provider-aws#48868)",
    targets=Targets.ALL,
    aws_validated="never",
)

POLICY_IS_THE_TARGETS = Requirement(
    id="session.policy.target",
    title="With a target role the association's policy is about that one",
    level=Level.CORE,
    promise=(
        "With a target role, the association's policy MUST narrow the target role's session, and "
        "MUST NOT be asked whether the associated role may assume it."
    ),
    rationale="The pod is the target role: a policy that was dropped on the way limits nothing.",
    source="EKS API 2017-11-01 (botocore 1.43.106), CreatePodIdentityAssociation: policy",
    stage=Stage.IAM,
    since="EKS API with policy, 2026-02 (terraform-provider-aws#48868)",
    targets=Targets.ALL,
    aws_validated="never",
)

LONG_NAMES_FIT = Requirement(
    id="session.packed.long-names",
    title="Long names fit into the session",
    level=Level.EXTENDED,
    promise=(
        "A namespace and a service account of 63 characters and a pod of 50 MUST get their "
        "credentials, with the whole names as tags."
    ),
    rationale="STS has little room for tags; six with long names come near its limit.",
    source="containers-roadmap#2413; STS API 2011-06-15, AssumeRole: PackedPolicySize",
    stage=Stage.STS,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

CHAINED_SESSION_TELLS_ITS_SIZE = Requirement(
    id="session.packed.chained",
    title="A chained session carries the tags in its packed size",
    level=Level.PROVISIONAL,
    promise=(
        "An AssumeRole by the pod SHOULD be answered with a PackedPolicySize that counts the six "
        "inherited tags: more than half of the room."
    ),
    rationale="With 74 % used before anything was asked for, a session policy no longer fits.",
    source="containers-roadmap#2413; aws-actions/configure-aws-credentials#1803",
    stage=Stage.STS,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

TOO_FULL_IS_REFUSED = Requirement(
    id="session.packed.full",
    title="A chained session fills up to its limit, and no further",
    level=Level.EXTENDED,
    promise=(
        "Tags that a chained session has room for beside the six MUST be accepted up to a "
        "PackedPolicySize of 100, and MUST be refused with PackedPolicyTooLarge beyond."
    ),
    rationale="Tags that were dropped silently would open what policies close by them.",
    source="STS API 2011-06-15, AssumeRole: PackedPolicySize, PackedPolicyTooLarge",
    stage=Stage.STS,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)
