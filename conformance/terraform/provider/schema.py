"""
Schemas of the resource types, cut out of the real provider.

Types, nested blocks, required and sensitive marks come from `terraform providers
schema -json` of hashicorp/aws, so configurations and states fit both providers.
What that output does not hold (what forces a new resource, defaults, which JSON
means the same) stands with each resource type. `cut_schema.py` makes the file again.
What newer versions add lies over it (`overlay`), from their documentation.
"""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from conformance.terraform.provider import protocol

SCHEMA_FILE: Final = "schema.json.gz"


@dataclass(frozen=True)
class Attribute:
    """One attribute; `type` as Terraform spells types in JSON."""

    name: str
    type: Any
    required: bool
    optional: bool
    computed: bool
    sensitive: bool


@dataclass(frozen=True)
class NestedBlock:
    """A block inside a block; `nesting` is `single`, `list`, `set` or `map`."""

    name: str
    nesting: str
    block: "Block"
    min_items: int
    max_items: int

    @property
    def collection(self) -> bool:
        return self.nesting in ("list", "set")


@dataclass(frozen=True)
class Block:
    """The attributes and blocks of one level."""

    attributes: Mapping[str, Attribute]
    blocks: Mapping[str, NestedBlock]

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> "Block":
        attributes = {
            name: Attribute(
                name,
                a["type"],
                *(bool(a.get(k)) for k in ("required", "optional", "computed", "sensitive")),
            )
            for name, a in data.get("attributes", {}).items()
        }
        blocks = {
            name: NestedBlock(
                name,
                b["nesting_mode"],
                cls.parse(b["block"]),
                b.get("min_items", 0),
                b.get("max_items", 0),
            )
            for name, b in data.get("block_types", {}).items()
        }
        return cls(attributes, blocks)

    def message(self) -> Any:
        """The block in the plugin protocol."""
        return protocol.new(
            "Block",
            attributes=[
                protocol.new(
                    "Attribute",
                    name=a.name,
                    type=json.dumps(a.type).encode(),
                    required=a.required,
                    optional=a.optional,
                    computed=a.computed,
                    sensitive=a.sensitive,
                )
                for a in self.attributes.values()
            ],
            block_types=[
                protocol.new(
                    "NestedBlock",
                    type_name=b.name,
                    block=b.block.message(),
                    nesting=protocol.NESTING[b.nesting],
                    min_items=b.min_items,
                    max_items=b.max_items,
                )
                for b in self.blocks.values()
            ],
        )


@dataclass(frozen=True)
class Schema:
    """A schema with its version; states of an older version are read as they are."""

    version: int
    block: Block

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> "Schema":
        return cls(data["version"], Block.parse(data["block"]))

    def overlaid(self, attributes: Mapping[str, Attribute]) -> "Schema":
        """This schema with more attributes, or with these in place of its own."""
        block = Block({**self.block.attributes, **attributes}, self.block.blocks)
        return Schema(self.version, block)

    def message(self) -> Any:
        """The schema in the plugin protocol."""
        return protocol.new("Schema", version=self.version, block=self.block.message())


@dataclass(frozen=True)
class Schemas:
    """Everything that one provider serves, and where it was taken from."""

    source: str
    provider: Schema
    resources: Mapping[str, Schema]
    data_sources: Mapping[str, Schema]


@cache
def cut_schemas() -> Schemas:
    """What was cut out of hashicorp/aws, as it was."""
    packed = resources.files(__package__).joinpath(SCHEMA_FILE).read_bytes()
    data = json.loads(gzip.decompress(packed))
    return Schemas(
        data["source"],
        Schema.parse(data["provider"]),
        {name: Schema.parse(schema) for name, schema in data["resource_schemas"].items()},
        {name: Schema.parse(schema) for name, schema in data["data_source_schemas"].items()},
    )
