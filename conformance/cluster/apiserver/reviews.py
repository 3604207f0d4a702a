"""
Questions that are asked as objects and never stored: whose token is this, may they?

A TokenReview is always 201. A token that is no good is told in `status.error`, and
`authenticated` is then absent, not false: a reader that looks only at the status code
believes anything.
"""

from conformance.cluster.apiserver import status
from conformance.cluster.apiserver.authn import Authenticator
from conformance.cluster.apiserver.authorization import Attributes, Authorizer
from conformance.cluster.apiserver.resources import (
    LOCAL_SUBJECT_ACCESS_REVIEWS,
    SELF_SUBJECT_ACCESS_REVIEWS,
    SELF_SUBJECT_REVIEWS,
    TOKEN_REVIEWS,
    Object,
    Resource,
    dig,
)
from conformance.cluster.apiserver.tokens import TokenRefusedError, User


class Reviews:
    """Answers from what authenticator and authorizer know."""

    def __init__(self, authenticator: Authenticator, authorizer: Authorizer) -> None:
        self._authenticator = authenticator
        self._authorizer = authorizer

    async def answer(self, resource: Resource, obj: Object, user: User, now: str) -> Object:
        """The review with its status; raises `ApiError` 400 or 422."""
        meta = {key: value for key, value in obj["metadata"].items() if key != "creationTimestamp"}
        obj = obj | {"metadata": meta}
        if resource is TOKEN_REVIEWS:
            return obj | {"status": await self._token(obj.get("spec") or {})}
        if resource is SELF_SUBJECT_REVIEWS:
            return obj | {
                "metadata": {"creationTimestamp": now},
                "status": {"userInfo": user.info()},
            }
        spec = obj.get("spec") or {}
        subject = user if resource is SELF_SUBJECT_ACCESS_REVIEWS else _subject(spec)
        if resource is LOCAL_SUBJECT_ACCESS_REVIEWS and not dig(
            spec, "resourceAttributes", "namespace"
        ):
            raise status.bad_request("spec.resourceAttributes.namespace is required")
        why = self._authorizer.refusal(subject, _attributes(spec))
        decided: Object = {"allowed": why is None}
        if why:
            decided["reason"] = why
        return obj | {"status": decided}

    async def _token(self, spec: Object) -> Object:
        token = spec.get("token") or ""
        if not token:
            raise status.bad_request("token is required for TokenReview in authentication")
        try:
            user, audiences = await self._authenticator.identify(token, spec.get("audiences"))
        except TokenRefusedError as error:
            return {"user": {}, "error": str(error)}
        return {"authenticated": True, "user": user.info(), "audiences": audiences}


def _subject(spec: Object) -> User:
    if not spec.get("user") and not spec.get("groups"):
        raise status.bad_request("at least one of user or group must be specified")
    return User(spec.get("user") or "", tuple(spec.get("groups") or ()))


def _attributes(spec: Object) -> Attributes:
    asked, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if bool(asked) is bool(other):
        raise status.bad_request(
            "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        )
    if not asked:
        assert other  # noqa: S101  # exactly one of them is there
        return Attributes(other.get("verb", ""), path=other.get("path", ""))
    return Attributes(
        asked.get("verb", ""),
        asked.get("group", ""),
        asked.get("resource", ""),
        asked.get("subresource", ""),
        asked.get("namespace", ""),
        asked.get("name", ""),
    )
