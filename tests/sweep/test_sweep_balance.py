"""The books: what the ledger says of a world, and what a report makes of it."""

from pathlib import Path
from typing import Any

import pytest

from conformance.events import (
    EventLog,
    LedgerBalance,
    RunFinished,
    RunStarted,
    read_events,
)
from conformance.reports import judge
from conformance.reports.as_html import as_html
from conformance.reports.as_junit import as_junit
from conformance.reports.as_text import as_text
from conformance.run.lifecycle import log_balance
from conformance.sweep.balance import RunBalance, Swept
from conformance.terraform.ledger import Book, Books, Ledger, names_of, tags_of
from conformance.terraform.messages import Progress
from tests.sweep.conftest import MakeRun

ROLE = 'aws_iam_role.this["reader"]'


def book(*steps: str) -> Book:
    """From `create planned`, `delete finished` and so on, all of one role."""
    taken = Book()
    for step in steps:
        action, state = step.split()
        taken.take(action, state, ROLE)
    return taken


def numbers(taken: Book) -> tuple[int, int, int]:
    return taken.intended, taken.created, taken.destroyed


MADE = ("create planned", "create started", "create finished")
GONE = ("delete started", "delete finished")


@pytest.mark.parametrize(
    ("steps", "expected", "left"),
    [
        (MADE, (1, 1, 0), {ROLE: True}),
        ((*MADE, *GONE), (1, 1, 1), {}),
        (MADE[:1], (1, 0, 0), {}),
        (MADE[:2], (1, 0, 0), {ROLE: False}),
        # Half made, then destroyed by its state: it had been there.
        ((*MADE[:2], "create failed", *GONE), (1, 1, 1), {}),
        ((*MADE[:2], "create failed"), (1, 0, 0), {ROLE: False}),
        # Planned again after a failure is no second intent.
        ((*MADE[:2], "create failed", *MADE), (1, 1, 0), {ROLE: True}),
        # Replaced: a second one is intended, made and destroyed.
        ((*MADE, "create planned", *GONE, *MADE[1:]), (2, 2, 1), {ROLE: True}),
        ((*MADE, "update started", "update finished"), (1, 1, 0), {ROLE: True}),
        ((*MADE, "delete started"), (1, 1, 0), {ROLE: True}),
    ],
)
def test_a_book_counts_what_was_seen(
    steps: Any, expected: tuple[int, int, int], left: dict[str, bool]
) -> None:
    taken = book(*steps)
    assert numbers(taken) == expected
    assert taken.there == left


def test_a_creation_whose_end_nobody_saw_is_left(make_run: MakeRun) -> None:
    ledger = make_run("b1")
    workspace = ledger.left()[0].workspace
    ledger.step(workspace, Progress(ROLE, "create", "started", 0))
    (world,) = ledger.read().open
    assert world.left == [f"{ROLE} (its creation began)"]


def test_an_open_world_is_never_said_to_be_empty(make_run: MakeRun) -> None:
    (world,) = make_run("b2").read().open
    assert world.left == ["nobody saw whether anything was made"]


def test_a_cut_off_line_swallows_none_that_follows(make_run: MakeRun) -> None:
    ledger = make_run("b3")
    with ledger.path.open("a") as file:
        file.write('{"at": "2026-')
    ledger.destroyed(ledger.left()[0].workspace)
    assert ledger.left() == []


def test_lines_of_a_later_version_are_read(make_run: MakeRun) -> None:
    ledger = make_run("b4")
    text = ledger.path.read_text()
    ledger.path.write_text(text.replace('"root": "aws"', '"root": "aws", "new": 1'))
    assert [entry.run for entry in ledger.left()] == ["b4"]


def test_names_are_those_that_aws_will_have() -> None:
    variables = {
        "prefix": "pi-r1-0000",
        "tags": {"conformance:run": "r1"},
        "run": "r1",
        "roles": {"reader": {}},
        "buckets": {"data": {}},
        "tables": {},
        "addons": {"coredns": {}},
        "associations": {"dev/reader": {"namespace": "dev-r1", "service_account": "reader"}},
    }
    assert names_of(variables) == {
        "roles": ["pi-r1-0000-reader"],
        "buckets": ["pi-r1-0000-data"],
        "addons": ["coredns"],
        "associations": ["dev-r1/reader"],
    }
    assert tags_of(variables) == {"conformance:run": "r1"}


def test_what_was_destroyed_unrecorded_was_created() -> None:
    balance = RunBalance("r1")
    balance.count(Books(), set(), gone=3, left=1)
    assert (balance.created, balance.destroyed) == (4, 3)


def test_nobody_could_look_is_not_clean() -> None:
    assert Swept(dry_run=False).clean
    assert not Swept(dry_run=False, trouble=["cannot look for table"]).clean
    assert not Swept(dry_run=False, runs=[RunBalance("r1", left=["role x"])]).clean


def events(folder: Path, *balances: LedgerBalance) -> Any:
    log = EventLog(folder / "events-main.ndjson")
    said = dict.fromkeys(("suite_version", "target", "stack", "provider", "command"), "")
    log.append(
        RunStarted.model_validate({"run": "r1", "seed": 1, "faults": [], "profile": "full", **said})
    )
    for balance in balances:
        log.append(balance)
    log.append(RunFinished(exit_code=0, interrupted=False, seconds=1))
    return judge(read_events(folder))


def balance(**changes: Any) -> LedgerBalance:
    told = {"world": "one", "intended": 3, "created": 3, "destroyed": 3, "left": [], **changes}
    return LedgerBalance(**told)


def test_leftovers_make_a_run_exit_3_and_are_said_everywhere(tmp_path: Path) -> None:
    report = events(tmp_path, balance(destroyed=2, left=[ROLE]))
    assert report.exit_code == 3
    assert report.trouble[0].where == "left behind by one"
    assert "conformance sweep --run r1" in report.trouble[0].message
    text = as_text(report)
    assert ROLE in text
    assert "resources: 3 intended, 3 created, 2 destroyed, 1 left" in text
    assert "aws_iam_role.this" in as_html(report)
    assert "left behind by one" in as_junit(report)


def test_a_balanced_run_says_so(tmp_path: Path) -> None:
    report = events(tmp_path, balance(), balance(world="two"))
    assert report.trouble == []
    assert "resources: 6 intended, 6 created, 6 destroyed, none left" in as_text(report)


def test_of_two_balances_of_a_world_the_last_counts(tmp_path: Path) -> None:
    report = events(tmp_path, balance(left=[ROLE]), balance())
    assert [world.world for world in report.ledger] == ["one"]
    assert report.trouble == []


def test_the_books_of_a_run_become_events(make_run: MakeRun) -> None:
    ledger = make_run("b5", endpoint=None)
    log = EventLog(ledger.path.parent / "events-main.ndjson")
    log_balance(ledger.path.parent, log)
    (event,) = read_events(ledger.path.parent)
    assert isinstance(event, LedgerBalance)
    assert event.left == ["nobody saw whether anything was made"]


def test_worlds_of_an_environment_that_has_gone_went_with_it(make_run: MakeRun) -> None:
    ledger = make_run("b6", account_id="000000000000")
    workspace = ledger.left()[0].workspace
    for state in ("planned", "started", "finished"):
        ledger.step(workspace, Progress(ROLE, "create", state, 0))
    log_balance(ledger.path.parent, EventLog(ledger.path.parent / "events-main.ndjson"))
    (event,) = read_events(ledger.path.parent)
    assert isinstance(event, LedgerBalance)
    assert (event.created, event.destroyed, event.left) == (1, 1, [])
    assert Ledger(ledger.path).left() == []
