"""
The agent's call to EKS Auth, signed as the node.

Timeouts, attempts and the pauses between them are the AWS SDK's, because a pod's
SDK has timeouts of its own and what it sees depends on which runs out first. The
quota of retries is one for the whole agent: in an outage with many callers it is
gone soon, and then most are answered at once.

Sources: eks-pod-identity-agent internal/cloud/eksauth/service.go;
aws-sdk-go-v2 aws/retry/standard.go, aws/retry/jitter_backoff.go; the numbers
were observed on 0.1.37.
"""

import json
import math
import random
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import aiohttp
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from yarl import URL

from conformance.cluster.agent.clock import Clock
from conformance.cluster.agent.connections import HandlerPanicError
from conformance.cluster.agent.interface import (
    ConnectSocket,
    NodeCredentials,
    NodeCredentialsError,
    NodeCredentialsProvider,
)
from conformance.cluster.agent.logs import Log
from conformance.cluster.agent.outcomes import EksAuthError, Fetched, FetchError

DIAL_SECONDS = 0.5
ATTEMPTS = 3
RETRY_QUOTA = 500
RETRY_COST = 5
TIMEOUT_COST = 10
SIGNING_NAME = "eks-auth"

_UNKNOWN = "UnknownError"
_EMPTY = "error getting credentials to cache: invalid response from server: "
_EMPTY += "credentials or assumed role empty: &{<nil> <nil> <nil> <nil> <nil> {map[]}}"


class EksAuth:
    """A client of AssumeRoleForPodIdentity for one cluster."""

    def __init__(
        self,
        *,
        cluster_name: str,
        region: str,
        endpoint: str,
        node_credentials: NodeCredentialsProvider,
        connect: ConnectSocket,
        request_seconds: float,
        user_agent: str,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        path = f"/clusters/{quote(cluster_name, safe='')}/assume-role-for-pod-identity"
        self._url = endpoint.rstrip("/") + path
        self._region = region
        self._node_credentials = node_credentials
        self._user_agent = user_agent
        self._clock = clock
        self._rng = rng
        self._quota = RETRY_QUOTA
        self._session = aiohttp.ClientSession(
            # No proxies and a connection for each call: calls are rare, and one that
            # was closed in the meantime must not look like an outage.
            connector=aiohttp.TCPConnector(socket_factory=connect, force_close=True, limit=0),
            timeout=aiohttp.ClientTimeout(total=request_seconds, sock_connect=DIAL_SECONDS),
            trust_env=False,
        )

    async def close(self) -> None:
        await self._session.close()

    async def assume_role(self, token: bytes, log: Log) -> Fetched:
        """Credentials for the token's pod; raises `FetchError`, `HandlerPanicError`."""
        log.info("Calling EKS Auth to fetch credentials")
        began = time.monotonic()
        answer = await self._call(json.dumps({"token": token.decode("latin-1")}).encode())
        fetched, role_arn, role_id = _read(answer)
        log.info(
            "Successfully fetched credentials from EKS Auth",
            request_time_ms=int((time.monotonic() - began) * 1000),
            fetched_role_arn=role_arn,
            fetched_role_id=role_id,
        )
        return fetched

    async def _call(self, body: bytes) -> Mapping[str, Any]:
        cost = 0
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = await self._attempt(body)
            except EksAuthError as error:
                cost = TIMEOUT_COST if error.timed_out else RETRY_COST
                if not error.retried or attempt == ATTEMPTS or self._quota < cost:
                    raise
                self._quota -= cost
            else:
                self._quota = min(RETRY_QUOTA, self._quota + (cost or 1))
                return answer
            await self._clock.sleep(self._rng.random() * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    async def _attempt(self, body: bytes) -> Mapping[str, Any]:
        headers = self._signed(body, await self._credentials())
        try:
            # encoded: what was signed is what is sent.
            url = URL(self._url, encoded=True)
            async with self._session.post(url, data=body, headers=headers) as response:
                content = await response.read()
                request_id = response.headers.get("x-amzn-RequestId", "")
        except TimeoutError as error:
            message = "request send failed, Client.Timeout exceeded while awaiting headers"
            raise EksAuthError(0, "", "", message, timed_out=True) from error
        except (aiohttp.ClientError, OSError) as error:
            raise EksAuthError(0, "", "", f"request send failed, {error}") from error
        if response.status >= 300:
            code, message = _error(content, response.headers.get("x-amzn-ErrorType", ""))
            raise EksAuthError(response.status, request_id, code, message)
        try:
            answer = json.loads(content or b"{}")
        except ValueError as error:
            message = "deserialization failed, failed to decode response body"
            raise EksAuthError(response.status, request_id, "", message) from error
        if not isinstance(answer, dict):
            message = "deserialization failed, unexpected JSON type"
            raise EksAuthError(response.status, request_id, "", message)
        return answer

    async def _credentials(self) -> NodeCredentials:
        try:
            return await self._node_credentials()
        except NodeCredentialsError as error:
            cause = (
                "unable to fetch credentials from EKS Auth: operation error EKS Auth: "
                "AssumeRoleForPodIdentity, get identity: get credentials: "
                f"failed to refresh cached credentials, {error}"
            )
            text = f"error getting credentials to cache: {cause}"
            raise FetchError(500, text, cause=cause) from error

    def _signed(self, body: bytes, node: NodeCredentials) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "User-Agent": self._user_agent}
        request = AWSRequest("POST", self._url, headers=headers, data=body)
        credentials = Credentials(node.access_key_id, node.secret_access_key, node.session_token)
        SigV4Auth(credentials, SIGNING_NAME, self._region).add_auth(request)
        return dict(request.headers.items())


def _error(content: bytes, error_type: str) -> tuple[str, str]:
    """Code and message as the SDK's restjson reads them."""
    try:
        fields = json.loads(content)
    except ValueError:
        fields = {}
    if not isinstance(fields, dict):
        fields = {}
    code = error_type or fields.get("code") or fields.get("__type") or _UNKNOWN
    message = next((fields[key] for key in fields if key.lower() == "message"), None)
    code = str(code).partition(":")[0].rpartition("#")[2]
    return code, code if message is None else str(message)


def _read(answer: Mapping[str, Any]) -> tuple[Fetched, str, str]:
    """Credentials, the role's ARN and its id."""
    user, credentials = answer.get("assumedRoleUser"), answer.get("credentials")
    if user is None or credentials is None:
        raise FetchError(500, _EMPTY, cause=_EMPTY)
    try:
        arn, role_id = user["arn"], user["assumeRoleId"]
        account = _account(arn)
        expires_at = math.floor(credentials["expiration"] * 1000) / 1000
        fetched = Fetched(
            credentials["accessKeyId"],
            credentials["secretAccessKey"],
            credentials["sessionToken"],
            account,
            expires_at,
            answer["podIdentityAssociation"]["associationId"],
        )
    except (KeyError, TypeError) as error:
        # The real agent follows pointers that are nil: its handler panics.
        raise HandlerPanicError(f"EKS Auth's answer has no {error}") from error
    return fetched, arn, role_id


def _account(arn: str) -> str:
    parts = arn.split(":")
    if len(parts) < 6 or parts[0] != "arn":
        because = "arn: invalid prefix" if parts[0] != "arn" else "arn: not enough sections"
        cause = f"unable to parse arn from assumed role: {because}"
        raise FetchError(500, f"error getting credentials to cache: {cause}", cause=cause)
    return parts[4]
