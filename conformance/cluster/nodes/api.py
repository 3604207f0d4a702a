"""
A node's way to the API server: HTTPS, a bearer token, and the calls a kubelet makes.

Only real API calls, so that the same nodes work on a real kube-apiserver. The
official client is not used: it takes almost a second to import, as long as all
nodes together may take to start.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp

Object = dict[str, Any]
"""A Kubernetes object, as JSON."""

_MERGE = "application/merge-patch+json"
_CONNECTIONS = 16
"""Each costs a TLS handshake on both sides; thirty pods at once need no more."""
_CONFLICT, _GONE, _NOT_FOUND = 409, 410, 404


class Refused(Exception):  # noqa: N818 - what the server did; not every one is an error
    """The API server answered with a Status; holds its code, reason and message."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(f"{code} {reason}: {message}")
        self.code = code
        self.reason = reason
        self.message = message

    @property
    def not_found(self) -> bool:
        return self.code == _NOT_FOUND

    @property
    def conflict(self) -> bool:
        return self.code == _CONFLICT


class ApiClient:
    """One identity at one API server."""

    def __init__(self, endpoint: str, ca_pem: str, token: str) -> None:
        """Must be made on the running event loop."""
        self._session = aiohttp.ClientSession(
            endpoint,
            connector=aiohttp.TCPConnector(
                ssl=ssl.create_default_context(cadata=ca_pem),
                limit=_CONNECTIONS,
                keepalive_timeout=60,
            ),
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
            timeout=aiohttp.ClientTimeout(total=30),
        )

    async def close(self) -> None:
        await self._session.close()

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Object:
        """The object answered. Raises `Refused`, or `aiohttp.ClientError` without an answer."""
        async with self._session.request(
            method,
            path,
            params=query,
            data=None if body is None else json.dumps(body),
            headers=None if body is None else {"Content-Type": content_type},
        ) as answer:
            text = await answer.text()
            if answer.status >= 400:
                raise _refusal(answer.status, text)
            result: Object = json.loads(text) if text else {}
            return result

    async def get(self, path: str) -> Object:
        return await self.call("GET", path)

    async def create(self, path: str, body: Object) -> Object:
        return await self.call("POST", path, body)

    async def create_or_replace(self, path: str, body: Object) -> Object:
        """Create in the collection `path`; what is there by that name is replaced."""
        try:
            return await self.create(path, body)
        except Refused as refused:
            if not refused.conflict:
                raise
        one = f"{path}/{body['metadata']['name']}"
        there = await self.get(one)
        version = there["metadata"]["resourceVersion"]
        metadata = {**body["metadata"], "resourceVersion": version}
        return await self.call("PUT", one, {**body, "metadata": metadata})

    async def patch(self, path: str, body: Object) -> Object:
        """A merge patch: lists are replaced, so nothing stale stays in a condition."""
        return await self.call("PATCH", path, body, content_type=_MERGE)

    async def delete(self, path: str, options: Object | None = None) -> None:
        """Delete; what is gone already is fine."""
        try:
            await self.call("DELETE", path, options)
        except Refused as refused:
            if not refused.not_found:
                raise

    async def follow(
        self, path: str, query: Mapping[str, str]
    ) -> AsyncIterator[tuple[str, Object]]:
        """
        List, then watch, for ever: `("SYNC", list)` at each list, then the events.

        Ends only by being cancelled; a lost or expired watch lists again.
        """
        while True:
            try:
                listed = await self.call("GET", path, query=query)
                yield "SYNC", listed
                version = listed["metadata"]["resourceVersion"]
                async for kind, item in self._watch(path, query, version):
                    yield kind, item
            except (aiohttp.ClientError, TimeoutError, Refused):
                # The server restarts or is busy; client-go waits as long before it lists again.
                await asyncio.sleep(0.8)

    async def _watch(
        self, path: str, query: Mapping[str, str], version: str
    ) -> AsyncIterator[tuple[str, Object]]:
        while True:
            parameters = {
                **query,
                "watch": "true",
                "resourceVersion": version,
                "allowWatchBookmarks": "true",
            }
            async with self._session.get(
                path, params=parameters, timeout=aiohttp.ClientTimeout(total=None)
            ) as answer:
                if answer.status >= 400:
                    raise _refusal(answer.status, await answer.text())
                buffer = b""
                async for piece in answer.content.iter_any():
                    *lines, buffer = (buffer + piece).split(b"\n")
                    for line in filter(None, lines):
                        event = json.loads(line)
                        item: Object = event["object"]
                        if event["type"] == "ERROR":
                            if item.get("code") == _GONE:
                                return
                            raise _refusal(int(item.get("code", 500)), json.dumps(item))
                        version = item["metadata"]["resourceVersion"]
                        if event["type"] != "BOOKMARK":
                            yield event["type"], item


def _refusal(code: int, text: str) -> Refused:
    try:
        status = json.loads(text)
        return Refused(code, str(status.get("reason", "")), str(status.get("message", "")))
    except (json.JSONDecodeError, AttributeError):
        return Refused(code, "", text[:500])
