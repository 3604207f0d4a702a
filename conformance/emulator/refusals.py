"""
Answers that no service gives: to requests that nobody can be believed about, or nobody serves.

Each service spells a bad signature in its own format and under its own code, and clients
decide by that code whether to try again. Sources: AWS general reference, common errors;
the error references of STS and S3.
"""

import base64
import secrets
from collections.abc import Mapping
from dataclasses import replace

from ministack.core import iam_actions

from conformance.emulator import wire_formats
from conformance.emulator.borrowed import SERVED
from conformance.emulator.service import Response, Unauthenticated


def with_request_id(response: Response, service: str, request_id: str) -> Response:
    """With a request id, which ministack forgets in some denials: clients print it."""
    if {name.lower() for name in response.headers} & {"x-amzn-requestid", "x-amz-request-id"}:
        return response
    return replace(response, headers={**response.headers, **_request_ids(service, request_id)})


def _request_ids(service: str, request_id: str) -> dict[str, str]:
    if service != "s3":
        return {"x-amzn-requestid": request_id}
    return {
        "x-amz-request-id": request_id,
        "x-amz-id-2": base64.b64encode(secrets.token_bytes(48)).decode(),
    }


def unauthenticated(
    failure: Unauthenticated, headers: Mapping[str, str], request_id: str
) -> Response:
    """In the wire format of the service that was meant."""
    if failure.service in SERVED:
        status, told, body = iam_actions.access_denied_response(
            SERVED[failure.service],
            "",
            "",
            request_id,
            error_code=failure.code,
            message=failure.message,
            headers=dict(headers),
        )
        return Response(status, {**told, **_request_ids(failure.service, request_id)}, body)
    protocol = wire_formats.protocol_of(failure.service, headers)
    codes = _JSON_CODES if protocol == "json" else _XML_CODES
    code = codes.get(failure.code, failure.code)
    return wire_formats.failure(protocol, 403, code, failure.message, request_id)


def not_emulated(service: str, headers: Mapping[str, str], request_id: str) -> Response:
    """What a service that is not there answers."""
    protocol = wire_formats.protocol_of(service, headers)
    message = f"the service {service!r} is not emulated"
    return wire_formats.failure(protocol, 404, "UnknownServiceException", message, request_id)


_XML_CODES = {"UnrecognizedClientException": "InvalidClientTokenId"}
# As EKS and other REST-JSON services name them (AWS general reference, common errors).
_JSON_CODES = {
    "MissingAuthenticationToken": "MissingAuthenticationTokenException",
    "InvalidClientTokenId": "UnrecognizedClientException",
    "InvalidToken": "UnrecognizedClientException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
    "CredentialDateMismatch": "InvalidSignatureException",
    "RequestTimeTooSkewed": "InvalidSignatureException",
    "RequestExpired": "InvalidSignatureException",
    "IncompleteSignature": "IncompleteSignatureException",
    "MissingAuthorizationParameter": "IncompleteSignatureException",
    "UnsupportedSignature": "IncompleteSignatureException",
}
