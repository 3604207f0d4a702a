"""
Credentials of nodes, as the instance metadata service would hand them out.

The AWS process makes the session, through the trust that the node's role has in
EC2; a role that does not trust EC2 gives a node without credentials, and then
every pod on it learns what that looks like.
"""

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp

from conformance.cluster.agent.interface import (
    NodeCredentials,
    NodeCredentialsError,
    NodeCredentialsProvider,
)

_RENEW_BEFORE = timedelta(minutes=5)
_RENEW_SHARE = 0.2


@dataclass(frozen=True, repr=False)
class InstanceSession:
    """What the node's role gave a node, and for how long. No repr: it is secret."""

    credentials: NodeCredentials
    obtained: datetime
    expires: datetime
    renew_at: datetime


class InstanceCredentials:
    """Asks the AWS process at its admin socket; one session per node, renewed in time."""

    def __init__(self, aws_socket: Path) -> None:
        """Must be made on the running event loop."""
        self._http = aiohttp.ClientSession(
            "http://aws",
            connector=aiohttp.UnixConnector(str(aws_socket)),
            timeout=aiohttp.ClientTimeout(total=10),
        )
        self._sessions: dict[tuple[str, str], InstanceSession] = {}
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}

    async def close(self) -> None:
        await self._http.close()

    def of(self, role_arn: str, instance_id: str) -> NodeCredentialsProvider:
        """The provider of one node."""

        async def provide() -> NodeCredentials:
            return (await self.session(role_arn, instance_id)).credentials

        return provide

    async def session(self, role_arn: str, instance_id: str) -> InstanceSession:
        """The node's current session. Raises `NodeCredentialsError`."""
        key = (role_arn, instance_id)
        async with self._locks.setdefault(key, asyncio.Lock()):
            session = self._sessions.get(key)
            if session is None or session.renew_at <= datetime.now(UTC):
                session = self._sessions[key] = await self._ask(role_arn, instance_id)
            return session

    async def _ask(self, role_arn: str, instance_id: str) -> InstanceSession:
        body = {"role_arn": role_arn, "instance_id": instance_id}
        asked = datetime.now(UTC)
        try:
            async with self._http.post("/instance-credentials", json=body) as answer:
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _none(type(error).__name__) from error
        try:
            given = json.loads(text)
            if answer.status >= 400:
                raise _none(str(given.get("error", answer.status)))
            expires = datetime.fromisoformat(given["Expiration"])
            credentials = NodeCredentials(
                given["AccessKeyId"], given["SecretAccessKey"], given["Token"]
            )
        except (ValueError, KeyError, AttributeError, TypeError):
            # Not chained: the text may hold what is secret.
            raise _none(f"HTTP {answer.status}") from None
        early = min(_RENEW_BEFORE, (expires - asked) * _RENEW_SHARE)
        return InstanceSession(credentials, asked, expires, expires - early)


def _none(why: str) -> NodeCredentialsError:
    """Worded as aws-sdk-go-v2 words an instance without credentials."""
    return NodeCredentialsError(
        "get identity: get credentials: failed to refresh cached credentials, "
        f"no EC2 IMDS role found, operation error ec2imds: GetMetadata, {why}"
    )
