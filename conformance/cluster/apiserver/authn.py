"""
Who asks: bearer tokens to users.

Tokens of the administrator, of nodes and of named users are random and known to this
process only; those of IAM principals (EKS) are asked about elsewhere; every other token
must be one of a service account. A success is
remembered for ten seconds, as in kube-apiserver, so a reviewed token may outlive its
pod by that long; one never seen before fails at once.
"""

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from conformance.cluster.apiserver.tokens import (
    INVALID,
    TokenAuthority,
    TokenRefusedError,
    User,
    quoted,
)

_REMEMBERED = timedelta(seconds=10)
_AUTHENTICATED = "system:authenticated"
AskWebhook = Callable[[str], Awaitable[User]]
"""Whose token is it; raises `TokenRefusedError`."""
ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


class Authenticator:
    """Knows every token of one cluster."""

    def __init__(
        self, tokens: TokenAuthority, api_audience: str, now: Callable[[], datetime]
    ) -> None:
        self.api_audiences = [api_audience]
        self._tokens = tokens
        self._now = now
        self._users: dict[str, User] = {}
        self._issued: dict[tuple[str, tuple[str, ...]], str] = {}
        self._seen: dict[bytes, tuple[datetime, User, list[str]]] = {}
        self._webhook: tuple[str, AskWebhook] | None = None

    def ask_webhook(self, prefix: str, ask: AskWebhook) -> None:
        """
        Tokens that begin with `prefix` are somebody else's to know, as with
        `--authentication-token-webhook-config-file`.

        Nothing is remembered: what changes there counts at once.
        """
        self._webhook = (prefix, ask)

    async def identify(
        self, token: str, audiences: list[str] | None = None
    ) -> tuple[User, list[str]]:
        """As `authenticate`, and the webhook is asked, too."""
        if self._webhook is None or not token.startswith(self._webhook[0]):
            return self.authenticate(token, audiences)
        wanted = audiences or self.api_audiences
        shared = [audience for audience in wanted if audience in self.api_audiences]
        if not shared:
            raise TokenRefusedError(INVALID)
        return await self._webhook[1](token), shared

    def token_of(self, username: str, groups: tuple[str, ...], uid: str = "") -> str:
        """A random token of that user; the same for the same user until it is revoked."""
        asked = (username, groups)
        if asked not in self._issued:
            token = secrets.token_urlsafe(32)
            self._issued[asked] = token
            self._users[token] = User(username, (*groups, _AUTHENTICATED), uid)
        return self._issued[asked]

    def revoke(self, token: str) -> None:
        self._users.pop(token, None)
        self._issued = {asked: one for asked, one in self._issued.items() if one != token}

    def authenticate(
        self, token: str, audiences: list[str] | None = None
    ) -> tuple[User, list[str]]:
        """
        The user of a token, and the audiences it is good for.

        `audiences` are the API's own when None. Raises `TokenRefusedError`.
        """
        wanted = audiences or self.api_audiences
        user = self._users.get(token)
        if user is not None:
            shared = [audience for audience in wanted if audience in self.api_audiences]
            if not shared:
                raise TokenRefusedError(
                    f"[{INVALID}, token audiences {quoted(self.api_audiences)} is invalid for "
                    f"the target audiences {quoted(wanted)}]"
                )
            return user, shared
        key = hashlib.sha256("\0".join([token, *wanted]).encode()).digest()
        now = self._now()
        if (seen := self._seen.get(key)) and now - seen[0] < _REMEMBERED:
            return seen[1], seen[2]
        user, shared = self._tokens.verify(token, wanted)
        self._forget(now)
        self._seen[key] = (now, user, shared)
        return user, shared

    def _forget(self, now: datetime) -> None:
        self._seen = {key: one for key, one in self._seen.items() if now - one[0] < _REMEMBERED}
