import asyncio
import time

import pytest

from conformance.cluster.agent.clock import SystemClock
from conformance.cluster.agent.tokens import Token, TokenRefusedError, check_dates


def test_clock_that_is_behind_sees_tokens_that_are_not_valid_yet() -> None:
    clock = SystemClock()
    made_now = Token(time.time() + 3600, time.time(), "u-1", "")
    check_dates(made_now, clock.time())

    clock.ahead = -5
    with pytest.raises(TokenRefusedError, match="not valid yet"):
        check_dates(made_now, clock.time())


def test_clock_that_is_ahead_sees_tokens_that_are_expired() -> None:
    clock = SystemClock()
    clock.ahead = 7200

    with pytest.raises(TokenRefusedError, match="expired"):
        check_dates(Token(time.time() + 3600, time.time(), "u-1", ""), clock.time())


def test_who_sleeps_while_an_hour_passes_at_once_has_slept_for_an_hour() -> None:
    async def wakes() -> None:
        clock = SystemClock()
        sleeper = asyncio.create_task(clock.sleep(3600))
        for elapsed in (1800, 0):
            await asyncio.sleep(0)
            clock.elapse(elapsed)
        assert not sleeper.done()

        clock.elapse(1801)
        await asyncio.wait_for(sleeper, 5)

    asyncio.run(wakes())


def test_hours_that_passed_are_on_the_clock_and_can_be_taken_back() -> None:
    clock = SystemClock()
    clock.elapse(3600)
    assert clock.time() - time.time() > 3599

    clock.elapse(0)
    assert clock.time() - time.time() < 1


def test_sleep_is_real_where_nothing_is_changed() -> None:
    began = time.monotonic()
    asyncio.run(SystemClock().sleep(0.05))

    assert time.monotonic() - began >= 0.05
