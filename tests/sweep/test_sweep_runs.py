from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from conformance.processes import Stamp
from conformance.sweep.runs import Life, Place, known_runs, old_enough, reach
from tests.sweep.conftest import MakeRun, stamp_elsewhere


def life(reports: Path) -> Life:
    (run,) = known_runs(reports)
    return run.life


def test_a_run_whose_processes_have_ended_is_over(make_run: MakeRun, tmp_path: Path) -> None:
    make_run("r1")
    assert life(tmp_path / "reports") is Life.OVER


def test_one_living_process_keeps_a_run_alive(make_run: MakeRun, tmp_path: Path) -> None:
    make_run("r1")
    make_run("r1", writer=Stamp.own())
    assert life(tmp_path / "reports") is Life.LIVING


def test_of_another_machine_nobody_here_knows(make_run: MakeRun, tmp_path: Path) -> None:
    make_run("r1", writer=stamp_elsewhere())
    assert life(tmp_path / "reports") is Life.UNKNOWN


def test_what_was_kept_is_kept(make_run: MakeRun, tmp_path: Path) -> None:
    make_run("r1").keep()
    assert life(tmp_path / "reports") is Life.KEPT


def test_the_link_to_the_latest_run_is_no_second_run(make_run: MakeRun, tmp_path: Path) -> None:
    make_run("r1")
    (tmp_path / "reports" / "latest").symlink_to("r1")
    assert [run.id for run in known_runs(tmp_path / "reports")] == ["r1"]


def test_an_empty_ledger_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "r1").mkdir()
    (tmp_path / "r1" / "ledger.ndjson").touch()
    assert known_runs(tmp_path) == []


@pytest.mark.parametrize(
    ("hours", "older_than", "old"), [(7, 6, True), (5, 6, False), (0, None, True), (None, 6, False)]
)
def test_age_is_that_of_the_last_thing_known(
    hours: int | None, older_than: int | None, old: bool
) -> None:
    last = None if hours is None else datetime.now(UTC) - timedelta(hours=hours)
    assert old_enough(last, None if older_than is None else timedelta(hours=older_than)) is old


def test_buckets_of_the_ledger_are_claimed_from_the_moment_of_intent(
    make_run: MakeRun, tmp_path: Path
) -> None:
    names = {"buckets": ["pi-r1-0000-data"], "roles": ["pi-r1-0000-reader"]}
    make_run("r1", names=names)
    (run,) = known_runs(tmp_path / "reports")
    claim = run.claim(run.books.open)
    began = run.books.open[0].began
    assert claim.untagged == {("bucket", "pi-r1-0000-data"): began - timedelta(seconds=1)}
    assert claim.clusters == frozenset()


def test_a_root_without_cluster_of_its_own_makes_one(make_run: MakeRun, tmp_path: Path) -> None:
    make_run("r1", cluster="", name="certify-r1")
    (run,) = known_runs(tmp_path / "reports")
    assert run.claim(run.books.open).clusters == {"certify-r1"}


def test_an_emulated_account_goes_with_its_environment(make_run: MakeRun, tmp_path: Path) -> None:
    entry = make_run("r1", environment=str(tmp_path / "gone" / "environment.json")).left()[0]
    assert reach(Place.of(entry), [entry]) is None


def test_a_real_account_needs_no_environment(make_run: MakeRun) -> None:
    ledger = make_run("r1", endpoint=None, other_account="222233334444", other_profile="second")
    entry = ledger.left()[0]
    reached: Any = reach(Place.of(entry), [entry])
    assert (reached.aws.endpoint, reached.environment) == (None, None)
    assert reached.aws.other.profile == "second"


def test_work_folders_are_found_after_the_reports_were_moved(
    make_run: MakeRun, tmp_path: Path
) -> None:
    make_run("r1")
    moved = tmp_path / "moved"
    (tmp_path / "reports").rename(moved)
    (run,) = known_runs(moved)
    assert run.folder_of(run.books.open[0].entry) == moved / "r1" / "worlds" / "one"
