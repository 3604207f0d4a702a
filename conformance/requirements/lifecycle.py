"""The life of an association: made, changed, deleted, made again; and who sees it when."""

from functools import partial

from conformance.requirements.model import Level, Requirement, Targets
from conformance.stages import Stage

_SINCE = "EKS API 2017-11-01 with pod identity associations, 2023-11-26"
_CONSISTENCY = "EKS user guide, pod-id-association (390223ef): changes take several seconds"

REMOVED_ASSOCIATION_ENDS_INJECTION = Requirement(
    id="association.removed",
    title="After its association is removed, a new pod is not injected",
    level=Level.CORE,
    promise=(
        "Within seconds of DeletePodIdentityAssociation, a new pod of that service account MUST "
        "NOT be injected and finds no credentials."
    ),
    rationale="Taking access away is the half of access control that is tried least.",
    source=_CONSISTENCY,
    stage=Stage.INJECTION,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

ASSOCIATION_CREATED_AGAIN_WORKS = Requirement(
    id="association.created-again",
    title="Created again, an association works for a new pod",
    level=Level.CORE,
    promise=(
        "After an association was deleted and created again for the same service account, a new "
        "pod MUST act as its role."
    ),
    rationale="Replaced associations must not stay shadowed by what was known of the old one.",
    source=_CONSISTENCY,
    stage=Stage.INJECTION,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

_changed = partial(
    Requirement,
    level=Level.CORE,
    source="EKS API 2017-11-01, UpdatePodIdentityAssociation",
    stage=Stage.EKS_AUTH,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

ROLE_IS_SWAPPED = _changed(
    id="association.updated.role",
    title="Another role of an association is that of the next session",
    promise=(
        "Within seconds of UpdatePodIdentityAssociation with another role, new tokens of its "
        "service account MUST give sessions of that role, and of its permissions."
    ),
    rationale="Access is changed by swapping roles; pods and manifests stay as they are.",
)

KEPT_SESSIONS_ARE_NOT_SWAPPED = _changed(
    id="association.updated.kept",
    title="What the agent keeps stays of the old role until it is renewed",
    promise=(
        "A token whose credentials the agent keeps MUST go on being given those, of the old role, "
        "also after the association was updated."
    ),
    rationale="For up to three hours a swapped role is swapped for new pods only.",
    source=(
        "aws/eks-pod-identity-agent 0.1.37: refreshing_cache.go; EKS user guide, "
        "pod-id-association (390223ef)"
    ),
    stage=Stage.AGENT,
)

SWAPPED_WHEN_RENEWED = _changed(
    id="association.updated.renewed",
    title="Whoever asks the agent is swapped when it renews, after three hours",
    level=Level.EXTENDED,
    promise=(
        "Whoever asks the agent in a pod that runs MUST be given the role that its association "
        "was given when the agent renews the pod's credentials, which is within three hours and "
        "a minute, without a restart and without a call that fails."
    ),
    rationale="From then on nobody can get the old role, though who has got it may use it still.",
    source=(
        "aws/eks-pod-identity-agent 0.1.37: configuration/config.go, "
        "max-credential-retention-before-renewal 3h; refreshing_cache.go, a sweep each minute"
    ),
    stage=Stage.AGENT,
    targets=Targets.EMULATED,
)

SDK_IS_SWAPPED_LATER = _changed(
    id="association.updated.sdk",
    title="An SDK keeps the old role for as long as its copy is good",
    level=Level.EXTENDED,
    promise=(
        "A program whose SDK has credentials of the old role MUST go on with them, without a call "
        "that fails, also after the agent has renewed: it asks again when they are about to end."
    ),
    rationale=(
        "boto3 asks when a quarter of an hour is left, so the last program lets go of a role up "
        "to 5 h 45 min after the swap, and not when the agent does."
    ),
    source=(
        "botocore 1.43.106: credentials.py, _DEFAULT_ADVISORY_REFRESH_TIMEOUT 15 * 60 and "
        "_DEFAULT_MANDATORY_REFRESH_TIMEOUT 10 * 60, of RefreshableCredentials"
    ),
    stage=Stage.SERVICE,
    targets=Targets.EMULATED,
)

TAGS_ARE_SWITCHED_OFF = _changed(
    id="association.updated.tags",
    title="Session tags are switched off for the next session",
    promise=(
        "After session tags are disabled for an association, new sessions MUST NOT have them: what "
        "a policy allows by tag is denied."
    ),
    rationale="Whoever switches them off loses every access that goes by them, from then on.",
    stage=Stage.IAM,
)

TARGET_ROLE_IS_SET = _changed(
    id="association.updated.target-role",
    title="A target role that is set is that of the next session",
    promise="After an association is given a target role, new sessions MUST be of that role.",
    rationale="Access to another account is added to pods that are there already.",
    stage=Stage.STS,
)

POLICY_NARROWS = _changed(
    id="association.updated.policy",
    title="A policy that is set narrows the next session",
    promise=(
        "After an association is given a policy, new sessions MUST be denied what it does not "
        "allow, although the role does."
    ),
    rationale="One role serves many service accounts, each narrowed to what it needs.",
    source="EKS API 2017-11-01, UpdatePodIdentityAssociation: policy",
    stage=Stage.IAM,
)

ROLES_POLICY_COUNTS_AT_ONCE = _changed(
    id="association.role-policy",
    title="What a role may do is decided at each call",
    promise=(
        "When a permission is taken from the role, sessions that were there before MUST be denied "
        "it within seconds, with the same credentials."
    ),
    rationale="It is the only way to stop a session that has been given away.",
    source="IAM user guide (API 2010-05-08), id_credentials_temp_control-access_disable-perms",
    stage=Stage.IAM,
)

DELETED_GIVES_NO_SESSION = _changed(
    id="association.deleted",
    title="A deleted association gives no new session",
    promise=(
        "Within seconds of DeletePodIdentityAssociation, new tokens of pods that were injected "
        "before MUST be answered ResourceNotFoundException."
    ),
    rationale="Pods keep their variables and tokens; the door is what has to be closed.",
    source="EKS API 2017-11-01, DeletePodIdentityAssociation",
)

DELETED_REVOKES_NOTHING = _changed(
    id="association.deleted.sessions",
    title="Sessions outlive their association",
    promise="Credentials that were given before the association was deleted MUST go on working.",
    rationale="Who deletes an association to stop somebody has stopped nobody yet.",
    source="EKS API 2017-11-01, DeletePodIdentityAssociation: it does not end sessions",
    stage=Stage.SERVICE,
)

DROPPED_WHEN_RENEWED = _changed(
    id="association.deleted.renewed",
    title="A deleted association gives nothing from its agent's renewal on",
    level=Level.EXTENDED,
    promise=(
        "A token of a deleted association MUST be given what the agent keeps for it until that is "
        "renewed, within three hours and a minute, and be answered ResourceNotFoundException from "
        "then on."
    ),
    rationale="It is when the last pod stops being given a role that was taken away from it.",
    source=(
        "aws/eks-pod-identity-agent 0.1.37: internal/cloud/eksauth/errors.go, irrecoverable; "
        "refreshing_cache.go, a sweep each minute"
    ),
    stage=Stage.AGENT,
    targets=Targets.EMULATED,
)

MADE_AGAIN_HAS_ITS_OWN_ROLE = _changed(
    id="association.created-again.role",
    title="Made again with another role, an association gives that one",
    promise=(
        "After an association is deleted and made again for the same service account with another "
        "role, new tokens MUST give sessions of the new role."
    ),
    rationale="Nothing that any part remembers of the first one may shadow the second.",
    source=_CONSISTENCY,
)

LAST_ONE_WINS = _changed(
    id="association.race",
    title="Deleted and made again in a hurry, the last one counts",
    promise=(
        "However quickly an association is deleted and made again, there MUST be one in the end, "
        "and every new session is of the role that was named last."
    ),
    rationale="Tools replace; a deletion that overtakes its successor takes access away for good.",
    source="aws-controllers-k8s/community#2684; " + _CONSISTENCY,
)

OLDER_PODS_STAY_WITHOUT = _changed(
    id="association.older-pod",
    title="A pod that is older than its association never gets credentials",
    promise=(
        "An association MUST be effective for pods that are created after it, and change nothing "
        "about pods that run already."
    ),
    rationale="Restarting the pod is the answer that everybody has to find once.",
    source="aws/amazon-eks-pod-identity-webhook#210; EKS user guide, pod-id-association (390223ef)",
    stage=Stage.INJECTION,
)

EFFECTIVE_WITHIN_SECONDS = _changed(
    id="association.propagation",
    title="Associations are effective within seconds",
    promise=(
        "New pods MUST be injected within seconds after CreatePodIdentityAssociation, and no more "
        "within seconds after DeletePodIdentityAssociation; the median and the 99th percentile "
        "are in the report."
    ),
    rationale="No API says when it is so: whoever waits has to know how long.",
    source=f"{_CONSISTENCY}; aws/eks-pod-identity-agent#52: 5 to 10 s",
    stage=Stage.INJECTION,
)

EFFECTIVE_AT_EKS_AUTH = _changed(
    id="association.propagation.eks-auth",
    title="EKS Auth knows associations within seconds",
    level=Level.EXTENDED,
    promise=(
        "New tokens MUST be given sessions within seconds after CreatePodIdentityAssociation, and "
        "none within seconds after DeletePodIdentityAssociation; the median and the 99th "
        "percentile are in the report."
    ),
    rationale="A pod that is injected and refused is no better off than one that was missed.",
    source=f"{_CONSISTENCY}; aws/eks-pod-identity-agent#52: 5 to 10 s",
)

DELETED_ASSOCIATIONS_SESSION_ENDS = Requirement(
    id="association.deleted.session-ends",
    title="A session of a deleted association ends when it says",
    level=Level.EXTENDED,
    promise=(
        "Credentials that were given before the association was deleted MUST work until their "
        "expiration, and not after it."
    ),
    rationale="Deleting an association revokes nothing: how long that matters has to be known.",
    source="EKS API 2017-11-01, DeletePodIdentityAssociation: it does not end sessions",
    stage=Stage.SERVICE,
    since=_SINCE,
    targets=Targets.EMULATED,
    aws_validated="never",
)
