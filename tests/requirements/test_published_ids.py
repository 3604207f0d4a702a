from pathlib import Path

from conformance.requirements import catalogue

LINES = (Path(__file__).parent / "published_ids.txt").read_text(encoding="utf-8").splitlines()
IDS = [line.partition(" ")[0] for line in LINES if line and not line.startswith("#")]
RETIRED = {line.partition(" ")[0] for line in LINES if line.endswith(" retired")}


def test_no_id_was_renamed_or_dropped() -> None:
    assert set(IDS) - RETIRED <= set(catalogue())


def test_new_id_is_written_down() -> None:
    assert set(catalogue()) <= set(IDS)


def test_retired_id_is_never_used_again() -> None:
    assert not RETIRED & set(catalogue())


def test_ids_are_sorted_and_there_once() -> None:
    assert sorted(set(IDS)) == IDS
