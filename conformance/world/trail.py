"""
CloudTrail's event history: what an auditor finds who has nothing else.

Read by LookupEvents, with its one attribute at a time, so that what is found here can be
found by anybody. On a real account an event may take a quarter of an hour to be there
(CloudTrail user guide); a scenario asks for it only where it is there at once
(`Capability.TRAIL`).
"""

import json
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from conformance.errors import HarnessError
from conformance.world import looking
from conformance.world.aws_calls import client
from conformance.world.world import World


class Event(dict[str, Any]):
    """
    A record as CloudTrail delivers it, or an object in one.

    A member that is missing is empty: what is asserted about it does not hold, where a
    `KeyError` would look like trouble of ours.
    """

    def __missing__(self, member: str) -> "Event":
        return Event()


def look_up(world: World, attribute: str, value: str, *, since: datetime) -> list[Event]:
    """
    Every event with this attribute at or after `since`, oldest first.

    Attributes are LookupEvents': EventName, Username, ResourceName and so on. Raises
    `HarnessError` when CloudTrail does not answer.
    """
    aws = world.environment.aws
    pages = (
        client(aws, "cloudtrail")
        .get_paginator("lookup_events")
        .paginate(
            LookupAttributes=[{"AttributeKey": attribute, "AttributeValue": value}],
            # Events are dated to the second.
            StartTime=since.replace(microsecond=0),
        )
    )
    try:
        found: list[Event] = [
            json.loads(event["CloudTrailEvent"], object_hook=Event)
            for page in pages
            for event in page["Events"]
        ]
    except (BotoCoreError, ClientError) as error:
        raise HarnessError(
            f"CloudTrail does not tell events with {attribute} {value}",
            saw=str(error),
            try_="aws cloudtrail lookup-events",
        ) from error
    found.reverse()
    world.show("CloudTrail", looking.trail_events(f"{attribute} {value}", found))
    return found
