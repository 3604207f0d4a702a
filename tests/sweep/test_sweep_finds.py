from datetime import UTC, datetime, timedelta

import pytest

from conformance.sweep.finds import TAG, Claim, Found

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
CLAIM = Claim("r1", {("bucket", "pi-r1-0000-data"): NOW}, frozenset({"mine"}))


def found(kind: str, name: str, made: datetime | None = NOW, **tags: str) -> Found:
    return Found(kind, name, {key.replace("__", ":"): value for key, value in tags.items()}, made)


@pytest.mark.parametrize(
    "thing",
    [
        found("role", "whatever", conformance__run="r1"),
        found("bucket", "pi-r1-0000-data"),
        found("bucket", "pi-r1-0000-data", NOW + timedelta(hours=1)),
        found("bucket", "pi-r1-0000-data", NOW - timedelta(days=1), conformance__run="r1"),
        found("cluster", "mine", conformance__run="r1"),
        found("node group", "mine/nodes", conformance__run="r1"),
    ],
)
def test_what_tag_or_ledger_names_is_ours(thing: Found) -> None:
    assert CLAIM.covers(thing)


@pytest.mark.parametrize(
    "thing",
    [
        found("role", "pi-r1-0000-reader"),
        found("role", "pi-r1-0000-reader", conformance__run="r2"),
        found("role", "pi-r1-0000-reader", conformance__runs="r1"),
        found("bucket", "pi-r1-0000-other"),
        found("bucket", "pi-r1-0000-data-2"),
        found("bucket", "pi-r1-0000-data", NOW - timedelta(seconds=1)),
        found("bucket", "pi-r1-0000-data", None),
        found("bucket", "pi-r1-0000-data", team="payments"),
        found("queue", "pi-r1-0000-data"),
        found("cluster", "theirs", conformance__run="r1"),
        found("cluster", "mine"),
        found("node group", "theirs/mine", conformance__run="r1"),
    ],
)
def test_a_name_alone_proves_nothing(thing: Found) -> None:
    assert not CLAIM.covers(thing)


def test_a_cluster_that_only_its_tag_names_stays_and_is_told_of() -> None:
    theirs = found("cluster", "theirs", conformance__run="r1")
    assert CLAIM.spares(theirs)
    assert not CLAIM.spares(found("cluster", "mine", conformance__run="r1"))
    assert not CLAIM.spares(found("cluster", "theirs", conformance__run="r2"))


def test_the_run_of_a_thing_is_its_tag() -> None:
    assert found("role", "x", conformance__run="r7").run == "r7"
    assert Found("role", "x", {TAG.upper(): "r7"}, NOW).run is None
