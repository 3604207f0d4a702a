"""
What a request is about, where ministack asks IAM about `*`.

Rule restored (gap 36): an action is decided on the resource that the Service Authorization
Reference gives it, so that a policy can be as narrow as on AWS. A creation is about the ARN
that will be, path included; DynamoDB's tags are a table's.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ministack.core import iam_actions

from conformance.emulator.aws import Aws

_CREATED = {"CreatePolicy": ("policy", "PolicyName"), "CreateRole": ("role", "RoleName")}
_OF_TAGS = ("ListTagsOfResource", "TagResource", "UntagResource")


def install(_: Aws) -> None:
    """Look here before ministack does."""
    original: Callable[..., str] = iam_actions.extract_resource_arn

    def extract(service: str, method: str, path: str, *rest: Any) -> str:
        headers, body, parameters, _region, account = rest
        found = ""
        if service == "iam":
            found = _created(parameters, account)
        elif service == "dynamodb" and headers.get("x-amz-target", "").endswith(_OF_TAGS):
            found = _tagged(body)
        return found or original(service, method, path, *rest)

    iam_actions.extract_resource_arn = extract


def _created(parameters: dict[str, Any], account: str) -> str:
    def one(name: str) -> str:
        value = parameters.get(name, "")
        return str(value[0] if isinstance(value, list) and value else value or "")

    if one("Action") not in _CREATED:
        return ""
    kind, name = _CREATED[one("Action")]
    return f"arn:aws:iam::{account}:{kind}{one('Path') or '/'}{one(name)}"


def _tagged(body: bytes) -> str:
    with suppress(ValueError, AttributeError):
        return str(json.loads(body).get("ResourceArn", ""))
    return ""
