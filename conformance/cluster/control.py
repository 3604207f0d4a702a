"""
The control API of a cluster: what EKS's control plane does to one.

HTTP on the Unix socket `control.sock`, JSON in and out; the requests are listed in
docs/architecture.md. Every answer 200 means that the effect is there, not that it
was begun.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from conformance.cluster.addons import ConflictError, Conflicts
from conformance.cluster.cluster import Cluster
from conformance.errors import HarnessError, UsageError


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Taint(_Part):
    """In Kubernetes' words."""

    key: str
    value: str = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]


class NodeGroupWanted(_Part):
    """How many nodes, as whom they speak to AWS, and who may run there."""

    desired: int = Field(ge=0, le=250)
    role_arn: str
    labels: dict[str, str] = {}
    taints: list[Taint] = []


class AddonWanted(_Part):
    """An add-on as EKS describes it."""

    version: str = ""
    configuration: dict[str, Any] = {}
    conflicts: Conflicts = "OVERWRITE"


class _Identity(_Part):
    namespace: str
    service_account: str = Field(alias="serviceAccount")


class IdentitiesWanted(_Part):
    """The content of the webhook's configuration file."""

    identities: list[_Identity]


class FaultsWanted(_Part):
    active: list[str]


class SettingsWanted(_Part):
    """What can change while the cluster runs."""

    max_token_seconds: int = Field(ge=1)
    agent_clock_seconds: float = 0.0
    agent_elapsed_seconds: float = 0.0


class Control:
    """The routes; `stop` begins the end of the process."""

    def __init__(self, cluster: Cluster, stop: Callable[[], None]) -> None:
        self._cluster = cluster
        self._stop = stop

    def application(self) -> web.Application:
        application = web.Application(middlewares=[_refusals])
        application.add_routes(
            [
                web.put("/nodegroups/{name}", self._scale),
                web.delete("/nodegroups/{name}", self._remove_group),
                web.put("/addons/{name}", self._install),
                web.delete("/addons/{name}", self._uninstall),
                web.put("/identities", self._identities),
                web.put("/faults", self._faults),
                web.put("/settings", self._settings),
                web.get("/health", self._health),
                web.post("/stop", self._stop_everything),
            ]
        )
        return application

    async def _scale(self, request: web.Request) -> web.Response:
        wanted = NodeGroupWanted.model_validate_json(await request.read())
        await self._cluster.groups.scale(
            request.match_info["name"],
            wanted.desired,
            wanted.role_arn,
            wanted.labels,
            [taint.model_dump() for taint in wanted.taints],
        )
        return web.json_response({})

    async def _remove_group(self, request: web.Request) -> web.Response:
        await self._cluster.groups.remove(request.match_info["name"])
        return web.json_response({})

    async def _install(self, request: web.Request) -> web.Response:
        wanted = AddonWanted.model_validate_json(await request.read())
        await self._cluster.install_addon(
            request.match_info["name"], wanted.configuration, wanted.conflicts
        )
        return web.json_response({})

    async def _uninstall(self, request: web.Request) -> web.Response:
        await self._cluster.remove_addon(request.match_info["name"])
        return web.json_response({})

    async def _identities(self, request: web.Request) -> web.Response:
        wanted = IdentitiesWanted.model_validate_json(await request.read())
        self._cluster.webhook.set_identities(
            (one.namespace, one.service_account) for one in wanted.identities
        )
        return web.json_response({})

    async def _faults(self, request: web.Request) -> web.Response:
        self._cluster.faults.set(FaultsWanted.model_validate_json(await request.read()).active)
        return web.json_response({"active": self._cluster.faults.names})

    async def _settings(self, request: web.Request) -> web.Response:
        wanted = SettingsWanted.model_validate_json(await request.read())
        self._cluster.limit_tokens(wanted.max_token_seconds)
        self._cluster.agent_clock.ahead = wanted.agent_clock_seconds
        self._cluster.agent_clock.elapse(wanted.agent_elapsed_seconds)
        return web.json_response({})

    async def _health(self, request: web.Request) -> web.Response:  # noqa: ARG002 - a handler
        parts = await self._cluster.health()
        return web.json_response({"ok": set(parts.values()) <= {"ok"}, "parts": parts})

    async def _stop_everything(self, request: web.Request) -> web.Response:  # noqa: ARG002
        self._stop()
        return web.json_response({}, status=202)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def _refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A request that makes no sense is 400, a conflict 409, trouble of ours 500; all say why."""
    try:
        return await handler(request)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        return web.json_response({"error": f"{where}: {first['msg']}"}, status=400)
    except ConflictError as error:
        return web.json_response({"error": str(error)}, status=409)
    except UsageError as error:
        return web.json_response({"error": str(error)}, status=400)
    except HarnessError as error:
        return web.json_response({"error": str(error)}, status=500)
