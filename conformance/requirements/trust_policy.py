"""A role is assumed only if its trust policy lets EKS assume and tag it."""

from functools import partial

from conformance.requirements.model import Level, Requirement, Targets
from conformance.stages import Stage

_SINCE = "EKS Auth API 2023-11-26"
_ROLE = "EKS user guide, pod-id-role (2edffcb1)"

TAG_SESSION_IS_NEEDED = Requirement(
    id="trust.tag-session",
    title="A role without sts:TagSession gives no credentials",
    level=Level.CORE,
    promise=(
        "A role whose trust policy allows pods.eks.amazonaws.com only sts:AssumeRole MUST NOT be "
        "assumed; the pod is told AccessDeniedException."
    ),
    rationale="Sessions without their tags would pass by every policy that separates by tag.",
    source=_ROLE,
    stage=Stage.STS,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

SERVICE_MUST_BE_TRUSTED = Requirement(
    id="trust.service",
    title="A role that trusts another service gives no credentials",
    level=Level.CORE,
    promise=(
        "A role that trusts ec2.amazonaws.com but not pods.eks.amazonaws.com MUST NOT be assumed; "
        "the pod is told AccessDeniedException."
    ),
    rationale="An association must not turn a node's role, or any other, into a pod's.",
    source=_ROLE,
    stage=Stage.STS,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

REFUSAL_IS_PASSED_ON = Requirement(
    id="trust.refusal-passed-on",
    title="The agent passes EKS Auth's refusal on",
    level=Level.CORE,
    promise=(
        "When EKS Auth refuses, the agent MUST answer with its status 400, its request id, code "
        "and message, as plain text."
    ),
    rationale="Without the text nobody in the pod can tell a trust policy from a network.",
    source="aws/eks-pod-identity-agent 0.1.37: pkg/errors/errors.go",
    stage=Stage.AGENT,
    since="agent after 0.0.25, which answered 500",
    targets=Targets.ALL,
    aws_validated="never",
)

_core = partial(
    Requirement,
    level=Level.CORE,
    source=_ROLE,
    stage=Stage.STS,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)
_extended = partial(_core, level=Level.EXTENDED)

ASSUME_ROLE_IS_NEEDED = _core(
    id="trust.assume-role",
    title="A role without sts:AssumeRole gives no credentials",
    promise=(
        "A role whose trust policy allows pods.eks.amazonaws.com only sts:TagSession MUST NOT be "
        "assumed; the pod is told AccessDeniedException."
    ),
    rationale="Both actions are needed, so neither may stand for the other.",
)

ACTIONS_MAY_BE_APART = _core(
    id="trust.separate-statements",
    title="The two actions may be in two statements",
    promise=(
        "A role that allows sts:AssumeRole and sts:TagSession in two statements MUST be assumed."
    ),
    rationale="Policies that grew over time look like that.",
    source=f"{_ROLE}; IAM user guide (API 2010-05-08), reference_policies_evaluation-logic",
)

SOURCE_ARN_IS_THE_CLUSTER = _core(
    id="trust.source-arn",
    title="aws:SourceArn is the cluster",
    promise=(
        "A condition on aws:SourceArn MUST see the cluster's ARN: a role for this cluster is "
        "assumed, one for another cluster is not."
    ),
    rationale="One account has many clusters, and a role for staging must not work in dev.",
    source="EKS best practices, security, iam (dc0243a)",
)

SOURCE_ACCOUNT_IS_THE_CLUSTERS = _extended(
    id="trust.source-account",
    title="aws:SourceAccount is the cluster's account",
    promise=(
        "A condition on aws:SourceAccount MUST see the cluster's account: another account's "
        "number keeps the role from being assumed."
    ),
    rationale="Services that assume roles for others can be deputies for strangers.",
    source=(
        "IAM user guide (API 2010-05-08), confused-deputy; "
        "EKS best practices, security, iam (dc0243a)"
    ),
)

SOURCE_ORG_IS_THE_CLUSTERS = _extended(
    id="trust.source-org",
    title="aws:SourceOrgID is the organization of the cluster's account",
    promise=(
        "A condition on aws:SourceOrgID MUST see the organization of the cluster's account: a role "
        "for this organization is assumed, one for another is not."
    ),
    rationale="One condition for all accounts of a company keeps every stranger out.",
    source="EKS best practices, security, iam (dc0243a): EKS passes aws:SourceOrgId",
)

REQUEST_TAGS_NARROW_TRUST = _core(
    id="trust.request-tag",
    title="Trust can be narrowed by each session tag",
    promise=(
        "Conditions on aws:RequestTag MUST see all six tags of the pod: with the right values "
        "the role is assumed, with one wrong value of any of them it is not."
    ),
    rationale="Whoever may create associations still cannot use this role for another namespace.",
    source=f"{_ROLE}: condition keys; EKS user guide, pod-id-abac (0fc2ccb3)",
)

TAG_KEYS_ARE_THE_SIX = _extended(
    id="trust.tag-keys",
    title="aws:TagKeys are the six",
    promise=(
        "A role that allows no session tags but the six MUST be assumed, and one that leaves one "
        "of them out is not."
    ),
    rationale="A seventh tag would be a way to say anything about oneself.",
    source="EKS user guide, pod-id-abac (0fc2ccb3); IAM user guide (API 2010-05-08), aws:TagKeys",
)

DENY_WINS = _core(
    id="trust.deny",
    title="A deny in the trust policy wins",
    promise=(
        "A Deny statement whose condition the pod meets MUST keep the role from being assumed "
        "although another statement allows it; one that it does not meet changes nothing."
    ),
    rationale="Exceptions are written as denials.",
    source="IAM user guide (API 2010-05-08), reference_policies_evaluation-logic",
)

REPAIRED_TRUST_WORKS = _core(
    id="trust.repaired",
    title="A trust policy that was repaired works again",
    promise="When the trust policy is as it was, a new token MUST give the role again.",
    rationale="Nothing that any part remembers of the refusal may outlive its cause.",
    source="IAM user guide (API 2010-05-08), troubleshoot_general: changes are eventually visible",
)

SESSIONS_OUTLIVE_THEIR_TRUST = _core(
    id="trust.sessions-live-on",
    title="A session outlives the trust it came from",
    promise=(
        "Credentials that were given before the trust policy was changed MUST still work, and the "
        "agent MUST still give them to the same token."
    ),
    rationale="Taking the trust away stops nobody at once: for that, sessions must be revoked.",
    source=(
        "IAM user guide (API 2010-05-08), id_roles_use_revoke-sessions; "
        "aws/eks-pod-identity-agent 0.1.37: "
        "internal/credsretriever"
    ),
)
