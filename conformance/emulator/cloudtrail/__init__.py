"""
CloudTrail: what it records of each call, and LookupEvents to read it.

`calls` makes the event of a call that was served, `assumptions` that of a session which
a service asked for; `audit.Trail` keeps them. Only the event history is emulated: there
are no trails that deliver to buckets, so data events are read by the admin API.
"""

from conformance.emulator.cloudtrail.lookup import handle

__all__ = ["handle"]
