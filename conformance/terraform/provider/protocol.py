"""
The messages of Terraform's plugin protocol 6, registered by hand.

Generated protobuf code is tied to the runtime it was generated for and is not
read by anyone; the part of the protocol that this provider speaks is the page
below. Field numbers and types are facts of the protocol (hashicorp/terraform,
docs/plugin-protocol/tfplugin6.9.proto, MPL-2.0); the text is ours. Message names
never travel, so nested messages have flat names here, enums are plain numbers and
maps are lists of entries, which is how protobuf writes them. The descriptors live
in a pool of their own: another copy of the protocol in this process does no harm.
"""

import re
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SERVICE: Final = "tfplugin6.Provider"
VERSION: Final = 6

ERROR: Final = 1
WARNING: Final = 2
"""`Diagnostic.severity`."""

NESTING: Final = {"single": 1, "list": 2, "set": 3, "map": 4, "group": 5}
"""`NestedBlock.nesting` by the name that `terraform providers schema` uses."""

_TEXT: Final = """
DynamicValue            { bytes msgpack = 1; bytes json = 2 }
PathStep                { string attribute_name = 1; string element_key_string = 2 }
AttributePath           { repeated PathStep steps = 1 }
Diagnostic              { int64 severity = 1; string summary = 2; string detail = 3;
                          AttributePath attribute = 4 }
RawState                { bytes json = 1 }
Attribute               { string name = 1; bytes type = 2; string description = 3;
                          bool required = 4; bool optional = 5; bool computed = 6;
                          bool sensitive = 7; bool deprecated = 9 }
NestedBlock             { string type_name = 1; Block block = 2; int64 nesting = 3;
                          int64 min_items = 4; int64 max_items = 5 }
Block                   { int64 version = 1; repeated Attribute attributes = 2;
                          repeated NestedBlock block_types = 3 }
Schema                  { int64 version = 1; Block block = 2 }
SchemaEntry             { string key = 1; Schema value = 2 }
ServerCapabilities      { bool plan_destroy = 1; bool get_provider_schema_optional = 2 }
TypeName                { string type_name = 1 }
Imported                { string type_name = 1; DynamicValue state = 2; bytes private = 3 }

GetMetadata.Request     { }
GetMetadata.Response    { ServerCapabilities server_capabilities = 1;
                          repeated Diagnostic diagnostics = 2;
                          repeated TypeName data_sources = 3; repeated TypeName resources = 4 }
GetProviderSchema.Request  { }
GetProviderSchema.Response { Schema provider = 1; repeated SchemaEntry resource_schemas = 2;
                          repeated SchemaEntry data_source_schemas = 3;
                          repeated Diagnostic diagnostics = 4; Schema provider_meta = 5;
                          ServerCapabilities server_capabilities = 6 }
GetResourceIdentitySchemas.Request  { }
GetResourceIdentitySchemas.Response { repeated Diagnostic diagnostics = 2 }
ValidateProviderConfig.Request      { DynamicValue config = 1 }
ValidateProviderConfig.Response     { repeated Diagnostic diagnostics = 2 }
ValidateResourceConfig.Request      { string type_name = 1; DynamicValue config = 2 }
ValidateResourceConfig.Response     { repeated Diagnostic diagnostics = 1 }
ValidateDataResourceConfig.Request  { string type_name = 1; DynamicValue config = 2 }
ValidateDataResourceConfig.Response { repeated Diagnostic diagnostics = 1 }
UpgradeResourceState.Request  { string type_name = 1; int64 version = 2; RawState raw_state = 3 }
UpgradeResourceState.Response { DynamicValue upgraded_state = 1;
                          repeated Diagnostic diagnostics = 2 }
ConfigureProvider.Request     { string terraform_version = 1; DynamicValue config = 2 }
ConfigureProvider.Response    { repeated Diagnostic diagnostics = 1 }
ReadResource.Request          { string type_name = 1; DynamicValue current_state = 2;
                          bytes private = 3 }
ReadResource.Response         { DynamicValue new_state = 1; repeated Diagnostic diagnostics = 2;
                          bytes private = 3 }
PlanResourceChange.Request    { string type_name = 1; DynamicValue prior_state = 2;
                          DynamicValue proposed_new_state = 3; DynamicValue config = 4;
                          bytes prior_private = 5 }
PlanResourceChange.Response   { DynamicValue planned_state = 1;
                          repeated AttributePath requires_replace = 2;
                          bytes planned_private = 3; repeated Diagnostic diagnostics = 4;
                          bool legacy_type_system = 5 }
ApplyResourceChange.Request   { string type_name = 1; DynamicValue prior_state = 2;
                          DynamicValue planned_state = 3; DynamicValue config = 4;
                          bytes planned_private = 5 }
ApplyResourceChange.Response  { DynamicValue new_state = 1; bytes private = 2;
                          repeated Diagnostic diagnostics = 3; bool legacy_type_system = 4 }
ImportResourceState.Request   { string type_name = 1; string id = 2 }
ImportResourceState.Response  { repeated Imported imported_resources = 1;
                          repeated Diagnostic diagnostics = 2 }
ReadDataSource.Request        { string type_name = 1; DynamicValue config = 2 }
ReadDataSource.Response       { DynamicValue state = 1; repeated Diagnostic diagnostics = 2 }
StopProvider.Request          { }
StopProvider.Response         { string error = 1 }
"""

_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS: Final = {
    "bytes": _FIELD.TYPE_BYTES,
    "string": _FIELD.TYPE_STRING,
    "bool": _FIELD.TYPE_BOOL,
    "int64": _FIELD.TYPE_INT64,
}


def _flat(name: str) -> str:
    return name.replace(".", "")


def _register() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="conformance/tfplugin6.proto", package="conformance.tfplugin6", syntax="proto3"
    )
    names = []
    for name, body in re.findall(r"([\w.]+)\s*\{([^}]*)\}", _TEXT):
        names.append(name)
        message = file.message_type.add(name=_flat(name))
        for repeated, kind, field, number in re.findall(
            r"(repeated )?(\w+) (\w+) = (\d+)", body.replace("\n", " ")
        ):
            added = message.field.add(
                name=field,
                number=int(number),
                label=_FIELD.LABEL_REPEATED if repeated else _FIELD.LABEL_OPTIONAL,
            )
            if kind in _SCALARS:
                added.type = _SCALARS[kind]
            else:
                added.type = _FIELD.TYPE_MESSAGE
                added.type_name = f".{file.package}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"{file.package}.{_flat(name)}")
        )
        for name in names
    }


MESSAGES: Final[dict[str, Any]] = _register()
"""Message class by name, `PlanResourceChange.Request` for example."""

METHODS: Final = tuple(
    name.removesuffix(".Request") for name in MESSAGES if name.endswith(".Request")
)
"""The calls of the service that this provider answers."""


def new(name: str, /, **fields: Any) -> Any:
    """A message of the protocol; raises `ValueError` for a field it does not have."""
    return MESSAGES[name](**fields)
