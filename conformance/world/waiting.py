"""
Waiting for the world to catch up.

Associations are eventually consistent, so a scenario may have to ask twice. It
must still never sleep: it says what it waits for and how long that may take, and
the report says how much of it was used. One good answer is not enough: behind an
API stand several machines, and the next question may go to one that has not heard.
"""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from conformance.events import EventLog, Waited

T = TypeVar("T")

FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 2.0
CONSECUTIVE = 3
"""Good answers in a row that make a change effective."""
ONCE = 1
"""
Of what is not true for one machine only: what a pod's log has said it has said, what is gone is
gone, and a refusal that a pod was given is what its scenario asserts, whatever the next one gets.
"""


def eventually(
    what: str,
    ask: Callable[[], T],
    *,
    within: timedelta,
    log: EventLog,
    consecutive: int = CONSECUTIVE,
) -> T:
    """
    Ask until the answer is true `consecutive` times in a row; returns the last answer.

    `within` is for the first of them; what follows confirms it and may take longer. An
    `AssertionError` from `ask` means "not yet", as a false answer does. Pauses double from
    20 ms to 2 s and are short after a good answer. When `within` is over, what was seen last
    is raised: the assertion itself, or one that tells the last answer. A promise about time
    was broken.
    """
    began = time.monotonic()
    bound = within.total_seconds()
    pause = FIRST_PAUSE_SECONDS
    attempts = in_a_row = 0
    used = first = 0.0
    tick = threading.Event()
    while True:
        broken: AssertionError | None = None
        answer: T | None = None
        try:
            answer = ask()
        except AssertionError as error:
            broken = error
        attempts += 1
        used = time.monotonic() - began
        in_a_row = in_a_row + 1 if answer else 0
        if in_a_row == 1:
            first = used
        ok = in_a_row >= consecutive
        # A row of good answers that has begun is seen to its end.
        if ok or (not in_a_row and used >= bound):
            log.append(
                Waited(
                    what=what,
                    bound_seconds=bound,
                    used_seconds=first if ok else used,
                    attempts=attempts,
                    ok=ok,
                    last_seen=str(broken or answer)[:200],
                    consecutive=consecutive,
                )
            )
            if ok and answer is not None:
                return answer
            raise broken or AssertionError(
                f"{what}: not within {bound:g} s, asked {attempts} times; last: {answer!r}"
            )
        if in_a_row:
            pause = FIRST_PAUSE_SECONDS
            tick.wait(FIRST_PAUSE_SECONDS)
        else:
            tick.wait(min(pause, bound - used))
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
