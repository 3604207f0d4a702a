"""
IAM principals as users of the Kubernetes API: EKS's authentication webhook.

A kubectl token of EKS says nothing that a cluster could check by itself, so the AWS
process is asked for each one, over its admin socket: it knows who presigned it and
which access entry they have. What their access policies allow is known here.
"""

from pathlib import Path
from typing import Any

import aiohttp

from conformance.cluster.apiserver.access_policies import RULES
from conformance.cluster.apiserver.tokens import INVALID, Grant, TokenRefusedError, User

PREFIX = "k8s-aws-v1."
_PATIENCE = 5.0


class IamAuthenticator:
    """Asks whose a token is; nothing is remembered, an entry that is gone is gone."""

    def __init__(self, aws_socket: Path, cluster_arn: str) -> None:
        """Must be made on the running event loop."""
        self._arn = cluster_arn
        self._http = aiohttp.ClientSession(
            "http://aws",
            connector=aiohttp.UnixConnector(str(aws_socket)),
            timeout=aiohttp.ClientTimeout(total=_PATIENCE),
        )

    async def close(self) -> None:
        await self._http.close()

    async def user_of(self, token: str) -> User:
        """Raises `TokenRefusedError`, also when nobody answers: then nobody is let in."""
        asked = {"cluster": self._arn, "token": token}
        try:
            async with self._http.post("/token-review", json=asked) as answer:
                told = await answer.json()
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise TokenRefusedError(f"[{INVALID}, {type(error).__name__}]") from None
        if answer.status != 200:
            raise TokenRefusedError(f"[{INVALID}, {told.get('error')}]")
        return _user(told)


def _user(told: dict[str, Any]) -> User:
    return User(
        name=told["username"],
        groups=tuple(told["groups"]),
        uid=told["uid"],
        extra=told["extra"],
        grants=tuple(
            Grant(RULES[policy["name"]], tuple(policy["namespaces"])) for policy in told["policies"]
        ),
    )
