"""
IAM's checks of what roles are made of.

Rules restored: a trust policy must be one (gap 15, see `policy_mistakes`),
MaxSessionDuration lies between 1 and 12 hours (gap 5). Added: AWS managed policies that
node roles use and that ministack does not have.
"""

import json
from collections.abc import Callable
from typing import Any

from ministack.services import iam

from conformance.emulator.aws import Aws
from conformance.emulator.corrections.enforcement import Answer
from conformance.emulator.corrections.policy_mistakes import trust_mistake

_Parameters = dict[str, Any]

# AWS managed policy reference, one statement each.
_PULL = ("ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability")
_PULL_ONLY = (*_PULL, "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage")
_READ_ONLY = (
    *_PULL_ONLY,
    "ecr:GetRepositoryPolicy",
    "ecr:DescribeRepositories",
    "ecr:ListImages",
    "ecr:DescribeImages",
    "ecr:GetLifecyclePolicy",
    "ecr:GetLifecyclePolicyPreview",
    "ecr:ListTagsForResource",
    "ecr:DescribeImageScanFindings",
)
MANAGED = {
    "AmazonEC2ContainerRegistryReadOnly": _READ_ONLY,
    "AmazonEC2ContainerRegistryPullOnly": (*_PULL_ONLY, "ecr:BatchImportUpstreamImage"),
}


def install(_: Aws) -> None:
    """Wrap the handlers of roles; add managed policies."""
    for operation, document in (
        ("CreateRole", "AssumeRolePolicyDocument"),
        ("UpdateAssumeRolePolicy", "PolicyDocument"),
        ("UpdateRole", None),
    ):
        handler = iam._IAM_HANDLERS[operation]
        iam._IAM_HANDLERS[operation] = _checked(handler, document)
    for name, actions in MANAGED.items():
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        record = iam._make_aws_managed_record(name, text, description=name)
        iam._aws_managed_policies.setdefault(record["Arn"], record)


def _checked(
    handler: Callable[[_Parameters], Answer], document: str | None
) -> Callable[[_Parameters], Answer]:
    def handle(parameters: _Parameters) -> Answer:
        seconds = _one(parameters, "MaxSessionDuration")
        if seconds and not (seconds.isdigit() and 3600 <= int(seconds) <= 43200):
            return _error(
                "ValidationError",
                f"1 validation error detected: Value '{seconds}' at 'maxSessionDuration' failed to "
                "satisfy constraint: Member must have value between 3600 and 43200",
            )
        wrong = trust_mistake(_one(parameters, document) or "") if document else None
        return _error("MalformedPolicyDocument", wrong) if wrong else handler(parameters)

    return handle


def _one(parameters: _Parameters, name: str) -> str | None:
    value = parameters.get(name)
    return str(value[0] if isinstance(value, list) else value) if value else None


def _error(code: str, message: str) -> Answer:
    answer: Answer = iam._error(400, code, message, ns="iam")
    return answer
