"""
AssumeRoleWithWebIdentity, the one call of STS that nobody signs.

IRSA is not emulated: nothing here could check its token. But an SDK that finds the
variables of IRSA makes this call and no other, whatever Pod Identity injected, so it is
answered as by an account that has no provider for the token's issuer. Source: STS API
reference, AssumeRoleWithWebIdentity, InvalidIdentityToken; the text as in
terraform-provider-aws#41473 and many others.
"""

import base64
import json
from dataclasses import replace
from urllib.parse import parse_qs

from conformance.emulator.authentication import Incoming
from conformance.emulator.refusals import unauthenticated
from conformance.emulator.service import Response, Unauthenticated

_ACTION = b"Action=AssumeRoleWithWebIdentity"


def refusal(incoming: Incoming, request_id: str) -> Response | None:
    """The answer to an unsigned AssumeRoleWithWebIdentity; None for every other request."""
    if "authorization" in incoming.headers or _ACTION not in incoming.body:
        return None
    form = parse_qs(incoming.body.decode("utf-8", "replace"))
    if form.get("Action") != ["AssumeRoleWithWebIdentity"]:
        return None
    issuer = _issuer_of(form.get("WebIdentityToken", [""])[0])
    text = (
        f"No OpenIDConnect provider found in your account for {issuer}"
        if issuer
        else "The ID Token provided is not a valid JWT. (You may see this error if you sent an "
        "Access Token)"
    )
    failure = Unauthenticated("InvalidIdentityToken", text, "sts")
    return replace(unauthenticated(failure, incoming.headers, request_id), status=400)


def _issuer_of(token: str) -> str:
    """What an unverified token says of itself; empty when it is none."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return str(claims["iss"])
    except (IndexError, KeyError, TypeError, ValueError):
        return ""
