from datetime import UTC, datetime, timedelta
from typing import Any

from conformance.emulator.audit import Event, Trail, event

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def _event(name: str, *, at: datetime = NOON, management: bool = True, **changed: Any) -> Event:
    record = {
        "eventID": name,
        "eventName": name,
        "eventSource": "eks.amazonaws.com",
        "awsRegion": "eu-west-1",
        "recipientAccountId": "1",
        "readOnly": True,
        "managementEvent": management,
        "userIdentity": {},
    }
    return event(record | changed, at)


def _names(records: list[dict[str, Any]]) -> list[str]:
    return [record["eventName"] for record in records]


def test_only_the_newest_are_kept() -> None:
    trail = Trail(kept=2)
    trail.add(*(_event(name) for name in "abc"))
    assert _names(trail.since()) == ["b", "c"]


def test_reads_of_data_push_no_management_event_out() -> None:
    trail = Trail(kept=2)
    trail.add(_event("management"))
    trail.add(*(_event(name, management=False) for name in "abc"))
    assert _names(trail.since()) == ["management", "b", "c"]


def test_since_is_inclusive_and_in_order() -> None:
    trail = Trail()
    for offset, management in ((-1, True), (0, False), (1, True)):
        trail.add(_event(str(offset), at=NOON + timedelta(seconds=offset), management=management))
    assert _names(trail.since(NOON)) == ["0", "1"]


def test_history_is_of_one_account_and_region_newest_first_without_data() -> None:
    trail = Trail()
    trail.add(
        _event("old"),
        _event("new"),
        _event("data", management=False),
        _event("their", recipientAccountId="2"),
        _event("elsewhere", awsRegion="us-east-1"),
    )
    assert [found.name for found in trail.management("1", "eu-west-1")] == ["new", "old"]
