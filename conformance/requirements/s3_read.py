"""Reading S3 with a role: what it may do, and that it may do nothing else."""

from functools import partial

from conformance.requirements.model import Level, Requirement, Targets
from conformance.stages import Stage

_SINCE = "EKS Auth API 2023-11-26"
_IAM = (
    "IAM user guide (API 2010-05-08), reference_policies_evaluation-logic: "
    "what no policy allows is denied"
)

POD_READS_ITS_OBJECT = Requirement(
    id="s3.read.own-object",
    title="An associated pod reads its object",
    level=Level.CORE,
    promise=(
        "A pod whose service account is associated with a role MUST be able to read, with the "
        "SDK's default chain and no configuration, an object that the role may read."
    ),
    rationale="The whole chain in one sentence: if this fails, nothing else matters.",
    source="EKS user guide, pod-identities (0be0c9b4) and pod-id-how-it-works (390223ef)",
    stage=Stage.IAM,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

OTHER_BUCKET_IS_DENIED = Requirement(
    id="s3.read.other-bucket",
    title="Another bucket is denied",
    level=Level.CORE,
    promise="The same credentials MUST be refused by IAM for a bucket that the role does not name.",
    rationale="The pod has its role's permissions and not, say, its node's.",
    source=f"EKS user guide, pod-identities (0be0c9b4), least privilege; {_IAM}",
    stage=Stage.IAM,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

WRITE_IS_DENIED = Requirement(
    id="s3.read.write",
    title="A reader does not write",
    level=Level.CORE,
    promise="A role that may only read MUST be refused by IAM when it writes to its own bucket.",
    rationale="Access to a bucket is not access to every action on it.",
    source=f"EKS user guide, pod-identities (0be0c9b4), least privilege; {_IAM}",
    stage=Stage.IAM,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

_core = partial(
    Requirement,
    level=Level.CORE,
    stage=Stage.IAM,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)
_extended = partial(_core, level=Level.EXTENDED)

_ACTIONS = (
    "Service authorization reference, Amazon S3 (API 2006-03-01): actions, "
    "resources and condition keys"
)
_GET_OBJECT = "S3 API 2006-03-01, GetObject: permissions"
_BUCKET_POLICY = (
    "IAM user guide (API 2010-05-08), reference_policies_evaluation-logic: resource-based policies"
)
_ABAC = "EKS user guide, pod-id-abac (0fc2ccb3)"

PREFIX_ENDS_WHERE_IT_ENDS = _core(
    id="s3.read.prefix",
    title="A prefix ends where it ends",
    promise=(
        "A role that may read below a prefix MUST read objects below it, and not those of a "
        "neighbour whose name only begins alike."
    ),
    rationale="`logs/*` must not be `logs-of-others/`: tenants of one bucket are told apart so.",
    source=_ACTIONS,
)

DENY_IN_THE_ROLE_WINS = _core(
    id="s3.read.deny",
    title="A deny in the role's own policy wins",
    promise="What one statement of the role allows and another denies MUST be refused.",
    rationale="Exceptions from a prefix are written as denials.",
    source=(
        "IAM user guide (API 2010-05-08), reference_policies_evaluation-logic: "
        "an explicit deny wins"
    ),
)

DELETE_IS_DENIED = _core(
    id="s3.read.delete",
    title="A reader does not delete",
    promise="A role that may only read MUST be refused when it deletes the object it may read.",
    rationale="The worst that a reader could do by mistake.",
    source=f"{_ACTIONS}; {_IAM}",
)

HEAD_IS_DENIED_WITHOUT_WORDS = _extended(
    id="s3.read.head",
    title="A HEAD is denied without words",
    promise=(
        "A HEAD of an object that the role may not read MUST be answered 403 without any text, "
        "one that it may read is answered."
    ),
    rationale="SDKs and file managers look before they read, and log nothing but the number.",
    source="S3 API 2006-03-01, HeadObject: permissions",
)

DENIAL_SAYS_WHO_AND_WHAT = _core(
    id="s3.denial",
    title="A denial says who, what and why",
    promise=(
        "S3's refusal MUST be 403 AccessDenied and name the pod's session, the action, the "
        "object, and the kind of policy that did not allow it."
    ),
    rationale="From the text alone one must be able to tell which pod lacks which permission.",
    source=(
        "IAM user guide (API 2010-05-08), troubleshoot_access-denied; "
        "terraform-aws-bedrock#41 for its form"
    ),
)

LIST_NEEDS_ITS_OWN_PERMISSION = _core(
    id="s3.list",
    title="Listing needs a permission of its own",
    promise=(
        "A role with s3:ListBucket on a bucket MUST list it and still not read its objects; one "
        "with s3:GetObject only MUST NOT list."
    ),
    rationale="`aws s3 ls` is the first that everybody tries, and the names alone tell a lot.",
    source=_ACTIONS,
)

LIST_IS_NARROWED_BY_PREFIX = _core(
    id="s3.list.prefix",
    title="Listing is narrowed by s3:prefix",
    promise=(
        "With a condition on s3:prefix the role MUST list that prefix, and be refused another "
        "prefix and the bucket as a whole."
    ),
    rationale="Tenants of one bucket must not read each other's names.",
    source="S3 user guide (API 2006-03-01), amazon-s3-policy-keys: s3:prefix",
)

MISSING_KEY_IS_HIDDEN = _core(
    id="s3.missing-key.hidden",
    title="Who may not list is not told what is missing",
    promise="Without s3:ListBucket a key that is not there MUST be answered 403, not 404.",
    rationale="A new application takes this for a wrong policy: it is a wrong key.",
    source=_GET_OBJECT,
)

MISSING_KEY_IS_TOLD = _core(
    id="s3.missing-key.told",
    title="Who may list is told what is missing",
    promise="With s3:ListBucket a key that is not there MUST be answered 404 NoSuchKey.",
    rationale="Applications that ask whether something is there live on the difference.",
    source=_GET_OBJECT,
    stage=Stage.SERVICE,
)

COPY_NEEDS_BOTH_SIDES = _core(
    id="s3.copy",
    title="A copy needs both sides",
    promise=(
        "A copy MUST be refused when the role may not read its source or not write its target, "
        "and made when it may do both."
    ),
    rationale="Else a copy would be a way around the policy of either side.",
    source="S3 API 2006-03-01, CopyObject: permissions",
)

DELETION_IS_DECIDED_BY_KEY = _extended(
    id="s3.delete-many",
    title="Many deletions are decided one by one",
    promise=(
        "DeleteObjects MUST delete the keys that the role may delete and tell of each other one "
        "that it was AccessDenied, in an answer that is a success."
    ),
    rationale="Who only looks at the status believes that everything is gone.",
    source="S3 API 2006-03-01, DeleteObjects",
)

URL_IS_THE_SESSIONS = _core(
    id="s3.presigned",
    title="A presigned URL is the session's",
    promise=(
        "A URL that the pod signed MUST do what the pod's role may do and nothing more, although "
        "signing it asks nobody."
    ),
    rationale="Anything can be signed; the answer must still be the role's.",
    source="S3 user guide (API 2006-03-01), using-presigned-url: who can create a presigned URL",
)

BUCKET_POLICY_ALLOWS = _core(
    id="s3.bucket-policy.allow",
    title="A bucket policy of the same account is enough",
    promise=(
        "A pod whose role has no permission for a bucket of its account MUST read what the "
        "bucket's policy allows the role, and nothing else in it."
    ),
    rationale="Owners of data give access without touching anybody's role.",
    source=_BUCKET_POLICY,
)

BUCKET_POLICY_DENIES = _core(
    id="s3.bucket-policy.deny",
    title="A bucket policy's deny wins",
    promise="What the pod's role allows and the bucket's policy denies the role MUST be refused.",
    rationale="Owners of data have the last word.",
    source=_BUCKET_POLICY,
)

TAGS_IN_RESOURCES = _core(
    id="s3.abac.role",
    title="One role, a folder for each service account",
    promise=(
        "With the tags of namespace and service account in a resource of the role's policy, each "
        "service account MUST read its own folder and MUST NOT read another's."
    ),
    rationale="One role for a whole platform is why session tags are there.",
    source=_ABAC,
)

TAGS_IN_A_BUCKET_POLICY = _core(
    id="s3.abac.bucket-policy",
    title="A bucket tells service accounts of one role apart",
    promise=(
        "A bucket policy with a condition on aws:PrincipalTag/kubernetes-service-account MUST let "
        "that service account in and keep out another of the same role."
    ),
    rationale="The owner of the data may know the application, and not the role.",
    source=_ABAC,
)
