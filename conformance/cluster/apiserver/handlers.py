"""
One handler for every path: authenticate, find what is meant, authorize, act.

Every refusal anywhere below is an `ApiError` and becomes a Status here and nowhere
else. What is not expected becomes a 500 that names the kind of error only: its text
might hold a token.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

from aiohttp import web

from conformance.cluster.apiserver import call as calls
from conformance.cluster.apiserver import execution, options, reading, status, subresources, wire
from conformance.cluster.apiserver.authn import ANONYMOUS, Authenticator
from conformance.cluster.apiserver.authorization import Attributes, Authorizer
from conformance.cluster.apiserver.call import Call
from conformance.cluster.apiserver.changes import Changes
from conformance.cluster.apiserver.deletion import timestamp
from conformance.cluster.apiserver.execution import ExecSource
from conformance.cluster.apiserver.impersonation import impersonated
from conformance.cluster.apiserver.logs import LogSource
from conformance.cluster.apiserver.options import Target
from conformance.cluster.apiserver.registry import Registry
from conformance.cluster.apiserver.resources import NODES, PODS, Resource
from conformance.cluster.apiserver.reviews import Reviews
from conformance.cluster.apiserver.selectors import FieldSelector, parse_fields
from conformance.cluster.apiserver.status import ApiError
from conformance.cluster.apiserver.tokens import TokenRefusedError, User
from conformance.cluster.apiserver.watch import Watch

_LOG = logging.getLogger(__name__)
Action = Callable[[Call], Awaitable[web.StreamResponse]]
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_ON_COLLECTION = {"list", "watch", "create", "deletecollection"}
_ON_OBJECT = {"get", "watch", "update", "patch", "delete"}


class Handlers:
    """`fixed` answers paths that are no resource; `closing` is set when the server goes."""

    def __init__(
        self,
        registry: Registry,
        authenticator: Authenticator,
        authorizer: Authorizer,
        *,
        tokens: subresources.TokenRequests,
        fixed: Callable[[web.BaseRequest], web.Response | None],
        closing: asyncio.Event,
    ) -> None:
        self.anonymous = True
        """Whether requests without a token are somebody's, if not much may be done with them."""
        self.log_source: LogSource | None = None
        self.exec_source: ExecSource | None = None
        self._registry = registry
        self._store = registry.store
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._reviews = Reviews(authenticator, authorizer)
        self._fixed = fixed
        self._closing = closing
        changes = Changes(registry, tokens)
        self._actions: dict[str, Action] = {
            "create": changes.create,
            "get": self._get,
            "list": self._list,
            "watch": self._watch,
            "update": changes.update,
            "patch": changes.patch,
            "delete": changes.delete,
            "deletecollection": changes.delete_collection,
        }
        self._subresource_actions: dict[tuple[str, str], Action] = {
            ("create", "token"): changes.token,
            ("create", "binding"): changes.bind,
            ("create", "eviction"): changes.evict,
            ("get", "log"): self._log,
            ("get", "exec"): self._exec,
            ("update", "finalize"): changes.update,
        }
        for name in ("scale", "status"):
            self._subresource_actions["get", name] = self._get
            self._subresource_actions["update", name] = changes.update
            self._subresource_actions["patch", name] = changes.patch

    async def __call__(self, http: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._answer(http)
        except ApiError as error:
            return calls.refusal(error)
        except ConnectionError:
            raise  # the reader hung up
        except Exception as error:  # noqa: BLE001  # one broken request must not end the server
            _LOG.exception("%s %s", http.method, http.path)
            return calls.refusal(status.internal(type(error).__name__))

    async def _answer(self, http: web.BaseRequest) -> web.StreamResponse:
        user = impersonated(http, await self._user(http), self._authorizer)
        target = options.parse_path(http.path)
        verb = _verb(http, target)
        self._authorizer.require(user, _attributes(http, target, verb))
        if target is None:
            lost = web.Response(status=404, text="404 page not found\n", content_type="text/plain")
            return self._fixed(http) or lost
        resource = target.resource
        if resource is None or target.subresource not in ("", *resource.subresources):
            raise status.no_such_resource()
        act = self._action(verb, target, resource)
        accept = http.headers.get("Accept", "")
        form = "" if target.subresource in {"log", "exec"} else wire.wanted_form(accept)
        return await act(Call(http, user, target, resource, form))

    async def _user(self, http: web.BaseRequest) -> User:
        kind, _, token = http.headers.get("Authorization", "").partition(" ")
        if not kind and self.anonymous:
            return ANONYMOUS
        if kind.lower() != "bearer" or not token:
            raise status.unauthorized()
        try:
            return (await self._authenticator.identify(token.strip()))[0]
        except TokenRefusedError:
            raise status.unauthorized() from None

    def _action(self, verb: str, target: Target, resource: Resource) -> Action:
        found: Action | None = None
        if target.subresource:
            found = self._subresource_actions.get((verb, target.subresource))
        elif not resource.stored:
            found = self._review if verb == "create" and not target.name else None
        elif verb in (_ON_OBJECT if target.name else _ON_COLLECTION):
            found = self._actions[verb]
        if found is None:
            raise status.method_not_allowed()
        return found

    async def _review(self, call: Call) -> web.StreamResponse:
        obj, warnings = await call.sent()
        now = timestamp(self._registry.now())
        answered = await self._reviews.answer(call.resource, obj, call.user, now)
        return calls.answer(answered, 201, warnings)

    async def _get(self, call: Call) -> web.StreamResponse:
        wanted = reading.version(call.query.get("resourceVersion", ""))
        await reading.present(self._store, wanted)
        obj = self._store.get(call.resource, call.namespace, call.target.name)
        if call.target.subresource == "scale":
            return calls.answer(subresources.scale_of(obj))
        return calls.answer(call.shown(obj, self._registry.now()))

    async def _list(self, call: Call) -> web.StreamResponse:
        listed = await reading.list_objects(
            self._store, call.resource, call.target.namespace, call.query
        )
        now = self._registry.now()
        return calls.answer(call.collection(listed.items, listed.metadata(), now))

    async def _watch(self, call: Call) -> web.StreamResponse:
        query = dict(call.query)
        if call.target.name:
            query["fieldSelector"] = f"metadata.name={call.target.name}"
        watch = Watch(self._store, call.resource, call.namespace, query)
        response = web.StreamResponse(headers={"Content-Type": wire.JSON})
        await response.prepare(call.http)

        async def send() -> None:
            async with contextlib.aclosing(watch.events()) as events:
                async for kind, obj in events:
                    shown = obj
                    if kind not in {"ERROR", "BOOKMARK"}:
                        shown = call.shown(obj, self._registry.now())
                    elif kind == "BOOKMARK" and call.form == "Table":
                        shown = call.table([], obj["metadata"], self._registry.now())
                    await response.write(wire.dumps({"type": kind, "object": shown}) + b"\n")

        await self._until_closing(send(), watch.seconds or None)
        return response

    async def _log(self, call: Call) -> web.StreamResponse:
        pod = self._store.get(PODS, call.namespace, call.target.name)
        wanted = subresources.log_request(pod, call.query, self._registry.now(), self._store)
        if wanted is None:
            return web.Response(status=204)
        if self.log_source is None:
            return web.Response(status=204)
        response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
        pieces = self.log_source(wanted)
        await self._until_closing(_send_log(call.http, response, pieces), None)
        return response

    async def _exec(self, call: Call) -> web.StreamResponse:
        # A WebSocket begins with a GET; to read is not enough for it (since 1.35).
        self._authorizer.require(call.user, _attributes(call.http, call.target, "create"))
        pod = self._store.get(PODS, call.namespace, call.target.name)
        command = call.http.query.getall("command", [])
        wanted = execution.exec_request(pod, call.query, command)
        subresources.check_reachable(self._store.find(NODES, "", wanted.node))
        if self.exec_source is None:
            raise status.method_not_allowed()
        if call.http.headers.get("Upgrade", "").lower() != "websocket":
            raise status.bad_request("Upgrade request required")
        return await execution.attach(call.http, await self.exec_source(wanted))

    async def _until_closing(
        self, work: Coroutine[None, None, None], seconds: float | None
    ) -> None:
        """Do `work` until it is done, its time is over, or the server closes."""
        doing, closing = asyncio.ensure_future(work), asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait(
                {doing, closing}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if doing.done():
                doing.result()
        finally:
            for task in (doing, closing):
                task.cancel()
            await asyncio.gather(doing, closing, return_exceptions=True)


async def _send_log(
    http: web.BaseRequest, response: web.StreamResponse, pieces: AsyncIterator[bytes]
) -> None:
    try:
        # The first piece is awaited before anything is said, so that a refusal is a Status.
        first = await anext(pieces, b"")
        await response.prepare(http)
        await response.write(first)
        async for piece in pieces:
            await response.write(piece)
    finally:
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()


def _verb(http: web.BaseRequest, target: Target | None) -> str:
    if target is None:
        return http.method.lower()
    if http.method in {"GET", "HEAD"}:
        if not target.subresource and options.flag(http.query, "watch"):
            return "watch"
        return "get" if target.name else "list"
    verb = _VERBS.get(http.method, http.method.lower())
    if verb == "delete" and not target.name:
        return "deletecollection"
    # A POST to an object's own path is no verb of the API.
    named = verb == "create" and target.name and not target.subresource
    return "post" if named else verb


def _attributes(http: web.BaseRequest, target: Target | None, verb: str) -> Attributes:
    if target is None:
        return Attributes(verb, path=http.path)
    chosen = http.query.get("fieldSelector", "")
    fields: FieldSelector = ()
    if chosen and target.resource is not None:
        with contextlib.suppress(ApiError):  # refused when it is used
            fields = parse_fields(chosen, target.resource)
    return Attributes(
        "create" if verb == "post" else verb,
        target.group,
        target.plural,
        target.subresource,
        target.namespace,
        target.name,
        field_selector=fields,
    )
