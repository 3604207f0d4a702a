"""
A cluster's API server, as EKS asks it for what it must know about tokens.

Over TLS with the cluster's own certificate authority, as its administrator. Each
question has a connection of its own: there are few, and the process may be gone by
the next one.
"""

import base64
import binascii
import ssl
from http import HTTPStatus
from typing import Any

import aiohttp

ASK_SECONDS = 2.0


class ClusterUnreachableError(Exception):
    """The API server does not answer as one does; says how."""


class ClusterApi:
    """Reads from one API server; raises `ClusterUnreachableError`."""

    def __init__(self, endpoint: str, ca: str, bearer: str) -> None:
        """`ca` is the base64 of the PEM, as EKS gives it."""
        self._endpoint = endpoint
        self._ca = ca
        self._bearer = bearer

    async def get(self, path: str) -> Any:
        """What is there, None when nothing is."""
        try:
            trusted = ssl.create_default_context(cadata=_pem(self._ca))
            timeout = aiohttp.ClientTimeout(total=ASK_SECONDS)
            headers = {"Authorization": f"Bearer {self._bearer}"}
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
                session.get(self._endpoint + path, ssl=trusted) as answer,
            ):
                if answer.status == HTTPStatus.NOT_FOUND:
                    return None
                answer.raise_for_status()
                # Keys are application/jwk-set+json, which aiohttp would not take for JSON.
                return await answer.json(content_type=None)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise ClusterUnreachableError(f"{type(error).__name__}: {error}") from error


def _pem(ca: str) -> str:
    try:
        return base64.b64decode(ca, validate=True).decode("ascii")
    except binascii.Error as error:
        raise ValueError("the cluster's certificate authority is not base64") from error
