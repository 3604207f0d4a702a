import json
import re
import tomllib
from pathlib import Path

import pytest

from conformance.fidelity import ORDER, gaps, not_emulated, parts
from conformance.fidelity.model import Part
from conformance.fidelity.page import page

ROOT = Path(__file__).parents[2]
PARTS = parts()
TOLD = " ".join(gap.says for gap in gaps().values())

every_part = pytest.mark.parametrize("part", PARTS, ids=[part.id for part in PARTS])


def test_page_is_made_of_the_data() -> None:
    assert (ROOT / "docs" / "fidelity.md").read_text() == page(PARTS), (
        "run: python -m conformance.fidelity > docs/fidelity.md"
    )


def test_ids_are_unique() -> None:
    assert len({part.id for part in PARTS}) == len(PARTS)
    assert len(gaps()) == sum(len(part.gaps) for part in PARTS)


@every_part
def test_part_is_complete(part: Part) -> None:
    assert part.does
    assert part.sources
    assert part.checks
    assert part.gaps, "nothing is emulated without gaps; say which"


@every_part
def test_what_a_part_names_is_there(part: Part) -> None:
    missing = [name for name in part.modules if not (ROOT / name).exists()]
    missing += [c.test for c in part.checks if not (ROOT / "tests" / c.test).exists()]
    assert missing == []


def test_every_test_of_the_cluster_and_of_eks_is_named() -> None:
    named = {ROOT / "tests" / check.test for part in PARTS for check in part.checks}
    tests = [*ROOT.glob("tests/cluster/*/test_*.py"), *ROOT.glob("tests/emulator/eks/test_*.py")]
    assert tests
    assert [test.name for test in tests if not named & {test, test.parent}] == []


@every_part
def test_gap_is_one_sentence_under_its_parts_name(part: Part) -> None:
    for gap in part.gaps:
        assert re.fullmatch(rf"{part.id}\.[a-z0-9-]+", gap.id)
        assert len(gap.says) > 30
        assert gap.says.endswith(".")


def test_every_file_is_a_part() -> None:
    folder = ROOT / "conformance" / "fidelity" / "parts"
    assert {path.stem for path in folder.iterdir()} == set(ORDER)


def test_differences_of_the_api_server_are_told() -> None:
    listed = tomllib.loads((ROOT / "tests/cluster/apiserver/differences.toml").read_text())
    lower = TOLD.lower()
    differences = {*listed["differences"].values(), *listed["fields"].values()}
    assert [why for why in differences if why.lower() not in lower] == []


def test_gaps_of_the_authorisation_cases_are_told() -> None:
    situations = [
        situation
        for path in (ROOT / "tests/emulator/authorization").glob("*.toml")
        for kind in tomllib.loads(path.read_text()).values()
        for situation in kind
    ]
    known = [situation["gap"] for situation in situations if "gap" in situation]
    assert known
    assert [gap for gap in known if gap not in TOLD] == []


def test_number_of_recorded_answers_is_right() -> None:
    told = " ".join(check.against for part in PARTS for check in part.checks)
    golden = ROOT / "tests" / "golden"
    recorded = {
        name: json.loads((golden / f"{name}.json").read_text())
        for name in ("agent-0.1.37", "webhook", "kube-apiserver-1.37")
    }
    assert f"{len(recorded['agent-0.1.37']['cases'])} answers" in told
    assert f"{len(recorded['webhook']['cases'])} pods" in told
    entries = recorded["kube-apiserver-1.37"]["entries"]
    asked = sum("request" in entry for entry in entries)
    assert f"{asked} requests" in told
    assert f"of {len(entries) - asked} entries without a request" in told


def test_unknown_gap_has_no_sentence() -> None:
    assert not_emulated("real-targets.kind").startswith("Target `kind` does not exist")
    with pytest.raises(KeyError):
        not_emulated("agent.no-such-gap")
