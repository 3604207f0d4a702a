import json

import pytest

from conformance.terraform.provider.catalogue import DATA_SOURCES, PROVIDER_ACCEPTS, RESOURCES
from conformance.terraform.provider.overlay import schemas
from conformance.terraform.provider.schema import Block, Schema


def names(block: Block) -> set[str]:
    return {*block.attributes, *block.blocks}


def test_everything_served_has_a_schema_and_the_other_way_round() -> None:
    assert set(schemas().resources) == set(RESOURCES)
    assert set(schemas().data_sources) == set(DATA_SOURCES)


@pytest.mark.parametrize("name", RESOURCES)
def test_a_resource_type_speaks_only_of_what_its_schema_has(name: str) -> None:
    resource, block = RESOURCES[name], schemas().resources[name].block
    spoken_of = {
        *resource.accepts,
        *(each.partition(".")[0] for each in resource.replace),
        *resource.defaults,
        *resource.policies,
        *resource.computed_blocks,
        *resource.renewed,
    }

    assert spoken_of <= names(block)
    required = {n for n, a in block.attributes.items() if a.required}
    assert required <= resource.accepts


@pytest.mark.parametrize("name", DATA_SOURCES)
def test_a_data_source_accepts_only_what_its_schema_has(name: str) -> None:
    assert DATA_SOURCES[name].accepts <= names(schemas().data_sources[name].block)


def test_the_provider_block_accepts_only_what_its_schema_has() -> None:
    assert names(schemas().provider.block) >= PROVIDER_ACCEPTS


def test_schemas_are_messages() -> None:
    message = schemas().resources["aws_eks_cluster"].message()
    by_name = {attribute.name: attribute for attribute in message.block.attributes}

    assert message.version == 1
    assert json.loads(by_name["tags"].type) == ["map", "string"]
    assert by_name["role_arn"].required
    assert {b.type_name: b.nesting for b in message.block.block_types}["vpc_config"] == 2


def test_attributes_called_description_are_not_cut_away() -> None:
    assert "description" in schemas().resources["aws_iam_role"].block.attributes
    assert isinstance(schemas().resources["aws_iam_role"], Schema)
