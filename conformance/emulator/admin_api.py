"""
The admin API of an emulated environment: what no AWS has.

HTTP over the Unix socket DIR/aws.sock (mode 0600), so that only who may read the
environment's folder can switch on faults, change settings, read records, get node
credentials or have a token reviewed.
The requests are listed in docs/architecture.md.
"""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from conformance.emulator.aws import Aws
from conformance.emulator.eks import token_review
from conformance.emulator.eks.token_review import TokenRefused
from conformance.emulator.service import InvalidSession, TrustRefused
from conformance.errors import UsageError

EC2 = "ec2.amazonaws.com"
INSTANCE_SECONDS = 21600
"""Instance credentials live 6 hours (EC2 user guide: rotated before they expire)."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FaultsWanted(_Part):
    active: list[str]


class InstanceWanted(_Part):
    role_arn: str
    instance_id: str


class ReviewWanted(_Part):
    cluster: str
    """Its ARN."""
    token: str = Field(repr=False)


class AdminApi:
    """Handlers; `stop` is called once somebody asks for the end, `outlive` for the contrary."""

    def __init__(self, aws: Aws, *, stop: Callable[[], None], outlive: Callable[[], None]) -> None:
        self._aws = aws
        self._stop = stop
        self._outlive = outlive

    def application(self) -> web.Application:
        application = web.Application(middlewares=[_refusals])
        application.add_routes(
            [
                web.get("/health", self._health),
                web.get("/faults", self._faults),
                web.put("/faults", self._set_faults),
                web.get("/settings", self._settings),
                web.put("/settings", self._set_settings),
                web.get("/records", self._records),
                web.get("/trail", self._trail),
                web.post("/instance-credentials", self._instance_credentials),
                web.post("/token-review", self._review_token),
                web.post("/outlive", self._outlive_parent),
                web.post("/stop", self._stop_everything),
            ]
        )
        return application

    async def _health(self, _: web.Request) -> web.Response:
        parts = await self._aws.health()
        return web.json_response({"ok": set(parts.values()) <= {"ok"}, "parts": parts})

    async def _faults(self, _: web.Request) -> web.Response:
        return web.json_response({"active": self._aws.faults.names})

    async def _set_faults(self, request: web.Request) -> web.Response:
        wanted = FaultsWanted.model_validate_json(await request.read())
        unreached = await self._aws.set_faults(wanted.active)
        return web.json_response({"active": self._aws.faults.names, "unreached": unreached})

    async def _settings(self, _: web.Request) -> web.Response:
        return web.json_response({"settings": self._aws.behaviour.model_dump()})

    async def _set_settings(self, request: web.Request) -> web.Response:
        changes = await request.json()
        if not isinstance(changes, dict):
            raise UsageError("settings: a JSON object is wanted")
        unreached = await self._aws.set_behaviour(changes)
        return web.json_response(
            {"settings": self._aws.behaviour.model_dump(), "unreached": unreached}
        )

    async def _records(self, request: web.Request) -> web.Response:
        keys = frozenset(request.query.getall("access_key", ()))
        return web.json_response(self._aws.records.since(_since(request), keys))

    async def _trail(self, request: web.Request) -> web.Response:
        """CloudTrail's records of every account, data events among them."""
        return web.json_response({"Records": self._aws.trail.since(_since(request))})

    async def _instance_credentials(self, request: web.Request) -> web.Response:
        """As the instance metadata service has them: a session named after the instance."""
        wanted = InstanceWanted.model_validate_json(await request.read())
        session = self._aws.assume_role_for_service(
            wanted.role_arn,
            service=EC2,
            session_name=wanted.instance_id,
            duration_seconds=INSTANCE_SECONDS,
        )
        return web.json_response(
            {
                "AccessKeyId": session.access_key_id,
                "SecretAccessKey": session.secret_access_key,
                "Token": session.session_token,
                "Expiration": f"{session.expiration:%Y-%m-%dT%H:%M:%SZ}",
            }
        )

    async def _review_token(self, request: web.Request) -> web.Response:
        """Whose bearer token that is, as an API server's authentication webhook is told."""
        wanted = ReviewWanted.model_validate_json(await request.read())
        identity = token_review.review(self._aws, wanted.cluster, wanted.token)
        return web.json_response(asdict(identity))

    async def _outlive_parent(self, _: web.Request) -> web.Response:
        self._outlive()
        return web.json_response({})

    async def _stop_everything(self, _: web.Request) -> web.Response:
        self._stop()
        return web.json_response({}, status=202)


def _since(request: web.Request) -> datetime | None:
    """Raises `ValueError` for what is not a time; one without zone is UTC."""
    since = request.query.get("since")
    moment = datetime.fromisoformat(since.replace(" ", "+")) if since else None
    if moment is not None and moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment


@web.middleware
async def _refusals(request: web.Request, handler: Any) -> web.StreamResponse:
    """Trouble of the caller's making, as 4xx with its reason."""
    try:
        answer: web.StreamResponse = await handler(request)
    except UsageError as error:
        return web.json_response({"error": str(error)}, status=400)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        return web.json_response({"error": f"{where}: {first['msg']}"}, status=400)
    except ValueError as error:
        return web.json_response({"error": str(error)}, status=400)
    except TrustRefused as refused:
        return web.json_response({"error": refused.reason}, status=403)
    except TokenRefused as refused:
        return web.json_response({"error": refused.reason}, status=401)
    except InvalidSession as error:
        return web.json_response({"error": str(error)}, status=400)
    return answer
