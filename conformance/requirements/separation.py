"""Tenants of one cluster never get each other's role, however alike their names are."""

from conformance.requirements.model import Level, Requirement, Targets
from conformance.stages import Stage

_SINCE = "EKS Auth API 2023-11-26"
_ASSOCIATION = "EKS user guide, pod-id-association (390223ef)"
_AGENT = "aws/eks-pod-identity-agent 0.1.37"
_TOKEN_CHECK = (
    "EKS Auth API 2023-11-26, AssumeRoleForPodIdentity: InvalidTokenException; "
    f"{_AGENT}: internal/validation/request.go leaves the check to the service"
)

NAMESPACE_SELECTS_THE_ROLE = Requirement(
    id="separation.role",
    title="Same service account name, own role in each namespace",
    level=Level.CORE,
    promise=(
        "Service accounts of the same name in two namespaces, each with an association of its "
        "own, MUST act as their own role."
    ),
    rationale="dev and prod name their service accounts alike; that must not make them alike.",
    source=f"{_ASSOCIATION}: an association is unique per cluster, namespace and service account",
    stage=Stage.EKS_AUTH,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

NEIGHBOURS_BUCKET_IS_DENIED = Requirement(
    id="separation.bucket",
    title="Each tenant reads its own bucket only",
    level=Level.CORE,
    promise=(
        "A pod in dev MUST read dev's bucket and be refused by IAM on prod's, and the other way "
        "round."
    ),
    rationale="Separation of identities is worth what it separates.",
    source=f"{_ASSOCIATION}; EKS user guide, pod-identities (0be0c9b4), credential isolation",
    stage=Stage.IAM,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

TAGS_SEPARATE_ONE_ROLE = Requirement(
    id="separation.abac",
    title="One role, separated by namespace tag",
    level=Level.CORE,
    promise=(
        "With one role for both namespaces and ${aws:PrincipalTag/kubernetes-namespace} in its "
        "policy, each pod MUST read its own namespace's prefix and be refused by IAM on the "
        "other's."
    ),
    rationale="Attribute-based policies are how one role serves a cluster of tenants.",
    source="EKS user guide, pod-id-abac (0fc2ccb3)",
    stage=Stage.IAM,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

PODS_OF_ONE_NODE_ARE_APART = Requirement(
    id="separation.node",
    title="Two pods on one node get different credentials",
    level=Level.CORE,
    promise="Two pods that ask the same agent MUST NOT get each other's credentials.",
    rationale="The agent caches; a cache that forgets whose entry it is mixes up tenants.",
    source=f"{_AGENT}: internal/credsretriever, where the whole token is the key, in 0.2.1 the pod",
    stage=Stage.AGENT,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

TOKEN_DECIDES_WHO_IS_ASKING = Requirement(
    id="separation.presented-token",
    title="The token decides, not the pod that presents it",
    level=Level.CORE,
    promise=(
        "A token of dev that is presented from a pod of prod MUST give dev's identity, and never "
        "prod's."
    ),
    rationale="Identity comes from what the cluster signed, never from where a request came from.",
    source=f"{_AGENT}: pkg/handlers; EKS Auth API 2023-11-26, AssumeRoleForPodIdentity: token",
    stage=Stage.EKS_AUTH,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

ALTERED_TOKEN_IS_REFUSED = Requirement(
    id="separation.altered-token",
    title="A token with altered claims is refused",
    level=Level.CORE,
    promise=(
        "A token whose namespace was changed under its old signature MUST be refused by EKS Auth "
        "as InvalidTokenException."
    ),
    rationale="A pod can write any claims; only the cluster's signature makes them true.",
    source=_TOKEN_CHECK,
    stage=Stage.EKS_AUTH,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

FOREIGN_SIGNATURE_IS_REFUSED = Requirement(
    id="separation.foreign-signature",
    title="A token signed by a stranger is refused",
    level=Level.CORE,
    promise=(
        "A token that is well signed, under the cluster's key id but by another key, MUST be "
        "refused by EKS Auth as InvalidTokenException."
    ),
    rationale="A signature that fits some key proves nothing; it must be the cluster's.",
    source=_TOKEN_CHECK,
    stage=Stage.EKS_AUTH,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

UNSIGNED_TOKEN_IS_REFUSED = Requirement(
    id="separation.unsigned-token",
    title="A token that claims to need no signature is refused",
    level=Level.CORE,
    promise=(
        "A token that says by the algorithm `none` that nobody signed it MUST be refused by EKS "
        "Auth as InvalidTokenException."
    ),
    rationale="The agent passes it on; a library that obeys a token's own header believes it.",
    source=f"{_TOKEN_CHECK}; RFC 8725, section 3.1",
    stage=Stage.EKS_AUTH,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

ACCOUNTS_OF_ONE_NAMESPACE_ARE_APART = Requirement(
    id="separation.service-account",
    title="Two service accounts of one namespace, own role and own data",
    level=Level.CORE,
    promise=(
        "Two service accounts of one namespace, each with an association of its own, MUST act as "
        "their own role, read what it allows, and be refused by IAM on what only the other's does."
    ),
    rationale="Least privilege per service account is what Pod Identity is chosen for.",
    source=f"{_ASSOCIATION}; EKS user guide, pod-identities (0be0c9b4), least privilege",
    stage=Stage.IAM,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

ENVIRONMENTS_ARE_APART = Requirement(
    id="separation.environments",
    title="dev, staging and prod in one cluster",
    level=Level.CORE,
    promise=(
        "Three environments as namespaces of one cluster, each with an association of its own for "
        "the same service account name, MUST read their own bucket and be refused on both others."
    ),
    rationale="What holds for two holds for three only if nothing is left over from the last one.",
    source=f"{_ASSOCIATION}; EKS user guide, pod-identities (0be0c9b4), credential isolation",
    stage=Stage.IAM,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

DEFAULT_ACCOUNT_HAS_NOTHING = Requirement(
    id="separation.default",
    title="A pod that names no service account gets nothing",
    level=Level.CORE,
    promise=(
        "A pod of the service account `default` MUST be left alone by the webhook and find no "
        "credentials, however many associations its namespace has."
    ),
    rationale="It is whom every pod runs as whose author did not think about it.",
    source=f"{_ASSOCIATION}: an association is for one service account",
    stage=Stage.INJECTION,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

CLUSTERS_HAVE_THEIR_OWN_ASSOCIATIONS = Requirement(
    id="separation.clusters",
    title="The same names in two clusters, own role in each",
    level=Level.EXTENDED,
    promise=(
        "Pods of the same namespace and service account name in two clusters MUST each act as the "
        "role that their own cluster's association names."
    ),
    rationale="A staging cluster is made from the manifests of the production one.",
    source=f"{_ASSOCIATION}: an association is unique per cluster, namespace and service account",
    stage=Stage.EKS_AUTH,
    since=_SINCE,
    targets=Targets.EMULATED,
    aws_validated="never",
)

ENVIRONMENTS_IN_TWO_CLUSTERS_ARE_APART = Requirement(
    id="separation.environments.clusters",
    title="prod and staging in two clusters",
    level=Level.EXTENDED,
    promise=(
        "The same namespace and service account in a cluster of prod and in one of staging, each "
        "with its environment's role, MUST read its own environment's bucket and be refused by IAM "
        "on the other's."
    ),
    rationale="Environments are clusters as often as namespaces, made from the same manifests.",
    source=f"{_ASSOCIATION}; EKS user guide, pod-identities (0be0c9b4), credential isolation",
    stage=Stage.IAM,
    since=_SINCE,
    targets=Targets.EMULATED,
    aws_validated="never",
)

TOKEN_OF_ANOTHER_CLUSTER_IS_REFUSED = Requirement(
    id="separation.other-cluster-token",
    title="A token of another cluster is refused",
    level=Level.EXTENDED,
    promise=(
        "A good token of another cluster, for a namespace and service account that have an "
        "association here, too, MUST be refused by EKS Auth as InvalidTokenException."
    ),
    rationale="An admin of some cluster can make any token there; here it must be worth nothing.",
    source=_TOKEN_CHECK,
    stage=Stage.EKS_AUTH,
    since=_SINCE,
    targets=Targets.EMULATED,
    aws_validated="never",
)

CLUSTER_TAG_SEPARATES_ONE_ROLE = Requirement(
    id="separation.cluster-tag",
    title="One role for two clusters, separated by the cluster's tag",
    level=Level.EXTENDED,
    promise=(
        "With one role associated in two clusters, a policy under the condition "
        "aws:PrincipalTag/eks-cluster-name MUST let in the pods of the one and refuse those of "
        "the other."
    ),
    rationale="Nothing else about two such pods differs, as far as IAM can see.",
    source="EKS user guide, pod-id-abac (0fc2ccb3)",
    stage=Stage.IAM,
    since=_SINCE,
    targets=Targets.EMULATED,
    aws_validated="never",
)

ACCOUNT_MADE_AGAIN_IS_ASSOCIATED = Requirement(
    id="separation.account-again",
    title="A service account made again is the same for its association",
    level=Level.EXTENDED,
    promise=(
        "After a service account was deleted and made again under its name, pods of the new one "
        "MUST act as the association's role: associations are by name, not by UID."
    ),
    rationale="Redeploying a chart must not cut off its pods; a name set free is one to take.",
    source=f"{_ASSOCIATION}: namespace and service account are names and need not exist",
    stage=Stage.EKS_AUTH,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)

OLD_TOKENS_LIVE_ON = Requirement(
    id="separation.old-token",
    title="Deleting a pod or a service account does not take back its tokens",
    level=Level.PROVISIONAL,
    promise=(
        "A token of a deleted pod, or of a deleted service account of which there is a new one, "
        "SHOULD be answered by EKS Auth until it expires, with its own role and never another's."
    ),
    rationale=(
        "Whoever removes a pod in an incident must know that its token is good for up to a day; "
        "only the association or the role takes it back."
    ),
    source=(
        "aws/eks-pod-identity-agent#171: renewals for pods that are gone succeed until the token "
        "expires; AWS documents nothing about it"
    ),
    stage=Stage.EKS_AUTH,
    since=_SINCE,
    targets=Targets.ALL,
    aws_validated="never",
)
