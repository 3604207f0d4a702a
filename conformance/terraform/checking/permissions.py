"""
The least that a run needs on a real account, as an IAM policy.

Nobody writes it down by hand: while a stack is checked, the emulated IAM decides on every
call of Terraform's provider, and what it was asked (action and resource) is kept in
`calls.json`. `conformance stack check STACK --calls FILE` adds to such a file, and
`conformance requirements --iam-policy` turns the project's own into a policy. That was made
with the embedded provider and the stacks aws, awscc and module, and with hashicorp/aws
5.100.0 and the stack aws5: the real one looks at far more of a bucket.

Names become patterns: what a run makes begins with `pi-` (`world.naming`), the cluster's
name, accounts and regions are for whoever uses the policy to narrow.
"""

import json
import re
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Final

Calls = Mapping[str, frozenset[str]]
"""Action (`iam:CreateRole`) to patterns of resources."""

PREFIX: Final = "pi-"
FILE: Final = "calls.json"

_CLUSTER: Final = "arn:aws:eks:*:*:cluster/*"
_ADDON: Final = "arn:aws:eks:*:*:addon/*"
_BUCKETS: Final = frozenset({"arn:aws:s3:::pi-*"})
_ASSOCIATION: Final = "arn:aws:eks:*:*:podidentityassociation/*"

_TAGGED: Final[Mapping[str, str]] = {
    "dynamodb:CreateTable": "dynamodb:TagResource",
    "eks:CreateAddon": "eks:TagResource",
    "eks:CreatePodIdentityAssociation": "eks:TagResource",
    "iam:CreatePolicy": "iam:TagPolicy",
    "iam:CreateRole": "iam:TagRole",
    "s3:CreateBucket": "s3:PutBucketTagging",
    "sqs:CreateQueue": "sqs:TagQueue",
}
"""
What a creation with tags needs besides, by action; everything that a run makes has tags.

AWS asks for it within the same call (IAM user guide, "Controlling access during AWS
requests"), so nothing but the creation is ever seen.
"""

_NARROWER: Final[Mapping[str, frozenset[str]]] = {
    "eks:TagResource": frozenset({_ADDON, _ASSOCIATION}),
}
"""What the tags of a creation are written on, where that is another thing."""

BESIDE: Final[Calls] = {
    "eks:DescribeCluster": frozenset({_CLUSTER}),
    "eks:ListAddons": frozenset({_CLUSTER}),
    "eks:DescribeAddon": frozenset({_ADDON}),
    "eks:UpdateAddon": frozenset({_ADDON}),
    "eks:ListPodIdentityAssociations": frozenset({_CLUSTER}),
    "eks:ListTagsForResource": frozenset({_ADDON, _ASSOCIATION}),
    "eks:UntagResource": frozenset({_ADDON, _ASSOCIATION}),
    "eks-auth:AssumeRoleForPodIdentity": frozenset({_CLUSTER}),
    "organizations:DescribeOrganization": frozenset({"*"}),
    "s3:ListTagsForResource": _BUCKETS,
    "s3:TagResource": _BUCKETS,
    "s3:UntagResource": _BUCKETS,
}
"""
What a run asks EKS without Terraform: the target `eks`, and scenarios about its own API.
And what hashicorp/aws asks S3 since 6.23 (terraform-provider-aws#45251), which could not be
heard here: without it the provider goes back to the older calls.
"""

_NEEDLESS: Final = frozenset({"iam:GetUser"})
"""The real provider asks who it is, and asks STS when it may not (aws-sdk-go-base, account id)."""

_ARN: Final = re.compile(r"arn:(?P<partition>[^:]*):(?P<service>[^:]*):[^:]*:[^:]*:(?P<rest>.*)")


def calls_of(decisions: Iterable[tuple[str, str]], *, prefix: str, cluster: str) -> Calls:
    """What was asked of IAM (action and resource), without the names of this one check."""
    found: dict[str, set[str]] = {}
    for action, resource in decisions:
        found.setdefault(action, set()).add(_pattern(resource, prefix, cluster))
    return _tidy(found)


def merged(*many: Calls) -> Calls:
    """All calls of all of them."""
    found: dict[str, set[str]] = {}
    for calls in many:
        for action, patterns in calls.items():
            found.setdefault(action, set()).update(patterns)
    return _tidy(found)


def read_calls(file: Path | None = None) -> Calls:
    """Those in a file; without one those that the project's own stacks make."""
    place = file if file is not None else resources.files(__package__).joinpath(FILE)
    told = json.loads(place.read_text(encoding="utf-8"))
    return {action: frozenset(patterns) for action, patterns in told.items()}


def write_calls(file: Path, calls: Calls) -> None:
    """Write them for `read_calls`, in an order that does not change."""
    told = {action: sorted(patterns) for action, patterns in sorted(calls.items())}
    file.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def policy(calls: Calls) -> dict[str, Any]:
    """An IAM policy for these and their tags; one statement for what has the same resources."""
    grouped: dict[tuple[str, ...], list[str]] = {}
    tagging = {_TAGGED[each]: calls[each] for each in calls if each in _TAGGED}
    for action, seen in sorted(merged(calls, tagging).items()):
        if action in _NEEDLESS:
            continue
        grouped.setdefault(tuple(sorted(_NARROWER.get(action, seen))), []).append(action)
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": actions, "Resource": list(patterns)}
            for patterns, actions in sorted(grouped.items())
        ],
    }


def as_terraform(document: Mapping[str, Any]) -> str:
    """The policy as a resource of hashicorp/aws, with a document that can be narrowed."""
    statements = "\n".join(
        "  statement {\n"
        f"    actions = {_list(statement['Action'])}\n"
        f"    resources = {_list(statement['Resource'])}\n"
        "  }\n"
        for statement in document["Statement"]
    )
    return (
        f'data "aws_iam_policy_document" "conformance" {{\n{statements}}}\n\n'
        'resource "aws_iam_policy" "conformance" {\n'
        '  name   = "eks-pod-identity-conformance"\n'
        "  policy = data.aws_iam_policy_document.conformance.json\n"
        "}\n"
    )


def _list(items: Iterable[str]) -> str:
    # What ${ means to Terraform never stands in an action or a pattern of ours.
    lines = "".join(f"      {json.dumps(item)},\n" for item in items)
    return f"[\n{lines}    ]"


def _pattern(resource: str, prefix: str, cluster: str) -> str:
    told = _ARN.fullmatch(resource)
    if told is None:
        return "*"
    rest = told["rest"]
    for name, pattern in ((prefix, f"{PREFIX}*"), (f"/{cluster}", "/*")):
        if name in rest:
            rest = rest[: rest.index(name)] + pattern
    # Buckets belong to no region and account, roles to no region.
    place = {"s3": ":", "iam": ":*"}.get(told["service"], "*:*")
    return f"arn:{told['partition']}:{told['service']}:{place}:{rest}"


def _tidy(found: Mapping[str, Iterable[str]]) -> Calls:
    return {
        action: frozenset({"*"}) if "*" in patterns else frozenset(patterns)
        for action, patterns in found.items()
    }
