"""
Which conditions mean something here, as data.

A condition key that no request ever carries looks exactly like one that is absent, and
with `...IfExists`, ForAllValues or a negation an absent key lets the request through. So
keys are listed: of those below, absence means what it means on AWS. Any other key, and
any operator that is not compared as AWS does, makes the statement deny: an Allow is not
counted, a Deny is, and the decision's record says `unsupported` with the name.

Sources: IAM user guide, "AWS global condition context keys"; service authorization
reference of each service.
"""

from collections.abc import Iterable

from ministack.core.iam_evaluator import _CONDITION_OPS

_PRESENT = (
    # The caller.
    *("aws:PrincipalArn", "aws:PrincipalAccount", "aws:PrincipalType", "aws:PrincipalTag/*"),
    *("aws:PrincipalOrgID", "aws:userid", "aws:username", "aws:SourceIdentity"),
    *("aws:TokenIssueTime", "aws:MultiFactorAuthPresent", "aws:PrincipalIsAWSService"),
    *("aws:PrincipalServiceName", "aws:PrincipalServiceNamesList"),
    # The request.
    *("aws:CurrentTime", "aws:EpochTime", "aws:RequestedRegion", "aws:SecureTransport"),
    *("aws:SourceIp", "aws:UserAgent", "aws:Referer", "aws:ViaAWSService"),
    *("aws:TagKeys", "aws:RequestTag/*"),
    # The resource.
    *("aws:ResourceTag/*", "aws:ResourceAccount", "s3:ResourceAccount"),
    # What an AWS service says about whom it acts for.
    *("aws:SourceArn", "aws:SourceAccount", "aws:SourceOrgID"),
    # STS, when a role is assumed.
    *("sts:ExternalId", "sts:RoleSessionName", "sts:SourceIdentity", "sts:TransitiveTagKeys"),
    # iam:PassRole.
    *("iam:PassedToService", "iam:AssociatedResourceArn"),
    # EKS, about access entries and their policies.
    *("eks:principalArn", "eks:kubernetesGroups", "eks:username", "eks:accessEntryType"),
    *("eks:policyArn", "eks:namespaces", "eks:accessScope"),
    # S3.
    *("s3:prefix", "s3:delimiter", "s3:max-keys", "s3:VersionId", "s3:x-amz-acl"),
    *("s3:x-amz-copy-source", "s3:x-amz-grant-*", "s3:x-amz-metadata-directive"),
    *("s3:x-amz-server-side-encryption", "s3:x-amz-server-side-encryption-aws-kms-key-id"),
    *("s3:x-amz-storage-class", "s3:x-amz-content-sha256"),
    *("s3:ExistingObjectTag/*", "s3:RequestObjectTag/*", "s3:RequestObjectTagKeys"),
    # DynamoDB.
    *("dynamodb:LeadingKeys", "dynamodb:Attributes", "dynamodb:Select"),
    "dynamodb:EnclosingOperation",
)

_NEVER_PRESENT = (
    # Nobody signs in with a second factor, a web identity or SAML, and no service passes
    # a request on with its caller's rights: absent on AWS too.
    *("aws:MultiFactorAuthAge", "aws:FederatedProvider", "aws:CalledVia"),
    *("aws:CalledViaFirst", "aws:CalledViaLast", "aws:ChatbotSourceArn"),
)


def _forms(keys: Iterable[str]) -> tuple[frozenset[str], tuple[str, ...]]:
    lower = [key.lower() for key in keys]
    whole = frozenset(key for key in lower if not key.endswith("*"))
    return whole, tuple(key[:-1] for key in lower if key.endswith("*"))


_WHOLE, _BEGINNINGS = _forms((*_PRESENT, *_NEVER_PRESENT))

# No key has binary values, and what ministack compares is the undecoded text (gap 12).
_NOT_COMPARED = frozenset({"binaryequals"})
_SETS = frozenset({"", "forallvalues", "foranyvalue"})


def supports_key(key: str) -> bool:
    """Whether absence of this key means that AWS would not have it either."""
    lower = key.lower()
    return lower in _WHOLE or lower.startswith(_BEGINNINGS)


def supports_operator(operator: str) -> bool:
    """`ForAllValues:StringLikeIfExists` is StringLike with a set and a suffix."""
    before, _, name = operator.lower().rpartition(":")
    if before not in _SETS:
        return False
    if name == "null":
        return True
    kind = name.removesuffix("ifexists")
    return kind in _CONDITION_OPS and kind not in _NOT_COMPARED
