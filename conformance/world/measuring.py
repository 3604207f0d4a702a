"""
How long something takes, as a distribution: a promise about time is about the slow ones, too.

One measurement says how it went once. So the median and the 99th percentile of several go
into the report, each with the bound that the promise names. The trap is to measure oneself:
each change is asked about from the moment it was answered, and not when others have been
made as well.
"""

import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from conformance.events import Event, EventLog, Waited
from conformance.world.waiting import eventually

PERCENTILES = (50, 99)
AT_ONCE = 5
"""Measured side by side where each takes seconds: 20 of them are half a minute then."""


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that so many per cent are not above (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def times_until(
    what: str,
    names: Sequence[str],
    change: Callable[[str], object],
    so: Callable[[str], object],
    *,
    within: timedelta,
    at_once: int,
    consecutive: int,
    log: EventLog,
) -> dict[str, float]:
    """
    Seconds from each name's change until `so` is true of it, `at_once` of them at a time.

    What is not so within the bound is an `AssertionError`, as in `eventually`, and nobody is
    changed any more; the percentiles of the others are in the report even then.
    """
    took: dict[str, float] = {}
    broken = threading.Event()

    def measure(name: str) -> None:
        if broken.is_set():
            return
        try:
            took[name] = seconds(name)
        except BaseException:
            broken.set()
            raise

    def seconds(name: str) -> float:
        waits: list[Event] = []
        # One wait for each is not for the report: its percentiles are.
        own = EventLog(None)
        own.listeners.append(waits.append)
        change(name)
        eventually(what, lambda: so(name), within=within, consecutive=consecutive, log=own)
        return next(wait.used_seconds for wait in waits if isinstance(wait, Waited))

    try:
        with ThreadPoolExecutor(at_once) as pool:
            for measured in [pool.submit(measure, name) for name in names]:
                measured.result()
    finally:
        for percent in PERCENTILES if took else ():
            log.append(
                Waited(
                    what=f"{what}: p{percent} of {len(took)}",
                    bound_seconds=within.total_seconds(),
                    used_seconds=percentile(list(took.values()), percent),
                    attempts=len(took),
                    ok=len(took) == len(names),
                    last_seen="",
                    consecutive=consecutive,
                )
            )
    return took
