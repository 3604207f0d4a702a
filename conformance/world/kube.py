"""
The cluster as the harness sees it: plain dictionaries over the official client's connection.

The `kubernetes` client reads the kubeconfig and owns TLS and authentication
(exec plugins too). Its models are left out on purpose: they refuse objects that
lack a field they think is required, and a conformance suite must be able to look
at an object that is wrong.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import kubernetes.config
import urllib3
import urllib3.exceptions

from conformance.errors import HarnessError

Object = dict[str, Any]

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0


class KubeError(HarnessError):
    """The API server refused; `status` is the HTTP status, `reason` Kubernetes' own."""

    def __init__(self, wanted: str, *, saw: str = "", try_: str = "") -> None:
        super().__init__(wanted, saw=saw, try_=try_)
        self.status = 0
        self.reason = ""


class Kube:
    """Requests against one API server; safe from several threads."""

    def __init__(self, kubeconfig: Path, context: str) -> None:
        connect: Any = kubernetes.config.new_client_from_config  # the client has no types
        self._client = connect(str(kubeconfig), context=context)

    def get(self, path: str, **query: str | int) -> Object:
        return self._json("GET", path, query=query)

    def create(self, path: str, body: Object, **query: str | int) -> Object:
        return self._json("POST", path, query=query, body=body)

    def patch(self, path: str, changes: Object, **query: str | int) -> Object:
        """A JSON merge patch."""
        return self._json("PATCH", path, query=query, body=changes)

    def delete(self, path: str, **query: str | int) -> Object:
        return self._json("DELETE", path, query=query)

    def text(self, path: str, **query: str | int) -> str:
        """The body as text, for pod logs."""
        with self._send("GET", path, query=query) as response:
            return response.data.decode("utf-8", errors="replace")

    def watch(
        self, path: str, *, seconds: float, **query: str | int
    ) -> Iterator[tuple[str, Object]]:
        """
        Changes from now back to what `resourceVersion` says, as (type, object).

        Ends when the server ends the watch, at the latest after `seconds`.
        """
        everything = {**query, "watch": "true", "timeoutSeconds": max(1, int(seconds))}
        with self._send("GET", path, query=everything, read_seconds=seconds + 5) as response:
            rest = b""
            for chunk in response.stream(65536):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    event = json.loads(line)
                    yield event["type"], event["object"]

    def _json(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: Object | None = None,
    ) -> Object:
        with self._send(method, path, query=query, body=body) as response:
            answer: Object = json.loads(response.data)
            return answer

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: Object | None = None,
        read_seconds: float = READ_SECONDS,
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": "application/json"}
        self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, None)
        if body is not None:
            merge = "merge-patch+" if method == "PATCH" else ""
            headers["Content-Type"] = f"application/{merge}json"
        url = self._client.configuration.host + path
        if query:
            url += "?" + urlencode(query)
        try:
            response: urllib3.BaseHTTPResponse = self._client.rest_client.pool_manager.request(
                method,
                url,
                body=None if body is None else json.dumps(body),
                headers=headers,
                preload_content=False,
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=read_seconds),
                retries=urllib3.Retry(connect=2, read=0, redirect=0, status=0, other=0),
            )
        except urllib3.exceptions.HTTPError as error:
            raise KubeError(
                f"API server does not answer {method} {path}",
                saw=str(error),
                try_=f"kubectl get --raw {path}",
            ) from error
        if response.status >= 400:
            raise _refusal(method, path, response)
        return response


def _refusal(method: str, path: str, response: urllib3.BaseHTTPResponse) -> KubeError:
    text = response.data.decode("utf-8", errors="replace")
    response.release_conn()
    try:
        status = json.loads(text)
        message, reason = status["message"], status.get("reason", "")
    except (json.JSONDecodeError, KeyError, TypeError):
        message, reason = text.strip()[:300], ""
    error = KubeError(
        f"API server refuses {method} {path}", saw=f"{response.status} {reason}: {message}"
    )
    error.status = response.status
    error.reason = reason
    return error
