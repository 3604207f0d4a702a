"""
Whose token is that: the authentication webhook of an EKS cluster.

A kubectl token is a presigned STS GetCallerIdentity with the cluster's name signed in.
EKS sends it to STS and looks the caller up; here STS is next door. The traps are those
of aws-iam-authenticator: a URL that is no call of STS, a call that is not
GetCallerIdentity, one that was signed for another cluster.

Sources: kubernetes-sigs/aws-iam-authenticator, pkg/token/token.go (the checks and
their order) and pkg/server (the user); EKS user guide, creating-access-entries.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, urlsplit

from conformance.emulator.eks import access_entries
from conformance.emulator.eks.store import AccessEntry, Store
from conformance.emulator.service import Caller, Unauthenticated, World

PREFIX = "k8s-aws-v1."
CLUSTER_HEADER = "x-k8s-aws-id"
LONGEST_TOKEN = 4096
MASTERS = "system:masters"

_PARAMETERS = frozenset(
    {
        "action",
        "version",
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-security-token",
        "x-amz-signature",
        "x-amz-signedheaders",
        "x-amz-user-agent",
    }
)
_STS_HOST = re.compile(r"sts(-fips)?(\.[a-z]{2}(-[a-z]+)+-\d)?\.(amazonaws\.com(\.cn)?|api\.aws)")
_OUR_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\]|100\.64\.0\.1):\d+")
"""What AWS_ENDPOINT_URL says here, on the host and in pods; then over http."""


class TokenRefused(Exception):  # noqa: N818 -- what happened, not a mistake of anyone
    """Nobody that this cluster knows; `reason` never holds the token."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class AccessPolicy:
    """An access policy that counts for a user; `namespaces` is empty for the whole cluster."""

    name: str
    namespaces: tuple[str, ...] = ()


@dataclass(frozen=True)
class Identity:
    """A user of Kubernetes, as a TokenReview tells it, and what EKS lets them do."""

    username: str
    uid: str
    groups: tuple[str, ...]
    extra: dict[str, list[str]] = field(default_factory=dict)
    policies: tuple[AccessPolicy, ...] = ()


def review(world: World, cluster_arn: str, token: str) -> Identity:
    """Raises `TokenRefused`."""
    url = _url(token)
    clusters = world.state(Store).clusters.values()
    cluster = next((one for one in clusters if one.arn == cluster_arn), None)
    if cluster is None:
        raise TokenRefused("no such cluster")
    try:
        caller = world.caller_identity(url, {CLUSTER_HEADER: cluster.name})
    except Unauthenticated as refused:
        raise TokenRefused(f"STS refuses it: {refused.code}") from None
    unique_id, _, session = caller.user_id.partition(":")
    for entry in cluster.access_entries.values():
        if cluster.authentication_mode != "CONFIG_MAP" and entry.principal.unique_id == unique_id:
            return _identity(entry, caller, session)
    if cluster.authentication_mode == "CONFIG_MAP" and cluster.creator.unique_id == unique_id:
        # No object says so: the creator of such a cluster is its administrator for ever.
        return _user("kubernetes-admin", (MASTERS,), caller, session)
    raise TokenRefused(f"{caller.arn} has no access entry in cluster {cluster.name}")


def _url(token: str) -> str:
    """The presigned URL in a token; whatever else it may be is refused."""
    if len(token) > LONGEST_TOKEN:
        raise TokenRefused("it is too large")
    if not token.startswith(PREFIX):
        raise TokenRefused(f"it does not begin with {PREFIX}")
    text = token.removeprefix(PREFIX)
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        url = decoded.decode("ascii")
        parts = urlsplit(url)
        query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)
    except (binascii.Error, ValueError):
        raise TokenRefused("there is no URL in it") from None
    _check_place(parts)
    _check_query(query)
    return url


def _check_place(parts: SplitResult) -> None:
    real = parts.scheme == "https" and _STS_HOST.fullmatch(parts.netloc)
    if not real and not _OUR_HOST.fullmatch(parts.netloc):
        raise TokenRefused("its URL is not one of STS")
    if parts.path != "/" or parts.fragment:
        raise TokenRefused("unexpected path in its URL")


def _check_query(query: list[tuple[str, str]]) -> None:
    given = {name.lower(): value for name, value in query}
    if len(given) < len(query):
        raise TokenRefused("a query parameter of its URL is there twice")
    if given.keys() - _PARAMETERS:
        raise TokenRefused("its URL has a query parameter that is not allowed")
    if given.get("action") != "GetCallerIdentity":
        raise TokenRefused("its URL is not one of GetCallerIdentity")
    if CLUSTER_HEADER not in given.get("x-amz-signedheaders", "").lower().split(";"):
        raise TokenRefused(f"the header {CLUSTER_HEADER} is not signed")
    seconds = given.get("x-amz-expires", "")
    if not seconds.isascii() or not seconds.isdigit() or int(seconds) > 900:
        raise TokenRefused("its X-Amz-Expires is not one of 0 to 900")


def _identity(entry: AccessEntry, caller: Caller, session: str) -> Identity:
    if entry.type != access_entries.STANDARD:
        # Our nodes have certificates of the cluster; nothing maps an instance to its name.
        raise TokenRefused(f"{caller.arn} is a node's role")
    username = entry.username.replace("{{SessionNameRaw}}", session)
    username = username.replace("{{SessionName}}", session.replace("@", "-"))
    policies = tuple(
        AccessPolicy(arn.rpartition("/")[2], tuple(policy.namespaces))
        for arn, policy in entry.policies.items()
    )
    return _user(username, tuple(entry.groups), caller, session, policies)


def _user(
    username: str,
    groups: tuple[str, ...],
    caller: Caller,
    session: str,
    policies: tuple[AccessPolicy, ...] = (),
) -> Identity:
    unique_id = caller.user_id.partition(":")[0]
    extra = {
        "accessKeyId": caller.access_key_id,
        "arn": caller.arn,
        "canonicalArn": _canonical(caller.arn),
        "principalId": unique_id,
        "sessionName": session,
        "sigs.k8s.io/aws-iam-authenticator/principalId": unique_id,
    }
    return Identity(
        username=username,
        uid=f"aws-iam-authenticator:{caller.account_id}:{unique_id}",
        groups=(*groups, "system:authenticated"),
        extra={name: [value] for name, value in extra.items()},
        policies=policies,
    )


def _canonical(arn: str) -> str:
    """Of a role's session the role, without its path, which no session's ARN has."""
    parts = arn.split(":", 5)
    kind, _, rest = parts[5].partition("/")
    if kind != "assumed-role":
        return arn
    return f"arn:{parts[1]}:iam::{parts[4]}:role/{rest.partition('/')[0]}"
