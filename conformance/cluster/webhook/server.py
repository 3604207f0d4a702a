"""
The EKS Pod Identity webhook: pods under review, over HTTP.

On EKS it runs in the control plane and the API server calls it for every pod that
is created. It knows which service accounts have an association and nothing else:
no role, no policy. A pod that it passes over is admitted without a word, which is
why "no association" shows first as missing variables in a container.

Source: aws/amazon-eks-pod-identity-webhook pkg/handler/handler.go and
pkg/containercredentials at 3bf80a34.
"""

import base64
import json
import random
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from aiohttp import web

from conformance.cluster.webhook.mutation import Json, PodError, injection_for, patch_for
from conformance.cluster.webhook.settings import (
    ANNOTATION_PREFIX,
    IRSA,
    Method,
    WebhookSettings,
)
from conformance.faults import WEBHOOK_INJECTS_EVERYONE, WEBHOOK_MISSES, ActiveFaults

MAX_REVIEW_BYTES = 8 << 20
"""More than the API server lets an object be, with room for the review around it."""
SHUTDOWN_SECONDS = 1.0
"""How long reviews under way may still take when the cluster ends; aiohttp's own is a minute."""

ServiceAccounts = Callable[[str, str], Awaitable[Mapping[str, str] | None]]
"""Annotations of the service account of that namespace and name; None: there is none."""


class Webhook:
    """Answers `/mutate` and `/healthz`; `start` serves them on a given socket."""

    def __init__(
        self,
        settings: WebhookSettings,
        service_accounts: ServiceAccounts,
        faults: ActiveFaults,
        rng: random.Random | None = None,
    ) -> None:
        self._settings = settings
        self._service_accounts = service_accounts
        self._faults = faults
        # Spreads the rotation of tokens, not a secret.
        self._rng = rng or random.Random()  # noqa: S311
        self._identities: frozenset[tuple[str, str]] = frozenset()
        self._runner: web.AppRunner | None = None

    def set_identities(self, identities: Iterable[tuple[str, str]]) -> None:
        """Namespaces and service accounts that have an association; replaces all before."""
        self._identities = frozenset(identities)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=MAX_REVIEW_BYTES)
        app.router.add_route("*", "/mutate", self._mutate)
        app.router.add_route("*", "/healthz", self._healthz)
        return app

    async def start(self, listening: socket.socket, tls: ssl.SSLContext | None) -> None:
        """Serve on a listening socket; without `tls` in the clear, for tests only."""
        self._runner = web.AppRunner(self.app(), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
        await self._runner.setup()
        await web.SockSite(self._runner, listening, ssl_context=tls).start()

    async def close(self) -> None:
        """Stop serving and close the socket; may be called twice."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def review(self, review: Any) -> Json:
        """The AdmissionReview that answers one; version and kind are echoed."""
        request = review.get("request") if isinstance(review, dict) else None
        if not isinstance(request, dict):
            return _answer(review, _refusal("", "bad content"))
        uid = str(request.get("uid", ""))
        pod = request.get("object")
        if not isinstance(pod, dict):
            return _answer(review, _refusal(uid, "json: cannot unmarshal object: not a pod"))
        try:
            patch = await self._patch(pod, str(request.get("namespace", "")))
        except PodError as error:
            return _answer(review, _refusal(uid, str(error)))
        response: Json = {"uid": uid, "allowed": True}
        if patch:
            encoded = base64.b64encode(json.dumps(patch, separators=(",", ":")).encode())
            response |= {"patch": encoded.decode(), "patchType": "JSONPatch"}
        return _answer(review, response)

    async def _patch(self, pod: Json, namespace: str) -> list[Json]:
        spec = pod.get("spec")
        name = str(spec.get("serviceAccountName") or "") if isinstance(spec, dict) else ""
        annotations = await self._service_accounts(namespace, name) if name else None
        method = self._method(namespace, name, annotations or {})
        if method is None:
            return []
        injection = injection_for(pod, method, annotations, self._settings, self._rng)
        return patch_for(pod, injection)

    def _method(self, namespace: str, name: str, annotations: Mapping[str, str]) -> Method | None:
        """Pod Identity wins over a role annotation."""
        if (namespace, name) in self._identities:
            return None if WEBHOOK_MISSES in self._faults else self._settings.pod_identity()
        if WEBHOOK_INJECTS_EVERYONE in self._faults:
            return self._settings.pod_identity()
        return IRSA if annotations.get(f"{ANNOTATION_PREFIX}/role-arn") else None

    async def _mutate(self, request: web.Request) -> web.Response:
        body = await request.read()
        if not body:
            return _error(400, "empty body")
        if request.headers.get("Content-Type") != "application/json":
            return _error(415, "invalid Content-Type, expect `application/json`")
        try:
            review = json.loads(body)
        except (ValueError, RecursionError) as error:
            return _plain(_answer({}, _refusal("", f"couldn't get version/kind; {error}")))
        return _plain(await self.review(review))

    async def _healthz(self, request: web.Request) -> web.Response:  # noqa: ARG002 - a handler
        return web.Response(text="ok")


def _refusal(uid: str, message: str) -> Json:
    return {"uid": uid, "allowed": False, "status": {"metadata": {}, "message": message}}


def _answer(review: Any, response: Json) -> Json:
    known = review if isinstance(review, dict) else {}
    echoed = {name: known[name] for name in ("kind", "apiVersion") if known.get(name)}
    return {**echoed, "response": response}


def _plain(review: Json) -> web.Response:
    # The real one sets no type, so Go guesses this one; API servers do not look at it.
    text = json.dumps(review, separators=(",", ":"))
    return web.Response(text=text, content_type="text/plain", charset="utf-8")


def _error(status: int, text: str) -> web.Response:
    headers = {"X-Content-Type-Options": "nosniff"}
    return web.Response(status=status, text=f"{text}\n", headers=headers)
