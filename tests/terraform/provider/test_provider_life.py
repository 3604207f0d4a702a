"""The embedded provider against what the real one did, see golden/README.md."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.terraform.sources import find_mirror, provider_source
from tests.terraform.life import Life, Story, differences, live

KNOWN = tomllib.loads(Path(__file__).with_name("differences.toml").read_text(encoding="utf-8"))


@pytest.fixture
def theirs(golden: Callable[[str], Any]) -> Story:
    return Story(**golden("life.json"))


def test_every_step_of_every_resource_is_as_with_the_real_provider(
    life: Callable[[str], Life], behind: Callable[[str], Any], theirs: Story
) -> None:
    ours = live(life("embedded"), behind)

    assert ours.plans == theirs.plans
    assert ours.refusals == theirs.refusals
    # Strict both ways: what is listed and does not differ any more has to go.
    assert differences(ours, theirs) == set(KNOWN["attributes"])


@pytest.mark.long
def test_states_are_interchangeable(life: Callable[[str], Life], theirs: Story) -> None:
    ours = life("embedded")
    ours.apply()
    if mirror := find_mirror():
        assert ours.heir(provider_source(f"mirror={mirror}")).plan() == {}

    # What the real provider recorded, given to ours as if it had always been there.
    ours.adopt(theirs.attributes["created"])
    assert ours.plan() == {}
    ours.destroy()


def test_every_difference_has_a_reason() -> None:
    assert all(len(reason.split()) > 3 for reason in KNOWN["attributes"].values())
