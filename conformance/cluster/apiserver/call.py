"""
One request that is known and allowed, and how it is answered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from conformance.cluster.apiserver import options, status, tables, wire
from conformance.cluster.apiserver.options import Target
from conformance.cluster.apiserver.resources import SUBRESOURCE_KINDS, Object, Resource
from conformance.cluster.apiserver.tokens import User


@dataclass(frozen=True)
class Call:
    """One request to a resource that is known and allowed."""

    http: web.BaseRequest
    user: User
    target: Target
    resource: Resource
    form: str
    """`Table`, `PartialObjectMetadata` or empty."""

    @property
    def query(self) -> Mapping[str, str]:
        return self.http.query

    @property
    def namespace(self) -> str:
        """Where the object is stored: empty for cluster-wide ones."""
        return self.target.namespace_key

    async def body(self, kind: str) -> Object:
        """The object that was sent; raises `ApiError` 400 or 415."""
        sent = await self.http.read()
        return wire.read_body(sent, self.http.headers.get("Content-Type", ""), kind)

    async def sent(self) -> tuple[Object, list[str]]:
        """The object of this resource that was sent, and warnings about it."""
        kind, version = self.resource.kind, self.resource.api_version
        obj = wire.check_kind(await self.body(kind), version, kind)
        return options.known_fields(obj, self.query)

    async def other_kind(self) -> Object:
        """What was sent to a subresource that has a kind of its own."""
        group, version, kind = SUBRESOURCE_KINDS[self.resource.plural, self.target.subresource]
        return wire.check_kind(
            await self.body(kind), f"{group}/{version}" if group else version, kind
        )

    def shown(self, obj: Object, now: datetime) -> Object:
        """One object in the form that was asked for."""
        if self.form == "Table":
            version = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
            return self.table([obj], version, now)
        return tables.partial(obj) if self.form else obj

    def table(self, items: list[Object], metadata: Object, now: datetime) -> Object:
        include = self.query.get("includeObject", "Metadata")
        return tables.table(self.resource, items, metadata, now, include)

    def collection(self, items: list[Object], metadata: Object, now: datetime) -> Object:
        """A list in the form that was asked for."""
        if self.form == "Table":
            return self.table(items, metadata, now)
        kind, version = f"{self.resource.kind}List", self.resource.api_version
        if self.form:
            kind, version = "PartialObjectMetadataList", "meta.k8s.io/v1"
            shown = [tables.partial(obj) for obj in items]
        else:
            # The kind of a list's items goes without saying.
            shown = [
                {key: value for key, value in obj.items() if key not in {"kind", "apiVersion"}}
                for obj in items
            ]
        return {"kind": kind, "apiVersion": version, "metadata": metadata, "items": shown}


def answer(
    body: Object, code: int = 200, warnings: Sequence[str] = (), **headers: str
) -> web.Response:
    """JSON; each warning becomes a header that kubectl prints."""
    response = web.Response(
        body=wire.dumps(body), status=code, content_type=wire.JSON, headers=headers
    )
    for warning in warnings:
        quoted = warning.replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{quoted}"')
    return response


def refusal(error: status.ApiError) -> web.Response:
    response = answer(error.body(), error.code)
    response.headers.update(error.headers)
    return response


def success(details: Object | None = None, code: int = 200) -> web.Response:
    body: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    if details is not None:
        return answer(body | {"details": details}, code)
    return answer(body | {"code": code}, code)
