"""
Deleting what is in a bucket.

The trap: S3 answers DeleteObjects with 200 also when it refuses every single key (API
reference, DeleteObjects: `Errors`). Whoever does not look hears afterwards that the
bucket is not empty, and never why.
"""

from collections.abc import Sequence
from typing import Any, Final

from botocore.exceptions import ClientError

KEYS_OF_ONE_DELETION: Final = 1000
"""API reference, DeleteObjects."""


def delete_versions(s3: Any, bucket: str, versions: Sequence[dict[str, str]]) -> None:
    """Delete versions (`Key`, `VersionId`); raises `ClientError` with the first refusal."""
    for start in range(0, len(versions), KEYS_OF_ONE_DELETION):
        some = versions[start : start + KEYS_OF_ONE_DELETION]
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": some, "Quiet": True})
        for refused in answer.get("Errors", ()):
            said = f"{refused['Key']} in {bucket}: {refused.get('Message', '')}"
            error: Any = {"Error": {"Code": refused["Code"], "Message": said}}
            raise ClientError(error, "DeleteObjects")
