"""
An error in the words and the wire format that a client can read, whatever service it meant.

Clients take an answer that they cannot read for a broken one: of `ec2` that gets JSON
boto3 says that XML is invalid, and not what was refused. The request tells its protocol
by its headers; few services have to be known for it.

Source: Smithy, "AWS Protocols": error serialization of each.
"""

import json
from collections.abc import Mapping
from typing import Literal
from xml.sax.saxutils import escape

from conformance.emulator.service import Response

Protocol = Literal["json", "query", "ec2", "rest-xml"]

_REST_XML = frozenset({"cloudfront", "route53", "s3express", "s3-outposts"})
"""Signing names; their requests look like those of services that speak JSON."""


def protocol_of(service: str, headers: Mapping[str, str]) -> Protocol:
    """What the client that sent these headers reads; names in lower case."""
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return "ec2" if service == "ec2" else "query"
    return "rest-xml" if service in _REST_XML else "json"


def failure(protocol: Protocol, status: int, code: str, message: str, request_id: str) -> Response:
    """An error of the client's."""
    if protocol == "json":
        body = json.dumps({"__type": code, "message": message}).encode()
        told = {"Content-Type": "application/json", "x-amzn-errortype": code}
    else:
        body = _xml(protocol, escape(code), escape(message), request_id).encode()
        told = {"Content-Type": "text/xml"}
    return Response(status, told | {"x-amzn-requestid": request_id}, body)


def _xml(protocol: Protocol, code: str, message: str, request_id: str) -> str:
    error = f"<Code>{code}</Code><Message>{message}</Message>"
    if protocol == "ec2":
        errors = f"<Errors><Error>{error}</Error></Errors>"
        return f"<Response>{errors}<RequestID>{request_id}</RequestID></Response>"
    error = f"<Error><Type>Sender</Type>{error}</Error>"
    return f"<ErrorResponse>{error}<RequestId>{request_id}</RequestId></ErrorResponse>"
