"""
Asking as somebody else: `kubectl --as`, and how rights are tried out.

Who asks must be allowed to impersonate the name and each group. Groups of a service
account come with its name; nobody becomes `system:authenticated` by a header alone.
Source: k8s.io/apiserver pkg/endpoints/filters/impersonation.go.
"""

from collections.abc import Iterator

from aiohttp import web

from conformance.cluster.apiserver import status
from conformance.cluster.apiserver.authorization import Attributes, Authorizer
from conformance.cluster.apiserver.tokens import User

_USER, _GROUP = "Impersonate-User", "Impersonate-Group"
_ACCOUNT = "system:serviceaccount:"
_UNKNOWN = "system:anonymous"


def impersonated(http: web.BaseRequest, user: User, authorizer: Authorizer) -> User:
    """Whom the request is to be done as. Raises `ApiError` 403 or 500."""
    headers = http.headers
    name, groups = headers.get(_USER, ""), tuple(headers.getall(_GROUP, ()))
    if not name:
        if groups:
            said = f"requested {[{'kind': 'Group', 'name': one} for one in groups]} without user"
            raise status.internal(said)
        return user
    for asked in _needed(name, groups):
        authorizer.require(user, asked)
    if name.startswith(_ACCOUNT) and not groups:
        namespace = name.removeprefix(_ACCOUNT).partition(":")[0]
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
    if name == _UNKNOWN:
        return User(name, (*groups, "system:unauthenticated"))
    return User(name, (*dict.fromkeys((*groups, "system:authenticated")),))


def _needed(name: str, groups: tuple[str, ...]) -> Iterator[Attributes]:
    if name.startswith(_ACCOUNT):
        namespace, _, account = name.removeprefix(_ACCOUNT).partition(":")
        yield Attributes(
            "impersonate", resource="serviceaccounts", namespace=namespace, name=account
        )
    else:
        yield Attributes("impersonate", resource="users", name=name)
    for group in groups:
        yield Attributes("impersonate", resource="groups", name=group)
