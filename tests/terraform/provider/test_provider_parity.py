"""
The real provider itself, where a mirror of it is on the machine.

One Spec in `make test`; whole lives take minutes, so only `tox -e parity` asks for them.
"""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.contract import Contract
from conformance.terraform import stacks
from conformance.terraform.provider import cut_schema
from conformance.terraform.provider.schema import Schema, cut_schemas
from conformance.terraform.sources import find_mirror, provider_source
from conformance.terraform.workspace import Workspace
from tests.terraform.life import Life, live


@pytest.fixture
def mirror() -> Path:
    found = find_mirror()
    if found is None:
        pytest.skip("no mirror of the real provider is on this machine")
    return found


@pytest.fixture
def full() -> None:
    if os.environ.get("CONFORMANCE_PARITY") != "full":
        pytest.skip("the real provider takes minutes; tox -e parity runs this")


def without_ids(contract: Contract, prefix: str, of: str) -> Any:
    text = contract.model_dump_json().replace(prefix, "PREFIX").replace(f'"{of}-', '"RUN-')
    return json.loads(re.sub(r"a-[a-z0-9]{16,17}\b", "ASSOCIATION", text))


@pytest.mark.long
def test_the_real_provider_gives_the_same_contract_and_takes_over_our_state(
    bench: Callable[..., Any],
    variables: Callable[..., Any],
    mirror: Path,
    tmp_path: Path,
) -> None:
    made = bench()
    ours = made.apply()
    real = Workspace(
        tmp_path / "real", stacks.stack("aws5"), aws=made.world.aws, provider=f"mirror={mirror}"
    )

    theirs = real.apply(variables(made.spec, "cf-real", "r2"))
    assert without_ids(theirs, "cf-real", "r2") == without_ids(ours, made.prefix, "r1")

    # The same work folder, with the real provider: it finds nothing to change in our state.
    heir = Workspace(
        made.world.folder, stacks.stack("aws5"), aws=made.world.aws, provider=f"mirror={mirror}"
    )
    heir.root.assemble(heir.folder, variables(made.spec, made.prefix), heir.aws)
    (heir.folder / "terraform.rc").write_text(heir.source.configuration())
    assert heir.plan() == []


def test_policy_documents_are_still_what_was_recorded(
    full: None, mirror: Path, applied: Callable[..., Any], golden: Callable[[str], Any]
) -> None:
    made = applied("policy_documents.tf", f"mirror={mirror}")
    assert made["documents"] == golden("policy_documents.json")


def test_the_real_provider_lives_as_was_recorded_and_ours_takes_over_at_any_step(
    full: None,
    mirror: Path,
    life: Callable[[str], Life],
    behind: Callable[[str], Any],
    golden: Callable[[str], Any],
) -> None:
    story = live(life(f"mirror={mirror}"), behind, heir=provider_source("embedded"))
    assert json.loads(story.as_json()) == golden("life.json")
    assert story.inherited == {key: {} for key in story.attributes}


def test_the_real_provider_takes_over_our_state_at_any_step(
    full: None, mirror: Path, life: Callable[[str], Life], behind: Callable[[str], Any]
) -> None:
    story = live(life("embedded"), behind, heir=provider_source(f"mirror={mirror}"))
    assert story.inherited == {key: {} for key in story.attributes}


def test_the_cut_is_what_the_real_provider_says(full: None, mirror: Path, tmp_path: Path) -> None:
    cut = cut_schema.cut_from(mirror, tmp_path)
    if cut["source"] != cut_schemas().source:
        pytest.skip(
            f"the schema was cut from {cut_schemas().source}, the mirror has {cut['source']}"
        )

    assert Schema.parse(cut["provider"]) == cut_schemas().provider
    for name, schema in cut["resource_schemas"].items():
        assert Schema.parse(schema) == cut_schemas().resources[name]
    for name, schema in cut["data_source_schemas"].items():
        assert Schema.parse(schema) == cut_schemas().data_sources[name]
