"""
The trail: what CloudTrail would have recorded, kept and looked up.

Evidence on a real account comes from CloudTrail, so the emulated one has it in the same
shape, and a scenario reads both alike. Here events are kept; what they say is made in
`cloudtrail`. The trap: a trail is the first thing that people copy into a ticket. It
holds access key ids, as CloudTrail's does, and never a token, a secret key or a session
token; those are left out where the event is made, not where it is read.
"""

import heapq
import itertools
import json
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

KEPT = 10_000
"""Of management events and of data events each: many reads of S3 push no call of EKS out."""


@dataclass(frozen=True)
class Event:
    """One event, as CloudTrail's JSON and with what it can be looked up by."""

    text: str
    """CloudTrail's record; text, because a dictionary needs five times the memory."""
    id: str
    name: str
    source: str
    at: datetime
    account: str
    """Whose trail it is in: `recipientAccountId`."""
    region: str
    read_only: bool
    management: bool
    username: str = ""
    """Of a role's session the session's name; empty for AWS services."""
    access_key_id: str = ""
    resources: tuple[tuple[str, str], ...] = ()
    """Type and name, as LookupEvents lists them; more than the record's `resources`."""
    number: int = field(default_factory=itertools.count(1).__next__)
    """Grows with every event; the newer of two has the larger."""

    @property
    def record(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(self.text)
        return read


def event(
    record: Mapping[str, Any],
    at: datetime,
    *,
    username: str = "",
    resources: tuple[tuple[str, str], ...] = (),
) -> Event:
    """The event of a record; `at` is its eventTime before that was cut to seconds."""
    return Event(
        text=json.dumps(record, separators=(",", ":")),
        id=record["eventID"],
        name=record["eventName"],
        source=record["eventSource"],
        at=at,
        account=record["recipientAccountId"],
        region=record["awsRegion"],
        read_only=record["readOnly"],
        management=record["managementEvent"],
        username=username,
        access_key_id=record["userIdentity"].get("accessKeyId", ""),
        resources=resources,
    )


class Trail:
    """The newest events of every account and region."""

    def __init__(self, kept: int = KEPT) -> None:
        self._management: deque[Event] = deque(maxlen=kept)
        self._data: deque[Event] = deque(maxlen=kept)

    def add(self, *events: Event) -> None:
        for made in events:
            (self._management if made.management else self._data).append(made)

    def since(self, moment: datetime | None = None) -> list[dict[str, Any]]:
        """Records at or after `moment` (aware), oldest first, data events among them."""
        kept = heapq.merge(self._management, self._data, key=lambda made: made.number)
        return [made.record for made in kept if moment is None or made.at >= moment]

    def management(self, account: str, region: str) -> Iterator[Event]:
        """
        Newest first: CloudTrail's event history of one account and region.

        It has no data events (CloudTrail user guide, "Working with CloudTrail event
        history"); those go to trails only.
        """
        for made in reversed(self._management):
            if made.account == account and made.region == region:
                yield made
