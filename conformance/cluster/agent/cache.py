"""
Credentials kept for the pods of a node, and renewed behind their backs.

What a changed or deleted association does to a running pod is decided here: an
entry is renewed in a sweep once a minute and only when it is due, and only four
of EKS Auth's errors drop it. Everything else keeps the old credentials until 15 s
before they expire. Successes are shared between callers, failures never are.

Sources: eks-pod-identity-agent internal/credsretriever/refreshing_cache.go and
internal/cache/expiring (0.1.37); the numbers were observed.
"""

import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from conformance.cluster.agent.clock import Clock
from conformance.cluster.agent.connections import HandlerPanicError
from conformance.cluster.agent.interface import Settings
from conformance.cluster.agent.logs import Log
from conformance.cluster.agent.metrics import CACHE_ERRORS, CACHE_STATE, Counters
from conformance.cluster.agent.outcomes import IRRECOVERABLE, Fetched, FetchError
from conformance.cluster.agent.rates import TokenBucket

SWEEP_SECONDS = 60.0
SHORTEST_LIFE_SECONDS = 15.0
RETRY_SECONDS = 60.0
RETRY_JITTER_SECONDS = 60.0
WAIT_SECONDS = 0.2
WAITS = 9

Fetch = Callable[[bytes, Log], Awaitable[Fetched]]
MayServe = Callable[["Entry", bytes, Log], Awaitable[bool]]
"""Whether an entry that another token brought may be served to this token."""


@dataclass(frozen=True, repr=False)
class Entry:
    """Has no repr: it is secret."""

    fetched: Fetched
    token: bytes
    refresh_at: float
    expires_at: float
    log: Log
    """Of the request that brought the entry; renewals write with its fields."""


class CredentialCache:
    """The cache of one listener; keys are chosen by the caller."""

    def __init__(
        self,
        fetch: Fetch,
        settings: Settings,
        *,
        waits_for_active_request: bool,
        may_serve: MayServe | None,
        counters: Counters,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._fetch = fetch
        self._settings = settings
        self._waits = WAITS if waits_for_active_request else 0
        self._may_serve = may_serve
        self._counters = counters
        self._clock = clock
        self._rng = rng
        self._limiter = TokenBucket(settings.max_service_qps, settings.max_service_qps, clock)
        self._entries: OrderedDict[str | bytes, Entry] = OrderedDict()
        self._active: set[str | bytes] = set()

    def __len__(self) -> int:
        return len(self._entries)

    def cached(self, key: str | bytes, token: bytes | None) -> Fetched | None:
        """What can be served without asking anyone; `token` None: whoever brought it."""
        entry = self._usable(key)
        if entry is None or (token is not None and entry.token != token):
            return None
        return entry.fetched

    async def credentials(self, key: str | bytes, token: bytes, log: Log) -> Fetched:
        """From the cache, from a request under way, or from EKS Auth; raises `FetchError`."""
        active = key if key == "" else token
        for attempt in range(self._waits + 1):
            entry = self._usable(key)
            if entry is not None and await self._serves(key, entry, token, log):
                return entry.fetched
            if active not in self._active:
                break
            if attempt:
                log.info(f"Waiting for active request with {attempt} tries")
            if attempt < self._waits:
                await self._clock.sleep(WAIT_SECONDS)
        self._active.add(active)
        self._counters.count(CACHE_STATE, "miss")
        try:
            return await self._fetch_and_store(key, token, log)
        finally:
            self._active.discard(active)

    async def sweep(self) -> None:
        """Renew what is due, one by one; then drop what has expired."""
        now = self._clock.time()
        for key, entry in [item for item in self._entries.items() if now > item[1].refresh_at]:
            await self._renew(key, entry)
        for key in [key for key, entry in self._entries.items() if now > entry.expires_at]:
            self._evict(key)

    def _usable(self, key: str | bytes) -> Entry | None:
        entry = self._entries.get(key)
        now = self._clock.time()
        if entry is None or now > entry.expires_at:
            return None
        if entry.fetched.expires_at - now <= SHORTEST_LIFE_SECONDS:
            entry.log.info(
                "Identified that entry in cache contains credentials with small ttl or invalid "
                "ttl, will be deleted"
            )
            self._evict(key)
            return None
        return entry

    async def _serves(self, key: str | bytes, entry: Entry, token: bytes, log: Log) -> bool:
        if entry.token == token or self._may_serve is None:
            return True
        if not await self._may_serve(entry, token, log):
            return False
        if self._entries.get(key) is entry:
            self._entries[key] = replace(entry, token=token)
        return True

    async def _fetch_and_store(self, key: str | bytes, token: bytes, log: Log) -> Fetched:
        fetched = await self._fetch(token, log)
        life = fetched.expires_at - self._clock.time()
        if life <= SHORTEST_LIFE_SECONDS:
            text = "fetched credentials are expired or will expire within the next "
            raise FetchError(500, f"{text}{life:.2f} seconds")
        refresh = min(life, self._settings.max_credential_retention_seconds)
        log.info("Storing creds in cache", refreshTtl=int(refresh * 1e9))
        kept = log.having({"association-id": fetched.association_id})
        now = self._clock.time()
        self._store(key, Entry(fetched, token, now + refresh, now + life, kept))
        return fetched

    def _store(self, key: str | bytes, entry: Entry) -> None:
        self._entries[key] = entry
        # Reads do not count: what overflows is what was written longest ago.
        self._entries.move_to_end(key)
        if len(self._entries) > self._settings.max_cache_size:
            self._evict(next(iter(self._entries)))

    def _evict(self, key: str | bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            entry.log.info("Credentials evicted")
            self._counters.count(CACHE_STATE, "evicted")

    async def _renew(self, key: str | bytes, entry: Entry) -> None:
        log = entry.log.having({"from": "renewal-thread"})
        if self._limiter.allow():
            # A second token: the real agent asks twice, so that 3 a second renew 2 a sweep.
            await self._limiter.wait()
            try:
                await self._fetch_and_store(key, entry.token, log)
            except FetchError as error:
                if error.code in IRRECOVERABLE:
                    log.info(
                        "Removing credentials from cache, got non recoverable error: "
                        f"error getting credentials to cache: {error.cause}"
                    )
                    self._counters.count(CACHE_ERRORS, error.code, "NonRecoverable")
                    self._evict(key)
                    return
                self._counters.count(CACHE_ERRORS, error.code, "Recoverable")
                log.info(
                    "Could not renew, will try to keep existing creds. Error is recoverable: "
                    f"error getting credentials to cache: {error.cause}"
                )
            except HandlerPanicError as error:
                # The real agent's process ends here and is started again; ours keeps serving.
                log.error(f"Could not renew: {error}")
            else:
                self._counters.count(CACHE_STATE, "hit")
                return
        else:
            log.info("Rate limited! Will try to keep creds locally")
        self._keep(key, entry, log)

    def _keep(self, key: str | bytes, entry: Entry, log: Log) -> None:
        life = entry.fetched.expires_at - self._clock.time()
        if life <= SHORTEST_LIFE_SECONDS:
            log.info("Evicting credentials since they are too old")
            return
        retry = min(life, RETRY_SECONDS + self._rng.random() * RETRY_JITTER_SECONDS)
        log.info(
            f"Credentials still valid for at least {life:.2f}s, "
            "keeping them will try again after ttl expires",
            ttl=int(retry * 1e9),
        )
        now = self._clock.time()
        self._store(key, replace(entry, refresh_at=now + retry, expires_at=now + life))
