"""Two accounts: target roles that the pod's role assumes, and policies of foreign resources."""

from functools import partial

from conformance.requirements.model import Level, Requirement, Targets
from conformance.stages import Stage

_TARGET = "EKS user guide, pod-id-assign-target-role (06e01eb0)"
_CROSS = "IAM user guide (API 2010-05-08), reference_policies_evaluation-logic-cross-account"
_TAGGED = "eks-pod-identity-agent#80: tags of Pod Identity are transitive"

_core = partial(
    Requirement,
    level=Level.CORE,
    stage=Stage.STS,
    since="EKS API 2025-06: target roles",
    targets=Targets.ALL,
    aws_validated="never",
)
_extended = partial(_core, level=Level.EXTENDED)
_resource = partial(_core, stage=Stage.IAM, since="EKS Auth API 2023-11-26")

POD_IS_THE_TARGET_ROLE = _core(
    id="cross-account.target-role",
    title="The pod acts as the target role",
    promise=(
        "A pod whose association has a target role in another account MUST act as a session of "
        "that role, in that account."
    ),
    rationale="This is what a target role is for: no code of the application assumes anything.",
    source=f"{_TARGET}: how it works",
)

ACCOUNT_ID_IS_THE_TARGETS = _core(
    id="cross-account.account-id",
    title="The credentials name the target's account",
    promise="With a target role AccountId in the agent's answer MUST be the target's account.",
    rationale="SDKs put it into endpoints; the cluster's account there leads to another one.",
    source="aws/eks-pod-identity-agent 0.1.37: pkg/credentials/model.go",
    stage=Stage.AGENT,
)

TARGET_READS_ITS_BUCKET = _core(
    id="cross-account.bucket",
    title="The target role's permissions are enough in its account",
    promise=(
        "The pod MUST read a bucket of the target's account that the target role allows and whose "
        "owner has written no policy, and be refused what the target role does not allow."
    ),
    rationale="Nothing in the other account has to know anything but the target role.",
    source=_TARGET,
    stage=Stage.IAM,
)

FIRST_ROLE_STAYS_BEHIND = _core(
    id="cross-account.first-role",
    title="The first role's permissions stay behind",
    promise="What the associated role may do in its own account the pod MUST NOT do.",
    rationale="The pod has one identity, not two; whoever expects both finds out in production.",
    source=f"{_TARGET}: permissions defined in the target role",
    stage=Stage.IAM,
)

CHAINED_SESSION_LIVES_AN_HOUR = _core(
    id="cross-account.hour",
    title="Credentials of a target role live an hour",
    promise=(
        "Credentials of a target role MUST end within an hour, while those of a pod without "
        "target role live longer."
    ),
    rationale="Role chaining is capped; who plans with six hours is surprised after one.",
    source=f"{_TARGET}: caching considerations; IAM user guide (API 2010-05-08), role chaining",
)

TAGS_COME_ALONG = _core(
    id="cross-account.tags",
    title="Session tags come along to the target role",
    promise=(
        "Policies of the target role MUST see the pod's session tags as aws:PrincipalTag: one for "
        "its namespace allows, one for another does not."
    ),
    rationale="Tags are transitive, so one target role can serve many namespaces.",
    source=f"EKS user guide, pod-id-abac (0fc2ccb3); {_TAGGED}",
    stage=Stage.IAM,
)

NO_TAGS_COME_ALONG = _core(
    id="cross-account.tags.disabled",
    title="Without session tags the target has none",
    promise="With session tags disabled no policy of the target role MUST see one.",
    rationale="Who disables them does so to tell another account nothing, or to save room.",
    source="EKS user guide, pod-id-abac (0fc2ccb3): disable session tags",
    stage=Stage.IAM,
)

CHAIN_IS_TWO_SESSIONS = _extended(
    id="cross-account.chain",
    title="First the role's session, then the target's",
    promise=(
        "STS MUST be asked twice: by EKS for the associated role, and by that role's session for "
        "the target role, which has the six tags of the pod, all of them transitive."
    ),
    rationale="Both accounts can follow a session of the target back to the cluster.",
    source=f"{_TARGET}: two role assumptions in sequence",
    targets=Targets.EMULATED,
)

TRUST_NAMES_THE_ROLE = _core(
    id="cross-account.trust.role",
    title="A target that trusts one role trusts no other",
    promise=(
        "A target role whose trust policy names the associated role as principal MUST be assumed; "
        "one that names another role of the same account MUST NOT."
    ),
    rationale="Every role of the cluster's account would get in otherwise.",
    source=_TARGET,
)

PRINCIPAL_ARN_NARROWS = _core(
    id="cross-account.trust.principal-arn",
    title="aws:PrincipalArn narrows an account's trust",
    promise=(
        "A target role that trusts the cluster's account under a condition on aws:PrincipalArn "
        "MUST be assumed by that role, and by no other."
    ),
    rationale="It is how the user guide writes it: the account as principal, the role below.",
    source=f"{_TARGET}: trust policy of the target",
)

REQUEST_TAGS_NARROW = _core(
    id="cross-account.trust.request-tag",
    title="aws:RequestTag narrows it to cluster, namespace and service account",
    promise=(
        "Conditions on aws:RequestTag in the target's trust policy MUST see the pod's tags: with "
        "the right values it is assumed, with one wrong value of any of them it is not."
    ),
    rationale="The other account decides which workload, not only which role.",
    source=f"{_TARGET}: trust policy of the target",
)

TARGET_MUST_ALLOW_TAGS = _core(
    id="cross-account.tag-session.target",
    title="The target must allow sts:TagSession",
    promise="A target role that trusts with sts:AssumeRole only MUST NOT be assumed with tags.",
    rationale="Trust policies that served IRSA for years lack it, and say nothing about tags.",
    source=f"{_TARGET}: trust policy of the target; {_TAGGED}",
)

FIRST_ROLE_MUST_TAG = _core(
    id="cross-account.tag-session.first-role",
    title="The first role must be allowed sts:TagSession",
    promise=(
        "An associated role with the permission for sts:AssumeRole on the target but not for "
        "sts:TagSession MUST NOT reach a target that trusts the account."
    ),
    rationale="Where a trust names an account, the account's own policies decide for whom.",
    source=f"{_TARGET}: permission policy of the first role; terrapod#1546",
)

UNTAGGED_NEEDS_NO_TAG_SESSION = _core(
    id="cross-account.tag-session.not-needed",
    title="Without session tags nobody needs sts:TagSession",
    promise=(
        "With session tags disabled a target role MUST be assumed although neither its trust "
        "policy nor the associated role allows sts:TagSession."
    ),
    rationale="The way out for target roles that one cannot change.",
    source=(
        "eks-pod-identity-agent#80: disabling session tags; "
        "IAM user guide (API 2010-05-08), id_session-tags"
    ),
)

FIRST_ROLE_MUST_BE_ALLOWED = _core(
    id="cross-account.permission",
    title="The first role must be allowed to assume the target",
    promise=(
        "A target that trusts the cluster's account MUST NOT be reached by an associated role "
        "without permission for sts:AssumeRole on it."
    ),
    rationale="Both accounts have a say: that the target trusts is half of it.",
    source=f"{_TARGET}: permission policy of the first role; {_CROSS}",
)

REFUSED_BY_WHO_DOES_NOT_ALLOW = _extended(
    id="cross-account.trust.reasons",
    title="The chain is refused by the side that does not allow it",
    promise=(
        "A chain MUST be refused by the target's trust policy or by the first role's policies, "
        "whichever does not allow it, and for the action that it does not allow: sts:AssumeRole "
        "or, where only that lacks, sts:TagSession."
    ),
    rationale="Pods are told the same of all of them: a refusal for another reason looks as good.",
    source=f"{_CROSS}; {_TARGET}: trust policy of the target, permission policy of the first role",
    targets=Targets.EMULATED,
)

EXTERNAL_ID_IS_PASSED = _core(
    id="cross-account.external-id",
    title="The external id tells who comes without tags",
    promise=(
        "With session tags disabled a target role that asks for the external id "
        "region/account/cluster/namespace/service-account MUST be assumed."
    ),
    rationale="Else a target could not tell workloads of one role apart.",
    source=f"{_TARGET}: sts:ExternalId",
)

WRONG_EXTERNAL_ID_IS_REFUSED = _core(
    id="cross-account.external-id.wrong",
    title="Each part of the external id counts",
    promise=(
        "A target role that asks for another account, cluster, namespace or service account in "
        "the external id MUST NOT be assumed."
    ),
    rationale="The same service account of another cluster is somebody else.",
    source=f"{_TARGET}: sts:ExternalId",
)

EXTERNAL_ID_IS_TOLD = _core(
    id="cross-account.external-id.told",
    title="The association says which external id it is",
    promise="EKS SHOULD tell the external id of an association with a target role.",
    rationale="The owner of the target needs it letter by letter.",
    source=f"EKS API 2017-11-01, PodIdentityAssociation: externalId; {_TARGET} for its form",
    level=Level.PROVISIONAL,
    stage=Stage.EKS_AUTH,
)

FOREIGN_BUCKET_NEEDS_BOTH = _resource(
    id="cross-account.bucket-policy",
    title="A foreign bucket is read when both sides allow",
    promise=(
        "Without any target role the pod MUST read from a bucket of another account what its own "
        "role and the bucket's policy both allow."
    ),
    rationale="The other way across accounts: nobody assumes anything.",
    source=_CROSS,
)

ONE_SIDE_IS_NOT_ENOUGH = _resource(
    id="cross-account.bucket-policy.one-side",
    title="Neither side alone opens a foreign bucket",
    promise=(
        "What only the pod's role or only the foreign bucket's policy allows MUST be refused; in "
        "one account either would be enough."
    ),
    rationale="Nobody can give away what is not theirs, nor take what nobody gave.",
    source=_CROSS,
)

ACCOUNT_IS_TRUSTED_FOR_ITS_ROLES = _resource(
    id="cross-account.bucket-policy.account",
    title="A bucket that names the account leaves it to its roles",
    promise=(
        "Where the foreign bucket's policy names the pod's account as a whole, the pod's role "
        "MUST decide: what it allows is read, what it does not is refused."
    ),
    rationale="Policies of shared buckets are mostly written so.",
    source=_CROSS,
)

FOREIGN_BUCKET_SEES_TAGS = _resource(
    id="cross-account.bucket-policy.session-tag",
    title="A foreign bucket sees the pod's session tags",
    promise=(
        "A condition on aws:PrincipalTag/kubernetes-namespace in the foreign bucket's policy MUST "
        "let the pod's namespace in and keep out another."
    ),
    rationale="Tags do not end at the border of an account.",
    source=f"EKS user guide, pod-id-abac (0fc2ccb3); {_CROSS}",
)

FOREIGN_QUEUE_NEEDS_BOTH = _resource(
    id="cross-account.queue-policy",
    title="A foreign queue needs both sides, too",
    promise=(
        "The pod MUST receive from a queue of another account when its own role and the queue's "
        "policy allow it, and MUST be refused when only one of them does."
    ),
    rationale="SQS keeps and asks its policies by other ways than S3.",
    source=f"{_CROSS}; SQS developer guide (API 2012-11-05), basic examples of policies",
)
