"""
What IAM and S3 say about a policy that they do not take.

Rule restored (gap 15): a trust policy or bucket policy is checked when it is written,
its principals included. ministack takes anything, and a misspelled principal then looks
like a refusal of the role. A service principal is known when botocore knows a service
or endpoint of its name; the list here has those that are principals only.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from botocore.loaders import Loader
from ministack.services import iam

from conformance.emulator.policies import words

# Principals that are neither a service nor an endpoint of that name in botocore.
_PRINCIPALS_ONLY = frozenset(
    {
        *("airflow-env", "apidestinations", "backup-storage", "build.apprunner"),
        *("channels", "codedeploy", "continuousexport", "delivery.logs"),
        *("ec2fleet", "ecs-tasks", "edgelambda", "eks-connector"),
        *("eks-fargate", "eks-fargate-pods", "eks-nodegroup", "export.rds"),
        *(
            "logger.cloudfront",
            "malware-protection-plan.guardduty",
            "member.org.stacksets.cloudformation",
            "opensearchservice",
        ),
        *("ops.apigateway", "pods.eks", "purchaseorders", "replication.ecr"),
        *(
            "replicator.lambda",
            "reporting.trustedadvisor",
            "s3.data-source.lustre.fsx",
            "scheduler.redshift",
        ),
        *("spot", "spotfleet", "stacksets.cloudformation", "tasks.apprunner"),
        *("trustedadvisor", "vmie", "vpc-flow-logs"),
    }
)


def trust_mistake(text: str) -> str | None:
    """What IAM says is wrong with a trust policy; None when it takes it."""
    try:
        document = json.loads(text)
    except ValueError:
        return "This policy contains invalid Json"
    if not isinstance(document, Mapping) or not document.get("Statement"):
        return "Syntax errors in policy."
    for statement in _statements(document):
        if not isinstance(statement, Mapping) or statement.get("Effect") not in ("Allow", "Deny"):
            return "Syntax errors in policy."
        if "Resource" in statement or "NotResource" in statement:
            return "Has prohibited field Resource"
        if "Principal" not in statement and "NotPrincipal" not in statement:
            return "AssumeRole policy must contain Principal field."
        actions = words(statement.get("Action"))
        if not actions and "NotAction" not in statement:
            return "Policy statement must contain actions."
        if any(not action.lower().startswith(("sts:", "*")) for action in actions):
            return "AssumeRole policy may only specify STS AssumeRole actions."
        wrong = next(_unknown_principals(statement.get("Principal")), None)
        if wrong:
            return f"Invalid principal in policy: {wrong}"
    return None


def bucket_policy_mistake(content: bytes) -> str | None:
    """What S3 says is wrong with a bucket policy; None when it takes it."""
    try:
        document = json.loads(content)
    except ValueError:
        document = None
    if not isinstance(document, Mapping):
        return "Policies must be valid JSON and the first byte must be '{'"
    if not document.get("Statement"):
        return "Missing required field Statement"
    for statement in _statements(document):
        if not isinstance(statement, Mapping) or statement.get("Effect") not in ("Allow", "Deny"):
            return "Missing required field Effect"
        for field, other in (
            ("Principal", "NotPrincipal"),
            ("Action", "NotAction"),
            ("Resource", "NotResource"),
        ):
            if field not in statement and other not in statement:
                return f"Missing required field {field}"
        if next(_unknown_principals(statement.get("Principal")), None):
            return "Invalid principal in policy"
    return None


def _statements(document: Mapping[str, Any]) -> list[Any]:
    found = document["Statement"]
    return found if isinstance(found, list) else [found]


def _unknown_principals(principal: object) -> Iterator[str]:
    """Each as the policy has it, `"AWS":"arn..."`."""
    if not isinstance(principal, Mapping):
        return
    for arn in words(principal.get("AWS")):
        if not _known_identity(arn):
            yield f'"AWS":"{arn}"'
    for service in words(principal.get("Service")):
        if not known_service(service):
            yield f'"SERVICE":"{service}"'


def _known_identity(arn: str) -> bool:
    """False for a user or role that does not exist, and for what is no ARN."""
    if arn == "*" or arn.isdigit():
        return True
    parts = arn.split(":", 5)
    if len(parts) != 6:
        return False
    kind, _, name = parts[5].partition("/")
    store = {"role": iam._roles, "user": iam._users}.get(kind)
    if store is None:
        return True
    found = store.get_scoped(parts[4], None, name.rpartition("/")[2])
    return found is not None and found["Arn"] == arn


@cache
def _services() -> frozenset[str]:
    """Names of endpoints and of models: a service has the one or the other."""
    loader = Loader()
    partitions = loader.load_data("endpoints")["partitions"]
    endpoints = (name for partition in partitions for name in partition["services"])
    return frozenset({*endpoints, *loader.list_available_services("service-2")})


def known_service(principal: str) -> bool:
    """`NAME.amazonaws.com`, also with a region: `NAME.REGION.amazonaws.com`."""
    name = principal.removesuffix(".cn")
    if not name.endswith(".amazonaws.com"):
        return False
    name = name.removesuffix(".amazonaws.com")
    first = name.partition(".")[0]
    region = name.rpartition(".")[2]
    if region != name and region.count("-") >= 2:
        name = name.rpartition(".")[0]
    return name in _PRINCIPALS_ONLY or name in _services() or first in _services()
