"""
S3's answers that depend on who owns a bucket and who may list it.

Rules restored: a foreign bucket is judged for the caller themselves, not for their
account (gap 4); a missing key is 404 only to those who may list the bucket, else 403
(gap 7; S3 API reference, GetObject, "Permissions"); ExpectedBucketOwner is checked
(gap 19); s3:RequestObjectTag exists, and so do other keys of headers (gap 14); a bucket
policy names principals that exist (gap 15). DeleteObjects is in `s3_deletions`.
"""

from typing import Any
from urllib.parse import parse_qsl

from ministack.core import iam_actions
from ministack.services import s3

from conformance.emulator.aws import Aws
from conformance.emulator.corrections.enforcement import Answer, current
from conformance.emulator.corrections.policy_mistakes import bucket_policy_mistake
from conformance.emulator.corrections.s3_deletions import delete_objects
from conformance.emulator.decisions import ResourcePolicy, refusal
from conformance.faults import S3_IGNORES_POLICIES

# Condition keys that are a header's value (service authorization reference, Amazon S3).
_HEADER_KEYS = (
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-metadata-directive",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-storage-class",
)


def install(aws: Aws) -> None:
    """Wrap S3's handler and its look at foreign buckets."""
    original = s3.handle_request

    async def handle_request(
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query: dict[str, Any],
        **options: Any,
    ) -> Answer:
        bucket, _, key = path.lstrip("/").partition("/")
        owner = s3._bucket_owner_account(bucket)
        expected = headers.get("x-amz-expected-bucket-owner")
        if expected and owner and expected != owner:
            return _denied("Access Denied", path)
        if method == "PUT" and not key and "policy" in query:
            wrong = bucket_policy_mistake(body)
            if wrong:
                malformed: Answer = s3._error("MalformedPolicy", wrong, 400, path)
                return malformed
        if current().operation == "DeleteObjects":
            return await delete_objects(
                aws, original, bucket, path=path, headers=headers, body=body
            )
        answer: Answer = await original(method, path, headers, body, query, **options)
        if answer[0] == 404 and method in ("GET", "HEAD") and key and owner:
            return _unless_listable(aws, bucket, owner, path) or answer
        return answer

    s3.handle_request = handle_request
    # The decision was made, for this caller, before the handler runs; no decision, no access.
    s3._foreign_bucket_allows = _allowed
    original_context = iam_actions.s3_service_context

    def s3_service_context(
        action: str, query: Any, path: str = "", headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        context: dict[str, Any] = original_context(action, query, path, headers)
        tagging = (headers or {}).get("x-amz-tagging")
        if tagging:
            tags = parse_qsl(tagging)
            context["s3:RequestObjectTagKeys"] = [key for key, _ in tags]
            context |= {f"s3:RequestObjectTag/{key}": value for key, value in tags}
        version = (query or {}).get("versionId")
        if version:
            context["s3:VersionId"] = version[0] if isinstance(version, list) else version
        return context | {
            f"s3:{name}": headers[name] for name in _HEADER_KEYS if headers and name in headers
        }

    iam_actions.s3_service_context = s3_service_context


def _allowed(_owner: str, bucket: str, *_: object) -> bool:
    return bucket in current().allowed_buckets


def _unless_listable(aws: Aws, bucket: str, owner: str, path: str) -> Answer | None:
    """403 for those who may not list the bucket: they must not learn that a key is absent."""
    if S3_IGNORES_POLICIES in aws.faults:
        return None
    resource = f"arn:aws:s3:::{bucket}"
    policy = ResourcePolicy(s3._bucket_policies.get_scoped(owner, None, bucket), owner)
    who = current().who
    verdict = aws.judge(who, "s3:ListBucket", resource, policy=policy)
    if verdict.allowed:
        return None
    return _denied(refusal(verdict, who.arn, "s3:ListBucket", resource), path)


def _denied(message: str, path: str) -> Answer:
    answer: Answer = s3._error("AccessDenied", message, 403, path)
    return answer
