"""
Every name of ministack that we use or replace, and the settings it is imported with.

ministack gives us IAM, STS, S3, DynamoDB and SQS, but what we correct in it is
private and changes from release to release. So the version is pinned, each name
that we touch is listed here, and the process checks all of them before it
serves: an upgrade that loses one fails with that name, not with a wrong verdict.
"""

import importlib
import os
from collections.abc import Mapping
from importlib.metadata import version

from conformance.errors import HarnessError

PACKAGE = "ministack"

SERVED = {
    "iam": "iam",
    "sts": "sts",
    "s3": "s3",
    "dynamodb": "dynamodb",
    "sqs": "sqs",
    "kms": "kms",
    "secretsmanager": "secretsmanager",
    "ssm": "ssm",
    "organizations": "organizations",
}
"""Signing name to ministack's service. Nothing else is reachable: among the rest are
services that fetch addresses which users name (SNS, Lambda, API Gateway)."""

NAMES: Mapping[str, tuple[str, ...]] = {
    "app": ("app", "AUTH"),
    "core.iam_actions": (
        "access_denied_response",
        "dynamodb_service_context",
        "extract_resource_arn",
        "fromstring",
        "s3_service_context",
    ),
    "core.iam_evaluator": (
        "AmbiguousAccessKeyError",
        "AuthError",
        "CredentialResolutionError",
        "EvalContext",
        "EvalResult",
        "_CONDITION_OPS",
        "_NEGATED_OPS",
        "_evaluate_single_condition",
        "_principal_keys",
        "_resolve_condition_key",
        "_resolve_managed_policy_document",
        "authenticate",
        "check_credentials",
        "enforce",
        "find_iam_access_key_account",
        "fnmatch_iam",
        "fnmatch_iam_cs",
        "is_root_access_key",
        "pin_request_origin",
        "resolve_credential",
    ),
    "core.responses": ("get_account_id", "get_region", "request_scope"),
    "core.sigv4": (
        "SIGNATURE_MISMATCH",
        "header_signature_failure",
        "parse_header_signature",
        "parse_query_signature",
        "presigned_request_is_expired",
        "request_time_failure",
    ),
    "services.dynamodb": ("_resource_policies", "_tables", "handle_request"),
    "services.iam": (
        "_IAM_HANDLERS",
        "_aws_managed_policies",
        "_error",
        "_group_inline_policies",
        "_groups",
        "_make_aws_managed_record",
        "_roles",
        "_user_inline_policies",
        "_users",
        "policy_known",
    ),
    "services.organizations": (
        "_accounts",
        "_attachments",
        "_ensure_org",
        "_orgs",
        "_ous",
        "_policies",
        "_roots",
    ),
    "services.s3": (
        "_bucket_owner_account",
        "_bucket_policies",
        "_error",
        "_foreign_bucket_allows",
        "handle_request",
    ),
    "services.kms": ("key_policy_for_arn",),
    "services.secretsmanager": ("secret_policy_for_arn",),
    "services.sqs": ("_enforce_queue_policy", "queue_policy_for_arn"),
    "services.sts": (
        "_error",
        "_session_policies",
        "_sessions",
        "_xml",
        "handle_request",
    ),
    "services.tagging": ("resource_tags",),
}
"""Module (below `ministack`) to the names in it that we call, read or replace."""


def prepare(*, region: str, account_id: str) -> None:
    """Set what ministack reads from the environment; call before anything imports it."""
    os.environ.update(
        {
            "AUTH": "true",
            "MINISTACK_ACCOUNT_ID": account_id,
            "MINISTACK_REGION": region,
            "MINISTACK_HOST": "localhost",
            "SERVICES": ",".join(SERVED.values()),
            # Nothing but our own sockets may listen, and no docker daemon be asked.
            "BIND_HOST": "127.0.0.1",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": "unix:///nonexistent/docker.sock",
            "MINISTACK_AUTOCREATE_AWS_MANAGED": "0",
            "LOG_LEVEL": "WARNING",
        }
    )


def check(names: Mapping[str, tuple[str, ...]] = NAMES) -> None:
    """Raises `HarnessError` naming the first name that this ministack does not have."""
    for module, attributes in names.items():
        loaded = importlib.import_module(f"{PACKAGE}.{module}")
        for attribute in attributes:
            if not hasattr(loaded, attribute):
                raise HarnessError(
                    f"emulated AWS: {PACKAGE}.{module}.{attribute} is gone",
                    saw=f"{PACKAGE} {version(PACKAGE)}",
                    try_="install the version that pyproject.toml pins, or bring "
                    "conformance/emulator/borrowed.py and its users up to date",
                )
