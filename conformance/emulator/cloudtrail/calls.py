"""
The event of a call that was served, allowed or denied.

Shapes: CloudTrail's records of AssumeRoleForPodIdentity on real clusters (2023-12 to
2024-04) for EKS Auth; service user guides for the others. Calls whose signature is not
good are not recorded: CloudTrail does not log requests that fail authentication (S3
user guide, "Logging Amazon S3 API calls"). tlsDetails say what a client of AWS's own
endpoint would have had; ours is plain HTTP on this machine.
"""

import html
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from conformance.emulator.audit import Event, event
from conformance.emulator.authentication import Incoming, Verified
from conformance.emulator.cloudtrail import elements, identities
from conformance.emulator.cloudtrail.operations import Operation
from conformance.emulator.cloudtrail.resources import (
    Resource,
    Where,
    made_by_assuming,
    resources,
)
from conformance.emulator.cloudtrail.sources import S3_NAMES, SOURCES
from conformance.emulator.service import Response

_READS = re.compile(
    r"(Get|List|Describe|Head|BatchGet|TransactGet|Query|Scan|Lookup|Receive|Select|Simulate"
    r"|Assume|Decode)(?![a-z])"
)
# Reads that make something all the same: credentials.
_TELLING_READS = frozenset({"AssumeRole", "GetSessionToken", "GetFederationToken"})
_CIPHER = "TLS_AES_128_GCM_SHA256"


@dataclass(frozen=True)
class Served:
    """A call and its answer."""

    verified: Verified
    operation: Operation
    incoming: Incoming
    path: str
    """Percent-decoded."""
    peer: str
    response: Response

    @property
    def request_id(self) -> str:
        """What the caller was told; agents repeat it in their refusals."""
        told = {name.lower(): value for name, value in self.response.headers.items()}
        return told.get("x-amzn-requestid") or told.get("x-amz-request-id", "")


def called(served: Served) -> tuple[Event, ...]:
    """
    The event in the caller's trail and, of a call that went through, in that of the owner.

    The two share an id: CloudTrail user guide, record contents, `sharedEventID`.
    """
    at = datetime.now(UTC)
    operation, caller = served.operation, served.verified.caller
    about = resources(operation, Where(caller.account_id, served.verified.region))
    record = _record(served, at, about)
    own = event(
        record,
        at,
        username=identities.username(caller),
        resources=_looked_up(about, record),
    )
    others = {r.account for r in about if r.account} - {caller.account_id}
    if not others or "errorCode" in record:
        return (own,)
    shared = {"sharedEventID": str(uuid.uuid4())}
    own = event(record | shared, at, username=identities.username(caller), resources=own.resources)
    stranger = {"userIdentity": identities.of_stranger(caller), "responseElements": None}
    return own, *(
        event(
            record | shared | stranger | {"recipientAccountId": other, "eventID": _uuid()},
            at,
            resources=own.resources,
        )
        for other in sorted(others)
    )


def _uuid() -> str:
    return str(uuid.uuid4())


def _record(served: Served, at: datetime, about: tuple[Resource, ...]) -> dict[str, Any]:
    operation, verified = served.operation, served.verified
    source, incoming = SOURCES[operation.service], served.incoming
    bucket = operation.given.get("Bucket") if operation.service == "s3" else None
    host = source.host.format(region=verified.region, bucket=f"{bucket}." if bucket else "")
    management = not is_data(operation)
    agent = incoming.headers.get("user-agent", "")
    reads = bool(_READS.match(operation.name))
    refused = refusal(served.response, head=incoming.method == "HEAD")
    telling = not reads or operation.name in _TELLING_READS
    response = None
    if refused is None and telling and (management or operation.service == "sqs"):
        response = elements.response_elements(operation, served.response)
    listed = [resource.listed for resource in about if resource.arn]
    return {
        "eventVersion": source.version,
        "userIdentity": identities.of_caller(verified.caller),
        "eventTime": identities.stamp(at),
        "eventSource": f"{operation.service}.amazonaws.com",
        "eventName": event_name(operation),
        "awsRegion": source.region or verified.region,
        "sourceIPAddress": served.peer,
        "userAgent": f"[{agent}]" if operation.service == "s3" else agent,
        **({"errorCode": refused[0], "errorMessage": refused[1]} if refused else {}),
        "requestParameters": elements.request_parameters(operation, incoming, served.path, host),
        "responseElements": response,
        **({"additionalEventData": _transferred(served)} if operation.service == "s3" else {}),
        "requestID": served.request_id,
        "eventID": _uuid(),
        "readOnly": reads,
        **({"resources": listed} if listed else {}),
        "eventType": "AwsApiCall",
        **({"apiVersion": source.api_version} if source.api_version else {}),
        "managementEvent": management,
        "recipientAccountId": verified.caller.account_id,
        "eventCategory": "Management" if management else "Data",
        "tlsDetails": {
            "tlsVersion": "TLSv1.3",
            "cipherSuite": _CIPHER,
            "clientProvidedHostHeader": host,
        },
    }


def event_name(operation: Operation) -> str:
    if operation.service == "s3":
        return S3_NAMES.get(operation.name, operation.name)
    return operation.name


def is_data(operation: Operation) -> bool:
    about_a_key = operation.service == "s3" and "Key" in operation.given
    return about_a_key or operation.name in SOURCES[operation.service].data


def _looked_up(
    about: tuple[Resource, ...], record: Mapping[str, Any]
) -> tuple[tuple[str, str], ...]:
    told = record["responseElements"] or {}
    made: tuple[Resource, ...] = ()
    if "assumedRoleUser" in told:
        who = told["assumedRoleUser"]
        made = made_by_assuming(
            told["credentials"]["accessKeyId"], who["arn"], who["assumedRoleId"]
        )
    return tuple((found.type, found.name) for found in (*made, *about) if found.name)


def _transferred(served: Served) -> dict[str, Any]:
    headers = {name.lower(): value for name, value in served.response.headers.items()}
    presigned = "authorization" not in served.incoming.headers
    return {
        "SignatureVersion": "SigV4",
        "CipherSuite": _CIPHER,
        "bytesTransferredIn": len(served.incoming.body),
        "AuthenticationMethod": "QueryString" if presigned else "AuthHeader",
        "x-amz-id-2": headers.get("x-amz-id-2", ""),
        "bytesTransferredOut": len(served.response.body),
    }


# --- what a refusal is called

_HEAD_CODES = {403: "AccessDenied", 404: "NoSuchKey"}


def refusal(response: Response, *, head: bool = False) -> tuple[str, str] | None:
    """
    errorCode and errorMessage of an answer; None where it is not a refusal.

    Denials are `AccessDenied`, whatever the service calls them on the wire: EKS Auth's
    AccessDeniedException is recorded so on real clusters. Other codes stay as they are.
    """
    if response.status < 400:
        return None
    if head:
        code = _HEAD_CODES.get(response.status, str(response.status))
        return code, "Access Denied" if code == "AccessDenied" else ""
    headers = {name.lower(): value for name, value in response.headers.items()}
    text = response.body.decode("utf-8", "replace")
    told = _json(text)
    code = (
        headers.get("x-amzn-errortype", "").partition(":")[0]
        or str(told.get("__type") or told.get("code") or "").rpartition("#")[2]
        or _between(text, "Code")
    )
    message = str(told.get("message") or told.get("Message") or "") or _between(text, "Message")
    return ("AccessDenied" if code == "AccessDeniedException" else code), message


def _json(text: str) -> dict[str, Any]:
    try:
        read = json.loads(text) if text.startswith("{") else {}
    except ValueError:
        read = {}
    return read if isinstance(read, dict) else {}


def _between(text: str, tag: str) -> str:
    return html.unescape(text.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0])
