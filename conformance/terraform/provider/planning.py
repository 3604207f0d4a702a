"""
One planner for every resource type.

Terraform proposes a new state (the configuration, with the prior value wherever
the configuration is silent and AWS decides); a provider answers with what will
really be. Everything that differs between resource types is data on the type, so
adding one never adds a branch here.

The rules are those of the SDK that the real provider was written with: spellings
that mean the same are no change, a value that AWS will choose is unknown until
apply, and a block that the configuration leaves out may still be AWS's to fill.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conformance.terraform.provider.resource import Resource
from conformance.terraform.provider.schema import Block, NestedBlock
from conformance.terraform.provider.values import (
    UNKNOWN,
    Values,
    canonical,
    holds_unknown,
    same_json,
)


@dataclass(frozen=True)
class Plan:
    """What will be, and the names of the attributes that need a new resource for it."""

    planned: Values | None
    replace: tuple[str, ...] = ()


def plan(
    resource: Resource,
    block: Block,
    default_tags: Mapping[str, str],
    *,
    prior: Values | None,
    proposed: Values | None,
    config: Values | None,
) -> Plan:
    """What `config` makes of `prior`; `prior` is None for a new one, `proposed` for its end."""
    if proposed is None or config is None:
        return Plan(None)
    planned = dict(proposed)
    _apply_defaults(resource.defaults, block, planned, config)
    if "tags_all" in block.attributes:
        planned["tags_all"] = _all_tags(planned.get("tags"), default_tags)
    if prior is None:
        _expect(block, planned)
        for name in resource.computed_blocks:
            if not config.get(name):
                planned[name] = UNKNOWN
        return Plan(planned)
    for name in resource.computed_blocks:
        if not config.get(name):
            planned[name] = prior.get(name)
    settled = settle(resource, block, planned, prior)
    changed = changes(block, prior, settled)
    if not changed:
        return Plan(prior)
    for cause, renewed in resource.renewed.items():
        if cause in changed:
            settled |= dict.fromkeys(renewed, UNKNOWN)
    return Plan(settled, tuple(sorted(changed & resource.replace)))


def settle(resource: Resource, block: Block, new: Values, old: Mapping[str, Any]) -> Values:
    """`new`, in the spelling of `old` wherever both mean the same."""
    settled = dict(new)
    for name in (*block.attributes, *block.blocks):
        before, after = old.get(name), new.get(name)
        alike = canonical(_kind(block, name), before) == canonical(_kind(block, name), after)
        if alike or (name in resource.policies and same_json(before, after)):
            settled[name] = before
    return settled


def changes(block: Block, old: Mapping[str, Any], new: Mapping[str, Any]) -> set[str]:
    """Names whose value differs; `block.attribute` too for a block that is there at most once."""
    found: set[str] = set()
    for name in (*block.attributes, *block.blocks):
        kind = _kind(block, name)
        before, after = old.get(name), new.get(name)
        if canonical(kind, before) == canonical(kind, after):
            continue
        found.add(name)
        nested = block.blocks.get(name)
        if nested is not None and nested.max_items == 1 and before and after is not UNKNOWN:
            inner = changes(nested.block, before[0], (after or [{}])[0])
            found |= {f"{name}.{each}" for each in inner}
    return found


def _kind(block: Block, name: str) -> Any:
    if name in block.attributes:
        return block.attributes[name].type
    nested = block.blocks[name]
    return [nested.nesting, nested.block] if nested.collection else nested.block


def _apply_defaults(
    defaults: Mapping[str, Any], block: Block, planned: Values, config: Mapping[str, Any]
) -> None:
    for name, default in defaults.items():
        if name in block.blocks:
            for inner, written in zip(planned[name] or (), config[name] or (), strict=False):
                _apply_defaults(default, block.blocks[name].block, inner, written)
        elif config.get(name) is None:
            planned[name] = default


def _expect(block: Block, planned: Values) -> None:
    for name, attribute in block.attributes.items():
        if attribute.computed and planned.get(name) is None:
            planned[name] = UNKNOWN
    for nested in block.blocks.values():
        for inner in _items(nested, planned.get(nested.name)):
            _expect(nested.block, inner)


def _items(nested: NestedBlock, value: Any) -> list[Values]:
    if value is None or value is UNKNOWN:
        return []
    return value if nested.collection else [value]


def _all_tags(tags: Any, default_tags: Mapping[str, str]) -> Any:
    if holds_unknown(tags):
        return UNKNOWN
    return {**default_tags, **(tags or {})}
