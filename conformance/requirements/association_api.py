"""The API that makes associations: what it stores, what it says, what it refuses and how."""

from functools import partial

from conformance.requirements.model import Level, Requirement, Targets
from conformance.stages import Stage

_MODEL = "EKS API 2017-11-01 (botocore 1.43.106)"
_GUIDE = "EKS user guide, pod-id-association (390223ef)"

_core = partial(
    Requirement,
    level=Level.CORE,
    source=_MODEL,
    stage=Stage.SERVICE,
    since="EKS API 2017-11-01 with pod identity associations, 2023-11-26",
    targets=Targets.ALL,
    aws_validated="never",
)
_extended = partial(_core, level=Level.EXTENDED)

CREATED_ASSOCIATION_IS_DESCRIBED = _core(
    id="api.create",
    title="A created association is described in full",
    promise=(
        "CreatePodIdentityAssociation MUST answer with what was asked for, an id of a- and 17 "
        "letters or digits, an ARN of cluster and id, and both dates; Describe says it again."
    ),
    rationale="Tools keep the id, policies name the ARN.",
    source=f"{_MODEL}; an id as seen: a-lfw52xh1ihr1szuwp",
)

NAMES_NEED_NOT_EXIST = _core(
    id="api.create.names",
    title="Namespace and service account need not exist",
    promise="An association MUST be accepted for names that the cluster does not have.",
    rationale="Infrastructure is made before applications are deployed to it.",
    source=f"{_GUIDE}; aws/containers-roadmap#2245",
)

ONE_ASSOCIATION_PER_SERVICE_ACCOUNT = _core(
    id="api.create.unique",
    title="One association for each service account",
    promise=(
        "A second association for the same cluster, namespace and service account MUST be refused "
        "with 409 ResourceInUseException 'Association already exists: <id>'."
    ),
    rationale="Which of two roles a pod gets must never be a question.",
    source=f"{_GUIDE}; the text as in aws/eks-hybrid#679",
)

ROLE_MUST_EXIST = _core(
    id="api.create.role",
    title="The role must exist",
    promise=(
        "Create and Update with a role that is not there MUST be refused with 400 "
        "InvalidParameterException 'Role provided in the request does not exist'."
    ),
    rationale="Tools wait for IAM when they read exactly this.",
    source=(
        "terraform-provider-aws 00a35305: internal/service/eks/pod_identity_association.go; "
        "its #34711"
    ),
)

PATH_IS_PART_OF_THE_ROLE = _core(
    id="api.create.role.path",
    title="A role with a path is named with it",
    promise=(
        "A role with a path MUST be accepted by its whole ARN, and its ARN without the path MUST "
        "be refused as one of a role that does not exist."
    ),
    rationale="Companies keep roles in paths, and sessions are named without them: tools cut it.",
    source=(
        "IAM user guide (API 2010-05-08), reference_identifiers: paths; "
        "terraform-provider-aws#34711"
    ),
)

ROLE_IS_OF_THE_CLUSTERS_ACCOUNT = _extended(
    id="api.create.role.account",
    title="The role is of the cluster's account",
    promise=(
        "Create and Update with a role of another account MUST be refused: it is what target roles "
        "are for."
    ),
    rationale="A role of others is reached through its own trust, never by passing it.",
    source=f"{_GUIDE}; eksctl-io/eksctl#8718",
    stage=Stage.IAM,
)

NAMES_ARE_CHECKED = _extended(
    id="api.create.parameters",
    title="What cannot be a name is refused",
    promise=(
        "Missing parameters, and namespaces and service accounts that Kubernetes could not have, "
        "too long ones and wildcards among them, MUST be refused with 400 "
        "InvalidParameterException; the longest that it can have MUST be accepted."
    ),
    rationale="An association that can never match is a mistake that nobody would notice.",
)

QUOTA_IS_KEPT = _extended(
    id="api.quota",
    title="A cluster has so many associations and no more",
    promise=(
        "The first association beyond the cluster's quota MUST be refused with 400 "
        "ResourceLimitExceededException; once one was deleted, one more is made."
    ),
    rationale="It cannot be raised: who makes one for each customer must know where it ends.",
    source=f"EKS user guide, service-quotas (1fe584bb): 1000 for each cluster; {_MODEL}",
    targets=Targets.EMULATED,
)

CREATION_IS_IDEMPOTENT = _core(
    id="api.create.idempotent",
    title="The same request made twice makes one association",
    promise=(
        "The same parameters with the same clientRequestToken MUST answer with the same "
        "association; other parameters with that token MUST be refused."
    ),
    rationale="A tool that lost the answer must be able to ask again.",
)

UNKNOWN_CLUSTER_IS_NOT_FOUND = _core(
    id="api.cluster",
    title="An unknown cluster is not found",
    promise=(
        "Every operation for a cluster that is not there MUST answer 404 "
        "ResourceNotFoundException and name the cluster."
    ),
    rationale="Told apart from an association that is not there by its text.",
)

ASSOCIATION_IDS_HAVE_19_CHARACTERS = _extended(
    id="api.describe.id",
    title="An id of another length is refused as such",
    promise=(
        "An id that is not 19 characters long MUST be refused with 400 InvalidParameterException, "
        "and the text speaks of its length."
    ),
    rationale="An ARN given for an id is the usual mistake.",
    source="aws-samples/eks-workshop-v2#882",
)

UNKNOWN_ASSOCIATION_IS_NOT_FOUND = _core(
    id="api.describe.unknown",
    title="An unknown association is not found",
    promise=(
        "Describe, Update and Delete of an id that is not there MUST answer 404 "
        "ResourceNotFoundException."
    ),
    rationale="Tools take it for gone, and must not for any other error.",
)

LIST_IS_A_SUMMARY = _core(
    id="api.list",
    title="A list is a summary",
    promise=(
        "ListPodIdentityAssociations MUST tell cluster, namespace, service account, id and ARN of "
        "each, and MUST NOT tell roles, tags or dates."
    ),
    rationale="Who reads roles from a list reads nothing; each must be described.",
)

LIST_IS_FILTERED = _core(
    id="api.list.filters",
    title="A list is filtered by namespace and service account",
    promise="namespace and serviceAccount MUST select exactly, each alone and both together.",
    rationale="Finding the association of one pod must not take reading a thousand.",
)

LIST_COMES_IN_PAGES = _core(
    id="api.list.pages",
    title="A list comes in pages",
    promise=(
        "With maxResults from 1 to 100 the pages MUST hold every association once; other numbers "
        "MUST be refused."
    ),
    rationale="What is on no page is never cleaned up, what is on two is counted twice.",
)

UPDATE_CHANGES_THE_ROLE_ONLY = _core(
    id="api.update",
    title="An update changes the role and keeps the rest",
    promise=(
        "UpdatePodIdentityAssociation MUST change the role, and keep id, ARN, names, tags and the "
        "date of creation; the date of change moves."
    ),
    rationale="A role is swapped without the gap that deleting would leave.",
)

UPDATE_MUST_CHANGE_SOMETHING = _extended(
    id="api.update.nothing",
    title="An update must change something",
    promise="An update without any change MUST be refused with 400 InvalidParameterException.",
    rationale="It is a parameter that was forgotten.",
)

SESSION_TAGS_ARE_SWITCHED = _core(
    id="api.update.session-tags",
    title="Session tags are switched off and on by an update",
    promise="disableSessionTags MUST be false unless asked for, and follow each update.",
    rationale="Policies that separate by tag depend on it.",
    since="EKS API with disableSessionTags, 2025-06",
)

POLICY_NEEDS_TAGS_OFF = _extended(
    id="api.policy",
    title="A session policy needs session tags off",
    promise=(
        "A policy MUST be refused with 400 InvalidParameterException unless disableSessionTags "
        "is true, and be told back as it was given."
    ),
    rationale="Both share the room that STS has for a session.",
    source=f"{_MODEL}: CreatePodIdentityAssociation, policy",
    since="EKS API with policy, 2026-02",
)

EXTERNAL_ID_NAMES_THE_WORKLOAD = _core(
    id="api.external-id",
    title="A target role comes with an external id",
    promise=(
        "An association with a target role MUST tell the external id "
        "region/account/cluster/namespace/service-account, and one without MUST tell none."
    ),
    rationale="It is what the target role's trust policy compares.",
    source="EKS user guide, pod-id-assign-target-role (06e01eb0)",
    since="EKS API with targetRoleArn, 2025-06",
)

DELETED_ASSOCIATION_IS_GONE = _core(
    id="api.delete",
    title="A deleted association is gone",
    promise=(
        "DeletePodIdentityAssociation MUST answer with what it deleted; afterwards it is not "
        "found, is on no list, and its names can be associated again under another id."
    ),
    rationale="What is gone for the API and stays for pods would be nobody's to find.",
)

ASSOCIATIONS_ARE_TAGGED = _core(
    id="api.tags",
    title="Associations are tagged",
    promise=(
        "Tags given at creation, and those of TagResource and UntagResource, MUST be told by "
        "Describe and ListTagsForResource alike."
    ),
    rationale="Costs, owners and clean-up are found by tags.",
)

FIFTY_TAGS_ARE_THE_MOST = _extended(
    id="api.tags.limit",
    title="Fifty tags are the most",
    promise="An association with 51 tags MUST be refused, and none of them is made.",
    rationale="A limit that is met half leaves tags that nobody asked for.",
)

CREATION_NEEDS_PASS_ROLE = _core(
    id="api.pass-role",
    title="Giving a role away needs iam:PassRole",
    promise=(
        "A caller that may create associations but not pass the role MUST be denied, naming "
        "iam:PassRole."
    ),
    rationale="Otherwise whoever may create associations had every role of the account.",
    source=f"{_GUIDE}; EKS best practices, security, iam (dc0243a)",
    stage=Stage.IAM,
)

UPDATING_NEEDS_PASS_ROLE = _extended(
    id="api.pass-role.update",
    title="Another role in an association needs iam:PassRole, too",
    promise=(
        "A caller that may update associations MUST be denied a role that it may not pass, naming "
        "iam:PassRole, and MUST be able to set one that it may pass."
    ),
    rationale="Otherwise one harmless association would be the way to every role of the account.",
    source=(
        "Service authorization reference, eks (API 2017-11-01): UpdatePodIdentityAssociation; "
        f"{_GUIDE}"
    ),
    stage=Stage.IAM,
)

PASSING_IS_FOR_A_ROLE_AND_A_SERVICE = _extended(
    id="api.pass-role.narrowed",
    title="iam:PassRole can be narrowed to Pod Identity",
    promise=(
        "With iam:PassedToService pods.eks.amazonaws.com a caller MUST be able to give a role to "
        "an association; one that it may pass to another service only MUST be denied."
    ),
    rationale="Who may start instances with a role has not been given it for pods.",
    source=(
        "IAM user guide (API 2010-05-08), id_roles_use_passrole and reference_policies_iam-"
        "condition-keys: iam:PassedToService"
    ),
    stage=Stage.IAM,
)

PERMISSIONS_NAME_THE_ASSOCIATION = _core(
    id="api.permission",
    title="Permissions are for an association's ARN",
    promise=(
        "A caller without permission MUST be denied with 403 AccessDeniedException, naming the "
        "action and the ARN of the association."
    ),
    rationale="Teams are given their own associations, and must see which one was not theirs.",
    source=(
        "Service authorization reference, eks (API 2017-11-01); the text as in aws/eks-hybrid#740"
    ),
    stage=Stage.IAM,
)
