import asyncio
import json
import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from conformance.cluster.agent.cache import CredentialCache
from conformance.cluster.agent.interface import Settings
from conformance.cluster.agent.logs import Log
from conformance.cluster.agent.metrics import Counters
from conformance.cluster.agent.outcomes import EksAuthError, Fetched, FetchError
from tests.cluster.agent.conftest import MovedClock

HOUR = 3600.0
IRRECOVERABLE = [
    "AccessDeniedException",
    "ResourceNotFoundException",
    "ExpiredTokenException",
    "InvalidTokenException",
]
RECOVERABLE = ["InvalidParameterException", "InvalidRequestException", "ThrottlingException", ""]


class Kept:
    """A cache with EKS Auth played by a function, on a clock that tests move."""

    def __init__(self, **settings: Any) -> None:
        self.clock = MovedClock()
        self.calls = 0
        self.life = 6 * HOUR
        self.error: str | None = None
        self.held: asyncio.Event | None = None
        self.lines: list[dict[str, Any]] = []
        self.counters = Counters()
        self.log = Log(lambda line: self.lines.append(json.loads(line)), self.clock)
        self.cache = CredentialCache(
            self._fetch,
            Settings(**settings),
            waits_for_active_request=True,
            may_serve=None,
            counters=self.counters,
            clock=self.clock,
            rng=random.Random(1),  # noqa: S311 - jitter that repeats
        )

    async def _fetch(self, *_: object) -> Fetched:
        self.calls += 1
        number = self.calls
        if self.held is not None:
            await self.held.wait()
        if self.error is not None:
            raise EksAuthError(400, "id", self.error, "refused")
        expires_at = self.clock.time() + self.life
        return Fetched(f"key-{number}", "secret", "session", "1", expires_at, "a-1")

    async def ask(self, token: bytes = b"token") -> str:
        return (await self.cache.credentials(token, token, self.log)).access_key_id

    async def sweep_after(self, seconds: float) -> None:
        """Move time; a sweep may wait for its rate limit, so time goes on while it does."""
        self.clock.move(seconds)
        sweep = asyncio.create_task(self.cache.sweep())
        while not sweep.done():
            await asyncio.sleep(0)
            if self.clock.sleepers:
                self.clock.move(1 / 3)
        await sweep

    async def minutes(self, number: int) -> None:
        for _ in range(number):
            await self.sweep_after(60)


Scene = Callable[[Kept], Coroutine[None, None, None]]


def play(scene: Scene, **settings: Any) -> None:
    async def played() -> None:
        await scene(Kept(**settings))

    asyncio.run(played())


def test_entry_is_renewed_after_three_hours_and_a_minute_at_most() -> None:
    async def scene(kept: Kept) -> None:
        assert await kept.ask() == "key-1"
        await kept.minutes(180)
        assert await kept.ask() == "key-1"
        await kept.minutes(1)
        assert await kept.ask() == "key-2"
        assert kept.calls == 2
        assert 'cache_state{state="hit"} 1' in kept.counters.exposition()

    play(scene)


def test_short_credentials_are_not_renewed_early() -> None:
    async def scene(kept: Kept) -> None:
        kept.life = HOUR
        await kept.ask()
        await kept.sweep_after(HOUR - 20)
        assert (await kept.ask(), kept.calls) == ("key-1", 1)
        await kept.sweep_after(6)
        assert (await kept.ask(), kept.calls) == ("key-2", 2)

    play(scene)


@pytest.mark.parametrize("code", IRRECOVERABLE)
def test_irrecoverable_error_at_renewal_drops_the_entry(code: str) -> None:
    async def scene(kept: Kept) -> None:
        await kept.ask()
        kept.error = code
        await kept.sweep_after(60)
        assert await kept.ask() == "key-1"
        await kept.sweep_after(3 * HOUR)
        assert len(kept.cache) == 0
        with pytest.raises(FetchError, match=code):
            await kept.ask()
        assert f'code="{code}",type="NonRecoverable"}} 1' in kept.counters.exposition()

    play(scene)


@pytest.mark.parametrize("code", RECOVERABLE)
def test_other_error_keeps_the_entry_until_15_s_before_its_end(code: str) -> None:
    async def scene(kept: Kept) -> None:
        await kept.ask()
        kept.error = code
        await kept.sweep_after(6 * HOUR - 16)
        assert await kept.ask() == "key-1"
        kept.clock.move(1)
        with pytest.raises(FetchError):
            await kept.ask()

    play(scene)


def test_failed_renewal_is_tried_again_after_one_to_two_minutes() -> None:
    async def scene(kept: Kept) -> None:
        await kept.ask()
        kept.error = "InvalidRequestException"
        await kept.sweep_after(3 * HOUR + 1)
        assert kept.calls == 2
        await kept.sweep_after(59)
        assert kept.calls == 2
        await kept.sweep_after(62)
        assert kept.calls == 3

    play(scene)


def test_renewal_spends_two_tokens_of_its_rate() -> None:
    async def scene(kept: Kept) -> None:
        for number in range(12):
            await kept.ask(b"%d" % number)
        await kept.sweep_after(3 * HOUR + 1)
        assert kept.calls - 12 == 2
        limited = [line for line in kept.lines if line["msg"].startswith("Rate limited!")]
        assert len(limited) == 10

    play(scene)


def test_flag_changes_the_rate_of_renewals() -> None:
    async def scene(kept: Kept) -> None:
        for number in range(12):
            await kept.ask(b"%d" % number)
        await kept.sweep_after(3 * HOUR + 1)
        assert kept.calls - 12 == 3

    play(scene, max_service_qps=6)


def test_cache_holds_two_thousand_entries() -> None:
    async def scene(kept: Kept) -> None:
        for number in range(2001):
            await kept.ask(b"%d" % number)
        assert len(kept.cache) == 2000

    play(scene)


def test_retention_shortens_the_time_to_renewal() -> None:
    async def scene(kept: Kept) -> None:
        await kept.ask()
        await kept.minutes(1)
        assert await kept.ask() == "key-2"

    play(scene, max_credential_retention_seconds=5)


def test_written_longest_ago_overflows_first() -> None:
    async def scene(kept: Kept) -> None:
        await kept.ask(b"a")
        await kept.ask(b"b")
        await kept.ask(b"a")
        await kept.ask(b"c")
        assert kept.cache.cached(b"a", b"a") is None
        assert kept.cache.cached(b"b", b"b") is not None
        assert 'state="evicted"} 1' in kept.counters.exposition()

    play(scene, max_cache_size=2)


def test_renewal_counts_as_writing() -> None:
    async def scene(kept: Kept) -> None:
        await kept.ask(b"a")
        kept.clock.move(HOUR)
        await kept.ask(b"b")
        await kept.sweep_after(2 * HOUR + 1)
        await kept.ask(b"c")
        assert kept.cache.cached(b"a", b"a") is not None
        assert kept.cache.cached(b"b", b"b") is None

    play(scene, max_cache_size=2)


@pytest.mark.parametrize(("life", "text"), [(10, "10.00"), (15, "15.00"), (-5, "-5.00")])
def test_credentials_about_to_expire_are_not_handed_out(life: float, text: str) -> None:
    async def scene(kept: Kept) -> None:
        kept.life = life
        with pytest.raises(FetchError, match=f"within the next {text} seconds"):
            await kept.ask()

    play(scene)


def test_expired_entry_leaves_with_the_sweep() -> None:
    async def scene(kept: Kept) -> None:
        await kept.ask()
        kept.error = "ThrottlingException"
        await kept.sweep_after(6 * HOUR + 1)
        assert len(kept.cache) == 0

    play(scene)


async def together(kept: Kept, number: int) -> list[object]:
    """That many requests with one fresh token; the first is held until all have asked."""
    kept.held = asyncio.Event()
    tasks = [asyncio.create_task(kept.ask()) for _ in range(number)]
    await asyncio.sleep(0)
    kept.held.set()
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        kept.clock.move(0.2)
    return list(await asyncio.gather(*tasks, return_exceptions=True))


def test_success_is_shared() -> None:
    async def scene(kept: Kept) -> None:
        assert set(await together(kept, 100)) == {"key-1"}
        assert kept.calls == 1

    play(scene)


def test_failure_is_never_shared() -> None:
    async def scene(kept: Kept) -> None:
        kept.error = "AccessDeniedException"
        answers = await together(kept, 100)
        assert all(isinstance(answer, FetchError) for answer in answers)
        assert kept.calls == 100

    play(scene)


def test_waiting_ends_after_nine_looks() -> None:
    async def scene(kept: Kept) -> None:
        kept.held = asyncio.Event()
        first, second = (asyncio.create_task(kept.ask()) for _ in range(2))
        for looks in range(9):
            await asyncio.sleep(0)
            assert kept.calls == 1, looks
            kept.clock.move(0.2)
        await asyncio.sleep(0)
        assert kept.calls == 2
        kept.held.set()
        assert {await first, await second} == {"key-1", "key-2"}

    play(scene)
