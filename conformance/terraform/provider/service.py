"""
The provider's answers to Terraform's calls.

Each method of the protocol is one method here, from message to message. What goes
wrong becomes a diagnostic with AWS's code and words; no exception reaches gRPC,
because Terraform shows those as a crash of the plugin.

`legacy_type_system` is set in plans and applies, as the real provider sets it: it
lets AWS's spelling of a value differ from the configuration's. What was created is
always answered as state, even when reading it back failed: a resource that exists
and is in no state is the one mistake that cannot be repaired.
"""

import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import ClientError

from conformance.terraform.provider import protocol
from conformance.terraform.provider.catalogue import AWS, Catalogue
from conformance.terraform.provider.connection import Connection, Settings
from conformance.terraform.provider.planning import plan, settle
from conformance.terraform.provider.resource import DataSource, FailedError, Resource
from conformance.terraform.provider.schema import Block
from conformance.terraform.provider.values import Values, complete, known, pack, unpack

# How long work on AWS may take when the configuration has no `timeouts`; the real
# provider waits 30 minutes for a cluster, an emulation that needs five is broken.
DEFAULT_SECONDS: Final = 300.0

_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


@dataclass
class Provider:
    """One provider; `settings` is what counts where the provider block is silent."""

    settings: Settings
    catalogue: Catalogue = field(default=AWS, repr=False)
    stopping: threading.Event = field(default_factory=threading.Event)
    _connection: Connection | None = None

    def handlers(self) -> Mapping[str, Callable[[Any], Any]]:
        """The method for each call of the protocol."""
        return {name: getattr(self, _snake(name)) for name in protocol.METHODS}

    def get_metadata(self, _request: Any) -> Any:
        return protocol.new(
            "GetMetadata.Response",
            server_capabilities=_capabilities(),
            resources=_type_names(self.catalogue.resources),
            data_sources=_type_names(self.catalogue.data_sources),
        )

    def get_provider_schema(self, _request: Any) -> Any:
        def entries(found: Mapping[str, Any]) -> list[Any]:
            return [
                protocol.new("SchemaEntry", key=name, value=schema.message())
                for name, schema in found.items()
            ]

        cut = self.catalogue.schemas
        return protocol.new(
            "GetProviderSchema.Response",
            provider=cut.provider.message(),
            resource_schemas=entries(cut.resources),
            data_source_schemas=entries(cut.data_sources),
            provider_meta=protocol.new("Schema", block=protocol.new("Block")),
            server_capabilities=_capabilities(),
        )

    def get_resource_identity_schemas(self, _request: Any) -> Any:
        return protocol.new("GetResourceIdentitySchemas.Response")

    def validate_provider_config(self, request: Any) -> Any:
        block = self.catalogue.schemas.provider.block
        config = unpack(request.config.msgpack)
        refused = _refusals("provider", block, self.catalogue.accepts, config)
        return protocol.new("ValidateProviderConfig.Response", diagnostics=refused)

    def validate_resource_config(self, request: Any) -> Any:
        resource, block = self._resource(request.type_name)
        config = unpack(request.config.msgpack)
        refused = _refusals(resource.name, block, resource.accepts, config)
        return protocol.new("ValidateResourceConfig.Response", diagnostics=refused)

    def validate_data_resource_config(self, request: Any) -> Any:
        source, block = self._data_source(request.type_name)
        config = unpack(request.config.msgpack)
        refused = _refusals(source.name, block, source.accepts, config)
        return protocol.new("ValidateDataResourceConfig.Response", diagnostics=refused)

    def configure_provider(self, request: Any) -> Any:
        config = known(unpack(request.config.msgpack))
        endpoints = (config.get("endpoints") or [{}])[0]
        try:
            profile = config["profile"]
            settings = self.settings.using(profile) if profile else self.settings
        except ValueError as error:
            refusal = _error(f"embedded provider: {error}", "It reads no files of credentials.")
            return protocol.new("ConfigureProvider.Response", diagnostics=[refusal])
        settings = settings.overlaid(
            region=config["region"],
            access_key_id=config["access_key"],
            secret_access_key=config["secret_key"],
            session_token=config["token"],
            path_style=config.get("s3_use_path_style"),
            endpoint=next(filter(None, endpoints.values()), None),
        )
        if settings.trouble:
            advice = (
                "It works on an emulation only and never asks AWS itself. Set AWS_ENDPOINT_URL, "
                "AWS_REGION and the keys that `conformance up` printed."
            )
            refusal = _error(f"embedded provider: {settings.trouble}", advice)
            return protocol.new("ConfigureProvider.Response", diagnostics=[refusal])
        tags = (config.get("default_tags") or [{}])[0].get("tags") or {}
        self._connection = Connection(settings, tags, self.stopping)
        return protocol.new("ConfigureProvider.Response")

    def upgrade_resource_state(self, request: Any) -> Any:
        _, block = self._resource(request.type_name)
        state = complete(block, json.loads(request.raw_state.json))
        return protocol.new("UpgradeResourceState.Response", upgraded_state=_value(state))

    def import_resource_state(self, request: Any) -> Any:
        resource, block = self._resource(request.type_name)
        try:
            state = resource.identify(request.id)
        except ValueError as error:
            return protocol.new(
                "ImportResourceState.Response", diagnostics=[_error(str(error), "")]
            )
        imported = protocol.new(
            "Imported", type_name=request.type_name, state=_value(complete(block, state))
        )
        return protocol.new("ImportResourceState.Response", imported_resources=[imported])

    def read_resource(self, request: Any) -> Any:
        resource, block = self._resource(request.type_name)
        state = unpack(request.current_state.msgpack)
        try:
            new = self._read(resource, block, state)
        except Exception as error:  # noqa: BLE001  # see the module
            return protocol.new(
                "ReadResource.Response",
                new_state=request.current_state,
                diagnostics=[_trouble("reading", request.type_name, error)],
            )
        return protocol.new("ReadResource.Response", new_state=_value(new), private=request.private)

    def plan_resource_change(self, request: Any) -> Any:
        resource, block = self._resource(request.type_name)
        made = plan(
            resource,
            block,
            self._connection.default_tags if self._connection else {},
            prior=unpack(request.prior_state.msgpack),
            proposed=unpack(request.proposed_new_state.msgpack),
            config=unpack(request.config.msgpack),
        )
        return protocol.new(
            "PlanResourceChange.Response",
            planned_state=_value(made.planned),
            planned_private=request.prior_private,
            requires_replace=[_path(name.partition(".")[0]) for name in made.replace],
            legacy_type_system=True,
        )

    def apply_resource_change(self, request: Any) -> Any:
        resource, block = self._resource(request.type_name)
        prior = unpack(request.prior_state.msgpack)
        planned = unpack(request.planned_state.msgpack)
        state, diagnostics = prior, []
        doing = "deleting" if planned is None else "creating" if prior is None else "updating"
        try:
            if planned is None:
                resource.delete(self._aws, prior, _within(prior, "delete"))
                state = None
            else:
                want = complete(block, known(planned))
                if prior is None:
                    state = want | resource.create(self._aws, want)
                    resource.ready(self._aws, state, _within(want, "create"))
                else:
                    resource.update(self._aws, prior, want)
                    resource.ready(self._aws, want, _within(want, "update"))
                    state = want
                read = self._read(resource, block, state)
                if read is None:
                    raise FailedError("it was made, and is not there")
                state = read
        except Exception as error:  # noqa: BLE001  # see the module
            diagnostics.append(_trouble(doing, request.type_name, error))
        return protocol.new(
            "ApplyResourceChange.Response",
            new_state=_value(state),
            private=request.planned_private,
            diagnostics=diagnostics,
            legacy_type_system=True,
        )

    def read_data_source(self, request: Any) -> Any:
        source, block = self._data_source(request.type_name)
        config = unpack(request.config.msgpack)
        try:
            read = source.read(self._aws, config)
        except Exception as error:  # noqa: BLE001  # see the module
            return protocol.new(
                "ReadDataSource.Response",
                diagnostics=[_trouble("reading", f"data.{request.type_name}", error)],
            )
        return protocol.new("ReadDataSource.Response", state=_value(complete(block, config | read)))

    def stop_provider(self, _request: Any) -> Any:
        # Calls that are under way end as they would have, waits end now; both are recorded.
        self.stopping.set()
        return protocol.new("StopProvider.Response")

    @property
    def _aws(self) -> Connection:
        if self._connection is None:
            raise ValueError("the provider has not been configured")
        return self._connection

    def _resource(self, name: str) -> tuple[Resource, Block]:
        return self.catalogue.resources[name], self.catalogue.schemas.resources[name].block

    def _data_source(self, name: str) -> tuple[DataSource, Block]:
        return self.catalogue.data_sources[name], self.catalogue.schemas.data_sources[name].block

    def _read(self, resource: Resource, block: Block, state: Values) -> Values | None:
        read = resource.read(self._aws, state)
        if read is None:
            return None
        return settle(resource, block, complete(block, state | read), state)


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _capabilities() -> Any:
    return protocol.new("ServerCapabilities", get_provider_schema_optional=True)


def _type_names(names: Iterable[str]) -> list[Any]:
    return [protocol.new("TypeName", type_name=name) for name in names]


def _value(value: Any) -> Any:
    return protocol.new("DynamicValue", msgpack=pack(value))


def _path(name: str) -> Any:
    return protocol.new("AttributePath", steps=[protocol.new("PathStep", attribute_name=name)])


def _error(summary: str, detail: str, attribute: str | None = None) -> Any:
    path = {"attribute": _path(attribute)} if attribute else {}
    return protocol.new(
        "Diagnostic", severity=protocol.ERROR, summary=summary, detail=detail, **path
    )


def _trouble(doing: str, name: str, error: Exception) -> Any:
    if isinstance(error, ClientError):
        told, meta = error.response["Error"], error.response["ResponseMetadata"]
        return _error(
            f"{doing} {name}: {told['Code']}: {told['Message']}",
            f"{error.operation_name} answered {meta['HTTPStatusCode']}, "
            f"request {meta.get('RequestId', 'without id')}.",
        )
    return _error(f"{doing} {name}: {error}", type(error).__name__)


def _refusals(name: str, block: Block, accepts: frozenset[str], config: Values) -> list[Any]:
    # An optional argument that is computed as well is null, not absent, when nobody sets it.
    written = [
        each for each in (*block.attributes, *block.blocks) if config[each] not in (None, [])
    ]
    return [
        _error(
            f"{name}.{each} is not served by the embedded provider",
            f"It serves: {', '.join(sorted(accepts))}. Use the real provider for the rest "
            "(--provider registry or mirror=DIR).",
            each,
        )
        for each in written
        if each not in accepts
    ]


def _within(values: Values, action: str) -> float:
    given = (values.get("timeouts") or {}).get(action)
    if not given:
        return DEFAULT_SECONDS
    parts = re.findall(r"([\d.]+)(ms|h|m|s)", given)
    if "".join(n + unit for n, unit in parts) != given:
        raise ValueError(f"timeouts.{action} = {given!r} is not a duration such as 90s or 1h30m")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
