"""
The keys that a cluster publishes for its service account tokens.

EKS Auth trusts a token by these keys alone. They are fetched from the cluster's API
server and kept; a key id nobody knows is a reason to look again, because clusters
rotate keys, but not for every forged token: whoever sends thousands must not make us
ask thousands of times.
"""

import asyncio
import time

import jwt

from conformance.emulator.eks.cluster_api import ClusterApi, ClusterUnreachableError

BETWEEN_FETCHES = 1.0
"""At most one look a second, whether the last one succeeded or not."""


class SigningKeys:
    """The published keys of one cluster, by key id."""

    def __init__(self, cluster: ClusterApi) -> None:
        self._cluster = cluster
        self._known: dict[str, jwt.PyJWK] | None = None
        self._tried: float | None = None
        self._failure = ""
        self._fetching = asyncio.Lock()

    async def find(self, key_id: str) -> jwt.PyJWK | None:
        """The key, None when the cluster has none of it; raises `ClusterUnreachableError`."""
        if self._known is None or key_id not in self._known:
            async with self._fetching:
                await self._look_again()
        if self._known is None:
            raise ClusterUnreachableError(self._failure)
        return self._known.get(key_id)

    async def _look_again(self) -> None:
        if self._tried is not None and time.monotonic() - self._tried < BETWEEN_FETCHES:
            return
        try:
            published = await self._cluster.get("/openid/v1/jwks")
            keys = jwt.PyJWKSet.from_dict(published or {}).keys
            self._known = {key.key_id: key for key in keys if key.key_id is not None}
        except ClusterUnreachableError as error:
            self._failure = str(error)
        except jwt.PyJWTError as error:
            self._failure = f"{type(error).__name__}: {error}"
        self._tried = time.monotonic()
