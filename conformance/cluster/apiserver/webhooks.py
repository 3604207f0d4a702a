"""
Mutating and validating webhooks, called as kube-apiserver calls them.

Pod Identity's webhook is the reason this is real HTTPS with the configured CA: what
happens when it is slow, refuses, or answers nonsense decides whether pods start
without credentials (failurePolicy Ignore) or not at all (Fail).
Sources: k8s.io/apiserver pkg/admission/plugin/webhook, and the recorded answers.
"""

import asyncio
import base64
import json
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from conformance.cluster.apiserver import defaults, patching, status
from conformance.cluster.apiserver.admission import Admitted
from conformance.cluster.apiserver.admission_review import (
    Webhook,
    WebhookFailedError,
    denial,
    response_of,
    review_of,
)
from conformance.cluster.apiserver.resources import (
    MUTATING_WEBHOOKS,
    NAMESPACES,
    SERVICES,
    VALIDATING_WEBHOOKS,
    Object,
    Resource,
    dig,
)
from conformance.cluster.apiserver.store import Store

_NEVER_ASKED = {MUTATING_WEBHOOKS.plural, VALIDATING_WEBHOOKS.plural, "subjectaccessreviews"}


SECOND = 1.0
"""How long one of `timeoutSeconds` takes."""


class Webhooks:
    """Calls the configured webhooks of one cluster; `close` ends its connections."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._session: aiohttp.ClientSession | None = None
        self._contexts: dict[str, ssl.SSLContext] = {}

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def mutate(self, request: Admitted) -> Object:
        """
        The object after every mutating webhook; raises `ApiError`.

        A webhook with reinvocationPolicy IfNeeded is asked once more when one after it
        has changed the object.
        """
        asked = [
            hook for hook in self._configured(MUTATING_WEBHOOKS) if self._wanted(hook, request)
        ]
        changed_after: set[str] = set()
        for position, hook in enumerate(asked):
            changed = await self._mutate_once(hook, request)
            if changed is not None:
                request = request.with_object(changed)
                changed_after.update(earlier.name for earlier in asked[:position])
        for hook in asked:
            if hook.name in changed_after and hook.settings.get("reinvocationPolicy") == "IfNeeded":
                changed = await self._mutate_once(hook, request)
                request = request if changed is None else request.with_object(changed)
        return request.obj

    async def validate(self, request: Admitted) -> None:
        """Raises `ApiError` when a validating webhook refuses."""
        hooks = [h for h in self._configured(VALIDATING_WEBHOOKS) if self._wanted(h, request)]
        await asyncio.gather(*(self._ask(hook, request) for hook in hooks))

    def _configured(self, resource: Resource) -> Iterator[Webhook]:
        # By name of the configuration, then as listed: the order kube-apiserver keeps.
        for configuration in self._store.items(resource):
            for settings in configuration.get("webhooks") or ():
                yield Webhook(configuration["metadata"]["name"], settings)

    def _wanted(self, hook: Webhook, request: Admitted) -> bool:
        if request.resource.plural in _NEVER_ASKED:
            return False
        scope = request.name if request.resource is NAMESPACES else request.namespace
        labels: dict[str, str] | None = None
        if request.resource is NAMESPACES and request.obj:
            labels = request.obj["metadata"].get("labels") or {}
        elif scope:
            namespace = self._store.find(NAMESPACES, "", scope)
            labels = dig(namespace, "metadata", "labels", default={})
        return hook.concerns(request, labels)

    async def _mutate_once(self, hook: Webhook, request: Admitted) -> Object | None:
        """The changed object, or None when the webhook changed nothing."""
        response = await self._ask(hook, request)
        if not response.get("patch"):
            return None
        try:
            if response.get("patchType") != "JSONPatch":
                raise WebhookFailedError(
                    f'webhook response had patchType "{response.get("patchType")}"'
                )
            operations = json.loads(base64.b64decode(response["patch"]))
            changed = patching.json_patch(request.obj, operations)
        except (ValueError, patching.PatchTestError, patching.PatchMalformedError) as error:
            raise status.internal(f"{error}") from error
        except WebhookFailedError as error:
            raise status.internal(f'failed calling webhook "{hook.name}": {error}') from error
        filled = defaults.apply(request.resource, changed)
        return None if filled == request.obj else filled

    async def _ask(self, hook: Webhook, request: Admitted) -> Object:
        """The webhook's response, empty when its failure is to be ignored."""
        try:
            review = review_of(hook, request)
            async with asyncio.timeout(hook.settings.get("timeoutSeconds", 10) * SECOND):
                try:
                    answer = await self._post(hook, review)
                except aiohttp.ServerDisconnectedError:
                    # A kept connection that the other side had closed; Go asks again too.
                    answer = await self._post(hook, review)
            response = response_of(review, answer)
        except (WebhookFailedError, TimeoutError, aiohttp.ClientError) as error:
            if hook.settings.get("failurePolicy") == "Ignore":
                return {}
            raise status.internal(
                f'failed calling webhook "{hook.name}": {self._told(hook, error)}'
            ) from error
        if not response.get("allowed"):
            raise denial(hook, response.get("status") or {})
        return response

    def _told(self, hook: Webhook, error: Exception) -> str:
        """The failure in Go's words."""
        if isinstance(error, WebhookFailedError):
            return str(error)
        called = f'failed to call webhook: Post "{self._url(hook)}": '
        if isinstance(error, TimeoutError):
            return called + "context deadline exceeded"
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return called + "tls: failed to verify certificate: x509"
        if isinstance(error, aiohttp.ClientConnectorError):
            where = f"{error.host}:{error.port}"
            reason = (error.os_error.strerror or str(error.os_error)).lower()
            if isinstance(error.os_error, ConnectionRefusedError):
                reason = "connection refused"
            return called + f"dial tcp {where}: connect: {reason}"
        return called + "EOF"

    def _url(self, hook: Webhook) -> str:
        client = hook.settings["clientConfig"]
        seconds = hook.settings.get("timeoutSeconds", 10)
        url = client["url"] if "url" in client else self._service_url(client["service"])
        return f"{url}{'&' if urlsplit(url).query else '?'}timeout={seconds}s"

    def _service_url(self, service: Object) -> str:
        host = f"{service['name']}.{service['namespace']}.svc"
        path = service.get("path", "")
        return f"https://{host}:{service.get('port', 443)}{path}"

    def _address(self, service: Object) -> str:
        """Services have no proxy here: an external name or address must lead there."""
        found = self._store.find(SERVICES, service["namespace"], service["name"])
        spec = (found or {}).get("spec") or {}
        address = spec.get("externalName") or next(iter(spec.get("externalIPs") or ()), "")
        if not address:
            raise WebhookFailedError(
                f'failed to call webhook: Post "{self._service_url(service)}": '
                f'service "{service["name"]}" not found'
            )
        return str(address)

    async def _post(self, hook: Webhook, review: Object) -> Any:
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=False)
        client = hook.settings["clientConfig"]
        url, headers, name = self._url(hook), {"Accept": "application/json"}, None
        if "service" in client:
            name = urlsplit(url).hostname or ""
            headers["Host"] = name
            url = url.replace(name, self._address(client["service"]), 1)
        async with self._session.post(
            url,
            json=review,
            headers=headers,
            ssl=self._context(client.get("caBundle", "")),
            server_hostname=name,
            allow_redirects=False,
        ) as response:
            body = await response.read()
        if response.status != 200:
            text = body.decode(errors="replace").strip() or "unknown"
            raise WebhookFailedError(
                f"failed to call webhook: the server rejected our request: {text[:200]}"
                if response.status != 404
                else "failed to call webhook: the server could not find the requested resource"
            )
        try:
            return json.loads(body)
        except ValueError as error:
            raise WebhookFailedError(f"failed to call webhook: {error}") from error

    def _context(self, bundle: str) -> ssl.SSLContext:
        if bundle not in self._contexts:
            try:
                pem = base64.b64decode(bundle).decode() if bundle else None
                self._contexts[bundle] = ssl.create_default_context(cadata=pem)
            except (ValueError, ssl.SSLError) as error:
                raise WebhookFailedError(
                    f"failed to call webhook: unable to load root certificates: {error}"
                ) from error
        return self._contexts[bundle]
