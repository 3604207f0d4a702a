import msgpack  # type: ignore[import-untyped]  # publishes no types
import pytest

from conformance.terraform.provider.overlay import schemas
from conformance.terraform.provider.schema import Block
from conformance.terraform.provider.values import (
    UNKNOWN,
    canonical,
    complete,
    holds_unknown,
    known,
    pack,
    same_json,
    tag_changes,
    unpack,
)

VALUE = {"a": None, "b": [1, 2.5, True], "c": {"d": "ä"}, "e": UNKNOWN}


def test_values_survive_the_wire() -> None:
    assert unpack(pack(VALUE)) == VALUE


def test_unknown_is_what_terraform_expects() -> None:
    # go-cty, msgpack/unknown.go
    assert pack(UNKNOWN) == b"\xd4\x00\x00"


def test_an_unknown_with_refinements_is_an_unknown() -> None:
    assert unpack(msgpack.packb(msgpack.ExtType(12, b"\x81\x01\xc2"))) is UNKNOWN


def test_anything_else_is_not_sent() -> None:
    with pytest.raises(TypeError, match="not a Terraform value"):
        pack({"a": {1, 2}})


def test_known_makes_null_of_the_unknown_everywhere() -> None:
    assert known({"a": [UNKNOWN, {"b": UNKNOWN}]}) == {"a": [None, {"b": None}]}
    assert holds_unknown({"a": [{"b": UNKNOWN}]})
    assert not holds_unknown({"a": [{"b": None}]})


def test_complete_has_every_name_of_the_schema_and_no_other() -> None:
    block = schemas().resources["aws_eks_cluster"].block
    whole = complete(block, {"name": "x", "vpc_config": [{"vpc_id": "v"}], "gone": 1})

    assert set(whole) == {*block.attributes, *block.blocks}
    assert whole["vpc_config"][0]["subnet_ids"] is None
    assert whole["timeouts"] is None
    assert whole["access_config"] == []


def test_complete_reaches_into_object_types() -> None:
    block = schemas().data_sources["aws_eks_cluster"].block
    whole = complete(block, {"kubernetes_network_config": [{"ip_family": "ipv4"}]})

    assert whole["kubernetes_network_config"][0]["elastic_load_balancing"] is None


@pytest.mark.parametrize("empty", [None, "", [], {}])
def test_the_ways_to_say_nothing_are_one(empty: object) -> None:
    assert canonical(["map", "string"], empty) == canonical("string", None)


def test_sets_have_no_order_and_lists_have() -> None:
    assert canonical(["set", "string"], ["b", "a"]) == canonical(["set", "string"], ["a", "b"])
    assert canonical(["list", "string"], ["b", "a"]) != canonical(["list", "string"], ["a", "b"])


def test_an_empty_tag_is_a_tag() -> None:
    assert canonical(["map", "string"], {"a": ""}) != canonical(["map", "string"], {})


def test_zero_and_false_are_not_nothing() -> None:
    assert canonical("number", 0) != canonical("number", None)
    assert canonical("bool", False) != canonical("bool", None)


def test_blocks_compare_by_their_attributes() -> None:
    block = Block.parse(
        {"block_types": {"rule": {"nesting_mode": "set", "block": {"attributes": ATTRIBUTES}}}}
    )
    one, other = {"key": "a", "value": ""}, {"key": "b", "value": "2"}

    assert canonical(block, {"rule": [one, other]}) == canonical(
        block, {"rule": [other, {"key": "a", "value": None}]}
    )


ATTRIBUTES = {"key": {"type": "string"}, "value": {"type": "string", "optional": True}}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ('{"a": ["x"]}', '{"a":"x"}', True),
        ('{"a": ["x", "y"]}', '{"a":["y","x"]}', True),
        ('{"a": "x"}', '{"a":"y"}', False),
        ("not json", "not json", True),
        ("not json", "{}", False),
        (None, None, True),
        (None, "{}", False),
    ],
)
def test_policies_compare_by_meaning(one: str | None, other: str | None, same: bool) -> None:
    assert same_json(one, other) is same


def test_tag_changes_are_removals_and_settings() -> None:
    assert tag_changes({"a": "1", "b": "2"}, {"b": "3", "c": "4"}) == (["a"], {"b": "3", "c": "4"})
