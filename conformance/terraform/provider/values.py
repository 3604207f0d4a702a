"""
Values as Terraform sends them, and when two of them mean the same.

Terraform's values travel as msgpack (hashicorp/terraform,
docs/plugin-protocol/object-wire-format.md): objects are maps, sets are lists, and
a value that is not known yet is an extension type. Here an object is a `dict`, a
collection a `list`, null is `None` and the unknown is `UNKNOWN`.

The trap is spelling. The real provider grew on a type system in which an absent
string, an empty one and an empty map were the same; AWS and users spell them
differently, and a provider that is strict about it plans changes for ever.
`canonical` is the one place that says what is the same.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgpack  # type: ignore[import-untyped]  # publishes no types

from conformance.terraform.provider.schema import Block

Values = dict[str, Any]


class Unknown:
    """A value that exists only after apply."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()

# Extension 0 is the plain unknown, 12 one with refinements ("not null", "starts with");
# a provider may forget refinements.
_UNKNOWN_ON_THE_WIRE: Final = msgpack.ExtType(0, b"\x00")


def unpack(data: bytes) -> Any:
    """A `DynamicValue`'s msgpack, read."""
    return msgpack.unpackb(
        data, ext_hook=lambda _code, _data: UNKNOWN, strict_map_key=False, raw=False
    )


def pack(value: Any) -> bytes:
    """The msgpack of a value for a `DynamicValue`."""

    def encode(item: Any) -> Any:
        if item is UNKNOWN:
            return _UNKNOWN_ON_THE_WIRE
        raise TypeError(f"not a Terraform value: {item!r}")

    packed: bytes = msgpack.packb(value, default=encode)
    return packed


def complete(block: Block, values: Mapping[str, Any]) -> Values:
    """
    Exactly the attributes and blocks of the schema, null where `values` has none.

    Terraform refuses an object with a name too many or too few, also when it comes
    from a state that an older schema wrote.
    """
    whole: Values = {n: _complete_type(a.type, values.get(n)) for n, a in block.attributes.items()}
    for name, nested in block.blocks.items():
        inner = values.get(name)
        if inner is UNKNOWN:
            whole[name] = UNKNOWN
        elif nested.collection:
            whole[name] = [complete(nested.block, item) for item in inner or ()]
        else:
            whole[name] = None if inner is None else complete(nested.block, inner)
    return whole


def _complete_type(kind: Any, value: Any) -> Any:
    if value is None or value is UNKNOWN or isinstance(kind, str):
        return value
    shape, inner = kind
    if shape == "object":
        return {name: _complete_type(each, value.get(name)) for name, each in inner.items()}
    if shape == "map":
        return {key: _complete_type(inner, each) for key, each in value.items()}
    return [_complete_type(inner, each) for each in value]


def known(value: Any) -> Any:
    """The value with null in place of everything that is not known yet."""
    if value is UNKNOWN:
        return None
    if isinstance(value, dict):
        return {key: known(item) for key, item in value.items()}
    if isinstance(value, list):
        return [known(item) for item in value]
    return value


def holds_unknown(value: Any) -> bool:
    """Whether any part of the value is not known yet."""
    if isinstance(value, dict):
        return any(map(holds_unknown, value.values()))
    if isinstance(value, list):
        return any(map(holds_unknown, value))
    return value is UNKNOWN


def canonical(kind: Any, value: Any) -> Any:
    """
    A form in which values that mean the same are equal.

    `kind` is a type as schemas spell it (`"string"`, `["set", "string"]`) or a
    `Block`. Null, the empty string and empty collections are one; sets have no order.
    """
    if value is UNKNOWN:
        return UNKNOWN
    if value is None or value in ("", [], {}):
        return None
    if isinstance(kind, Block):
        parts = {name: canonical(a.type, value.get(name)) for name, a in kind.attributes.items()}
        for name, nested in kind.blocks.items():
            inner = [nested.nesting, nested.block] if nested.collection else nested.block
            parts[name] = canonical(inner, value.get(name))
        return parts
    if isinstance(kind, list):
        shape, inner = kind
        if shape == "object":
            return {name: canonical(inner[name], value.get(name)) for name in inner}
        if shape == "map":
            # An empty value in a map is one: the tag is there.
            return {key: UNKNOWN if item is UNKNOWN else item for key, item in value.items()}
        items = [canonical(inner, item) for item in value]
        return sorted(items, key=_order) if shape == "set" else items
    return value


def _order(item: Any) -> str:
    return json.dumps(item, sort_keys=True, default=repr)


def same_json(one: Any, other: Any) -> bool:
    """Whether two JSON policies say the same; lists of one and bare strings are equal to IAM."""
    if not (isinstance(one, str) and isinstance(other, str)):
        return bool(one == other)
    try:
        return bool(_plain(json.loads(one)) == _plain(json.loads(other)))
    except json.JSONDecodeError:
        return bool(one == other)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        items = sorted(map(_plain, value), key=_order)
        return items[0] if len(items) == 1 else items
    return value


def tag_changes(was: Mapping[str, str], want: Mapping[str, str]) -> tuple[list[str], Values]:
    """The keys to take away and the tags to set."""
    removed = [key for key in was if key not in want]
    return removed, {key: value for key, value in want.items() if was.get(key) != value}


def as_pairs(tags: Mapping[str, str] | None) -> list[dict[str, str]]:
    """Tags as IAM and S3 take them."""
    return [{"Key": key, "Value": value} for key, value in (tags or {}).items()]


def from_pairs(pairs: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Tags as Terraform has them; those of AWS itself (`aws:`) are not the user's."""
    return own({pair["Key"]: pair["Value"] for pair in pairs})


def own(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags without those that AWS itself sets."""
    return {key: value for key, value in tags.items() if not key.startswith("aws:")}
