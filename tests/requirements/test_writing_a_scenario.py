import re
from pathlib import Path

import pytest

from conformance import spec
from conformance.probes import blame
from conformance.probes.evidence import Evidence
from conformance.requirements import model
from conformance.stages import Stage
from conformance.world import World

PAGE = (Path(__file__).parents[2] / "docs" / "writing-a-scenario.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES[:2])
def test_example_of_data_is_accepted(example: str) -> None:
    exec(example, {**vars(spec), **vars(model)})  # noqa: S102 - our own page


def test_world_has_what_the_page_says() -> None:
    said = set(re.findall(r"world\.(\w+)", PAGE)) - {"contract"}

    assert said
    assert {name for name in said if not hasattr(World, name)} == set()


def test_page_names_every_stage_and_real_codes() -> None:
    table = dict(re.findall(r"^\| `([a-z-]+)` \| [^|]+ \| (`[^|]+) \|$", PAGE, re.MULTILINE))
    made_here = {rule.says for rule in blame.RULES}

    assert list(table) == list(Stage)
    assert "TokenEmpty" in table["agent"]
    assert set(re.findall(r"`(\w+)`", table["agent"])) <= made_here


def test_page_names_methods_of_evidence() -> None:
    for name in ("granted", "denied", "identified"):
        assert f"`.{name}(" in PAGE
        assert hasattr(Evidence, name)
