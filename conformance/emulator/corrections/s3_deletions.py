"""
DeleteObjects, decided key by key.

Rule restored (gap 14): what may be deleted is deleted, the other keys are listed as
errors in an answer that is a success (S3 API reference, DeleteObjects). ministack refuses
the request as a whole at the first key that is denied. The trap is reading the list twice
in two ways: what is passed on is read back, and must be exactly what was allowed.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any
from xml.sax.saxutils import escape

from ministack.core import iam_actions
from ministack.services import s3

from conformance.emulator.aws import Aws
from conformance.emulator.corrections.enforcement import Answer, current
from conformance.emulator.decisions import ResourcePolicy, refusal
from conformance.faults import S3_IGNORES_POLICIES

_OBJECT = re.compile(rb"<(?:\w+:)?Object(?:\s[^>]*)?>.*?</(?:\w+:)?Object\s*>", re.DOTALL)
# Of the list as it was sent; it is another one now.
_SUMS = re.compile(r"content-md5|x-amz-(sdk-)?checksum-.*|content-length")
_END = b"</DeleteResult>"
_EMPTY = (
    b'<?xml version="1.0" encoding="UTF-8"?>'
    b'<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' + _END
)


async def delete_objects(
    aws: Aws,
    original: Callable[..., Awaitable[Answer]],
    bucket: str,
    *,
    path: str,
    headers: dict[str, str],
    body: bytes,
) -> Answer:
    """Answer one call; `original` is ministack's handler, which deletes all it is given."""
    targets = _targets(bucket, body)
    if not targets:
        return _malformed(path)
    refused = {target: why for target in targets if (why := _refused(aws, bucket, *target))}
    query = {"delete": [""]}
    if not refused:
        answer: Answer = await original("POST", path, headers, body, query)
        return answer
    rest = _without(body, [target in refused for target in targets])
    if rest is None or _targets(bucket, rest) != [t for t in targets if t not in refused]:
        return _malformed(path)
    status, told, content = 200, {"Content-Type": "application/xml"}, _EMPTY
    if len(refused) < len(set(targets)):
        kept = {name: value for name, value in headers.items() if not _SUMS.fullmatch(name.lower())}
        status, told, content = await original("POST", path, kept, rest, query)
    if status == 200 and _END in content:
        errors = b"".join(_error(bucket, *target, refused[target]) for target in refused)
        content = content.replace(_END, errors + _END)
    return status, told, content


def _malformed(path: str) -> Answer:
    text = (
        "The XML you provided was not well-formed or did not validate against our published schema"
    )
    answer: Answer = s3._error("MalformedXML", text, 400, path)
    return answer


def _targets(bucket: str, body: bytes) -> list[tuple[str, str]]:
    """
    ARN and version of each key; empty for a body that is not a list of them.

    Two keys in one element are refused: it is not ours to guess which the handler takes.
    """
    try:
        root = iam_actions.fromstring(body)
    except (SyntaxError, ValueError):
        return []
    targets = []
    for element in root.iter():
        if _tag(element) == "Object":
            named = [(_tag(child), child.text or "") for child in element]
            keys = [text for tag, text in named if tag == "Key"]
            versions = [text for tag, text in named if tag == "VersionId"]
            if len(keys) != 1 or not keys[0] or len(versions) > 1:
                return []
            targets.append((f"arn:aws:s3:::{bucket}/{keys[0]}", "".join(versions)))
    return targets


def _tag(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _refused(aws: Aws, bucket: str, arn: str, version: str) -> str:
    """Why a key may not be deleted; empty when it may."""
    if S3_IGNORES_POLICIES in aws.faults:
        current().allowed_buckets.add(bucket)
        return ""
    owner = s3._bucket_owner_account(bucket)
    policy = owner and ResourcePolicy(s3._bucket_policies.get_scoped(owner, None, bucket), owner)
    action = "s3:DeleteObjectVersion" if version else "s3:DeleteObject"
    who = current().who
    context = {"s3:VersionId": version} if version else None
    verdict = aws.judge(who, action, arn, context=context, policy=policy or None)
    if verdict.allowed:
        current().allowed_buckets.add(bucket)
        return ""
    return refusal(verdict, who.arn, action, arn)


def _without(body: bytes, refused: list[bool]) -> bytes | None:
    """The list without some of its elements; None when its elements cannot be told apart."""
    if len(_OBJECT.findall(body)) != len(refused):
        return None
    marks = iter(refused)
    return _OBJECT.sub(lambda found: b"" if next(marks) else found[0], body)


def _error(bucket: str, arn: str, version: str, why: str) -> bytes:
    key = arn.removeprefix(f"arn:aws:s3:::{bucket}/")
    versioned = f"<VersionId>{escape(version)}</VersionId>" if version else ""
    return (
        f"<Error><Key>{escape(key)}</Key>{versioned}<Code>AccessDenied</Code>"
        f"<Message>{escape(why)}</Message></Error>"
    ).encode()
