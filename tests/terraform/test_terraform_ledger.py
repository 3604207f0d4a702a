from dataclasses import replace
from pathlib import Path

from conformance.terraform.ledger import Entry, Ledger

ENTRY = Entry("/w/one", "aws", "r1", "cf-one", "111122223333", "eu-west-1", "http://127.0.0.1:1")
OTHER = replace(ENTRY, workspace="/w/two", name="cf-two")


def test_what_was_not_destroyed_is_left(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "deep" / "ledger.ndjson")
    ledger.intend(ENTRY)
    ledger.intend(OTHER)
    ledger.destroyed(ENTRY.workspace)

    assert ledger.left() == [OTHER]


def test_twice_is_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.ndjson")
    ledger.intend(ENTRY)
    ledger.intend(ENTRY)

    assert ledger.left() == [ENTRY]


def test_nothing_is_left_of_nothing(tmp_path: Path) -> None:
    assert Ledger(tmp_path / "ledger.ndjson").left() == []


def test_destroying_what_was_never_meant_is_no_error(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.ndjson")
    ledger.destroyed("/w/one")

    assert ledger.left() == []


def test_a_line_cut_off_by_a_kill_is_passed_over(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.ndjson")
    ledger.intend(ENTRY)
    with ledger.path.open("a") as file:
        file.write('{"at": "2026-01-')

    assert ledger.left() == [ENTRY]


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.ndjson")
    ledger.intend(ENTRY)

    assert ledger.path.stat().st_mode & 0o077 == 0
