"""
Requests that change something: create, update, patch, apply, delete, and their kin.

Each reads its body and options here and leaves the rest to the registry. Four kinds
of patch end in one function from the old object to the new, so a lost race is simply
computed again.
"""

import contextlib
import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from aiohttp import web

from conformance.cluster.apiserver import (
    options,
    patching,
    reading,
    status,
    subresources,
    wire,
)
from conformance.cluster.apiserver.call import Call, answer, success
from conformance.cluster.apiserver.registry import Registry
from conformance.cluster.apiserver.resources import Object
from conformance.cluster.apiserver.status import ApiError, Cause

_FIELDS = {"finalize": "spec", "scale": ""}
"""What a subresource changes, where it is not the field of its name."""


class Changes:
    """The verbs that write."""

    def __init__(self, registry: Registry, tokens: subresources.TokenRequests) -> None:
        self._registry = registry
        self._tokens = tokens

    async def create(self, call: Call) -> web.StreamResponse:
        dry = options.dry_run(call.query, "CreateOptions")
        obj, warnings = await call.sent()
        made = await self._registry.create(
            call.resource, call.namespace, obj, user=call.user, dry_run=dry
        )
        return answer(call.shown(made, self._registry.now()), 201, warnings)

    async def update(self, call: Call) -> web.StreamResponse:
        dry = options.dry_run(call.query, "UpdateOptions")
        if call.target.subresource == "scale":
            scale = await call.body("Scale")
            return await self._changed(call, lambda old: subresources.with_scale(old, scale), dry)
        obj, warnings = await call.sent()
        return await self._changed(call, lambda _: obj, dry, warnings)

    async def _changed(
        self,
        call: Call,
        change: Callable[[Object], Object],
        dry: bool,
        warnings: Sequence[str] = (),
    ) -> web.StreamResponse:
        subresource = call.target.subresource
        stored = await self._registry.update(
            call.resource,
            call.namespace,
            call.target.name,
            change,
            user=call.user,
            subresource=_FIELDS.get(subresource, subresource),
            dry_run=dry,
        )
        if subresource == "scale":
            return answer(subresources.scale_of(stored))
        return answer(call.shown(stored, self._registry.now()), 200, warnings)

    async def patch(self, call: Call) -> web.StreamResponse:
        media = call.http.headers.get("Content-Type", "").partition(";")[0].strip()
        how = wire.PATCH_TYPES.get(media)
        if how is None:
            raise ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})
        dry = options.dry_run(call.query, "PatchOptions")
        body = await call.http.read()
        if how == "apply":
            return await self._apply(call, body, dry)
        change = _patch_function(how, body)
        if call.target.subresource == "scale":
            return await self._changed(
                call,
                lambda old: subresources.with_scale(old, change(subresources.scale_of(old))),
                dry,
            )
        return await self._changed(call, change, dry)

    async def _apply(self, call: Call, body: bytes, dry: bool) -> web.StreamResponse:
        manager = call.query.get("fieldManager", "")
        if not manager:
            said = "Required value: is required for apply patch"
            cause = Cause(said, "fieldManager", "FieldValueRequired")
            raise status.invalid("PatchOptions", "", [cause], "meta.k8s.io")
        resource, name = call.resource, call.target.name
        sent = wire.read_body(body, "application/apply-patch+yaml", resource.kind)
        wanted, warnings = options.known_fields(
            wire.check_kind(sent, resource.api_version, resource.kind), call.query
        )
        ownership, store = self._registry.ownership, self._registry.store
        if store.find(resource, call.namespace, name) is None and not call.target.subresource:
            named = wanted | {"metadata": wanted["metadata"] | {"name": name}}
            stored = await self._registry.create(
                resource, call.namespace, named, user=call.user, dry_run=dry
            )
            response: web.StreamResponse = answer(
                call.shown(stored, self._registry.now()), 201, warnings
            )
        else:
            merge = partial(
                ownership.applied,
                wanted=wanted,
                manager=manager,
                force=options.flag(call.query, "force"),
            )
            response = await self._changed(call, merge, dry, warnings)
        current = store.find(resource, call.namespace, name)
        if current is not None and not dry:
            ownership.record(current, wanted, manager)
        return response

    async def delete(self, call: Call) -> web.StreamResponse:
        wanted = options.deletion_of(call.query, await _options(call))
        resource, name = call.resource, call.target.name
        obj, gone = await self._registry.delete(
            resource, call.namespace, name, wanted, user=call.user
        )
        if resource.delete_returns_object or not gone:
            return answer(call.shown(obj, self._registry.now()))
        details = {"name": name, "group": resource.group, "kind": resource.plural}
        details["uid"] = obj["metadata"]["uid"]
        return success({key: value for key, value in details.items() if value})

    async def delete_collection(self, call: Call) -> web.StreamResponse:
        wanted = options.deletion_of(call.query, await _options(call))
        listed = await reading.list_objects(
            self._registry.store, call.resource, call.target.namespace, call.query
        )
        for obj in listed.items:
            meta = obj["metadata"]
            with contextlib.suppress(ApiError):  # someone else was faster
                await self._registry.delete(
                    call.resource, meta.get("namespace", ""), meta["name"], wanted, user=call.user
                )
        now = self._registry.now()
        return answer(call.collection(listed.items, listed.metadata(), now))

    async def token(self, call: Call) -> web.StreamResponse:
        sent = await call.other_kind()
        made, warnings = await self._tokens.create(
            call.namespace, call.target.name, sent, call.user
        )
        return answer(made, 201, warnings)

    async def bind(self, call: Call) -> web.StreamResponse:
        sent = await call.other_kind()
        node = (sent.get("target") or {}).get("name", "")
        subresources.bind(self._registry, call.namespace, call.target.name, node)
        return success(code=201)

    async def evict(self, call: Call) -> web.StreamResponse:
        sent = await call.other_kind()
        await subresources.evict(self._registry, call.namespace, call.target.name, sent, call.user)
        return success(code=201)


async def _options(call: Call) -> Object:
    return await call.body("DeleteOptions") if await call.http.read() else {}


def _patch_function(how: str, body: bytes) -> Callable[[Object], Object]:
    try:
        patch: Any = json.loads(body)
    except ValueError as error:
        raise status.bad_request(f"error decoding patch: {error}") from error
    if how == "json":
        if not isinstance(patch, list):
            raise _not_a_patch(patch, "[]handlers.jsonPatchOp")
        return partial(_json_patched, operations=patch)
    if not isinstance(patch, dict):
        raise _not_a_patch(patch, "map[string]interface {}")
    merge = patching.json_merge if how == "merge" else patching.strategic_merge
    return lambda old: _checked(merge(old, patch), old)


def _not_a_patch(patch: Any, wanted: str) -> ApiError:
    return status.bad_request(
        f"error decoding patch: json: cannot unmarshal {wire.go_type(patch)} into Go value of type "
        f"{wanted}"
    )


def _json_patched(old: Object, operations: list[Object]) -> Object:
    try:
        return _checked(patching.json_patch(old, operations), old)
    except (patching.PatchTestError, patching.PatchMalformedError) as error:
        said = "the server rejected our request due to an error in our request"
        raise ApiError(422, "Invalid", said, {}) from error


def _checked(new: Any, old: Object) -> Object:
    """A patch may not turn an object into something else."""
    if not isinstance(new, dict):
        raise status.bad_request("error decoding patch: the result is no object")
    return wire.check_kind(new, old["apiVersion"], old["kind"])
