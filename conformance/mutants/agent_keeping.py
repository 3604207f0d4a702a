"""Agents that forget whose credentials they keep, or for how long, or ask again and again."""

from functools import partial

from conformance.mutants.model import Mutant, Part

_agent = partial(Mutant, part=Part.AGENT)
_handler = partial(_agent, module="cluster.agent.credentials")
_cache = partial(_agent, module="cluster.agent.cache")
_outcomes = partial(_agent, module="cluster.agent.outcomes")
_local = partial(_agent, broken="agent.cache.rotated.local", agent_version="0.2.1")

MUTANTS = (
    _agent(
        "agent-one-cache-for-both-addresses",
        module="cluster.agent.agent",
        old="""        for listener in self._listeners:
            handler = self._handler(self._eks_auth)
""",
        new="""        handler = self._handler(self._eks_auth)
        for listener in self._listeners:
""",
        broken="agent.cache.per-address",
        because="what was fetched at one address is answered at the other",
    ),
    _handler(
        "agent-cache-key-is-the-header",
        old='return f"pod/{token.pod_uid}" if by_pod else raw',
        new='return raw.partition(b".")[0]',
        broken="agent.cache.per-pod",
        because="all tokens of one signing key share one entry of the cache",
    ),
    _cache(
        "agent-keeps-nothing",
        old="if entry is None or now > entry.expires_at:",
        new="if True:",
        broken="agent.cache",
        because="every request is a call to EKS Auth",
    ),
    _agent(
        "agent-does-not-wait",
        module="cluster.agent.profiles",
        old='AgentProfile("0.1.37", CacheKey.TOKEN, True, 1.0, True)',
        new='AgentProfile("0.1.37", CacheKey.TOKEN, True, 1.0, False)',
        broken="agent.cache.one-call",
        because="requests that come at once are as many calls to EKS Auth",
    ),
    _handler(
        "agent-keeps-refusals",
        old="fetched = await cache.credentials(key, raw, log)",
        new="""refused = self.__dict__.setdefault("refused", {})
                if key in refused:
                    raise refused[key]
                try:
                    fetched = await cache.credentials(key, raw, log)
                except FetchError as error:
                    refused[key] = error
                    raise""",
        broken="agent.cache.refusals",
        because="a token that was refused once is refused for ever",
    ),
    _handler(
        "agent-cache-key-has-the-query",
        old="key = self._key(raw, token)",
        new="key = self._key(raw + request.query.encode(), token)",
        broken="agent.query",
        because="the same token with another query is another pod",
    ),
    _cache(
        "agent-counts-no-misses",
        old='self._counters.count(CACHE_STATE, "miss")',
        new='self._counters.count(CACHE_STATE, "new")',
        broken="agent.metrics.miss",
        because="dashboards do not find how often EKS Auth was asked",
    ),
    _cache(
        "agent-no-margin",
        old="SHORTEST_LIFE_SECONDS = 15.0",
        new="SHORTEST_LIFE_SECONDS = 1.0",
        broken="rotation.margin",
        because="credentials are handed out that end while they are used",
    ),
    _cache(
        "agent-margin-too-wide",
        old="SHORTEST_LIFE_SECONDS = 15.0",
        new="SHORTEST_LIFE_SECONDS = 16.0",
        broken="rotation.margin",
        because="credentials that are good are dropped a second too early",
    ),
    _cache(
        "agent-keeps-until-the-end",
        old="refresh = min(life, self._settings.max_credential_retention_seconds)",
        new="refresh = life",
        broken="association.updated.renewed",
        because="credentials are kept for six hours, so a swapped role is swapped after six",
    ),
    _cache(
        "agent-renews-too-early",
        old="self._entries.items() if now > item[1].refresh_at]",
        new="self._entries.items() if now + 3600 > item[1].refresh_at]",
        broken="association.updated.renewed",
        because="credentials are renewed an hour before the agent says that they are",
    ),
    _outcomes(
        "agent-tells-an-earlier-end",
        old='"Expiration": rfc3339(self.expires_at),',
        new='"Expiration": rfc3339(min(self.expires_at, __import__("time").time() + 600)),',
        broken="association.updated.sdk",
        because="SDKs are told that their copy ends in ten minutes, so they ask at every call",
    ),
    _outcomes(
        "agent-keeps-what-was-deleted",
        old="""IRRECOVERABLE = frozenset(
    {
        "ResourceNotFoundException",
""",
        new="""IRRECOVERABLE = frozenset(
    {
""",
        broken="association.deleted.renewed",
        because="pods of a deleted association are given their role until the credentials end",
    ),
    _cache(
        "agent-drops-what-it-cannot-renew",
        old="if error.code in IRRECOVERABLE:",
        new="if True:",
        broken="outage.renewal",
        because="an outage at the moment of a renewal takes away credentials with hours left",
    ),
    _cache(
        "agent-renews-once",
        old="retry = min(life, RETRY_SECONDS + self._rng.random() * RETRY_JITTER_SECONDS)",
        new="retry = life",
        broken="outage.renewal",
        because="what could not be renewed is not tried again before it ends",
    ),
    _cache(
        "agent-drops-what-has-to-wait",
        old='            log.info("Rate limited! Will try to keep creds locally")\n',
        new="            self._evict(key)\n            return\n",
        broken="rotation.many.sweep",
        because="many that are due in one sweep are as many calls to EKS Auth at once",
    ),
    _cache(
        "agent-gives-up-what-has-to-wait",
        old='            log.info("Rate limited! Will try to keep creds locally")\n',
        new="            self._entries[key] = replace(entry, refresh_at=entry.expires_at)\n"
        "            return\n",
        broken="rotation.many.sweep",
        because="of many that are due in one sweep, those that have to wait are never renewed",
    ),
    _cache(
        "agent-counts-no-evictions",
        old='self._counters.count(CACHE_STATE, "evicted")',
        new="pass",
        broken="agent.metrics.renewal",
        because="dashboards do not see that pods will be refused",
    ),
    _cache(
        "agent-hands-out-what-ends",
        old="""        if life <= SHORTEST_LIFE_SECONDS:
            text =""",
        new="""        if False:
            text =""",
        broken="rotation.margin.refused",
        because="credentials that EKS Auth gave too late are handed out all the same",
    ),
    _handler(
        "agent-expired-tokens-from-the-cache",
        old="            check_dates(token, self._clock.time())\n",
        new="""            if self._cache is None or self._cache.cached(raw, raw) is None:
                check_dates(token, self._clock.time())
""",
        broken="rotation.token.expired",
        because="a token that has expired is answered as long as its credentials are kept",
    ),
    _agent(
        "agent-asks-again-and-again",
        module="cluster.agent.eks_auth",
        old="ATTEMPTS = 3",
        new="ATTEMPTS = 6",
        broken="outage.attempts",
        because="while EKS Auth is away every request of a pod is six calls",
    ),
    _agent(
        "agent-asks-once",
        module="cluster.agent.eks_auth",
        old="ATTEMPTS = 3",
        new="ATTEMPTS = 1",
        broken="outage.flapping",
        because="one failure of EKS Auth reaches the pod",
    ),
    _agent(
        "agent-waits-for-ever",
        module="cluster.agent.eks_auth",
        old="timeout=aiohttp.ClientTimeout(total=request_seconds,",
        new="timeout=aiohttp.ClientTimeout(total=30,",
        broken="outage.too-slow",
        because="a pod waits for as long as EKS Auth takes",
    ),
    _agent(
        "agent-has-no-patience",
        module="cluster.agent.profiles",
        old='AgentProfile("0.1.37", CacheKey.TOKEN, True, 1.0, True)',
        new='AgentProfile("0.1.37", CacheKey.TOKEN, True, 0.2, True)',
        broken="outage.slow",
        because="an answer of EKS Auth that takes half a second does not reach the pod",
    ),
    _handler(
        "agent-helps-itself-in-an-outage",
        old="        except FetchError as error:\n",
        new="""        except FetchError as error:
            kept = list(cache._entries.values()) if cache and not error.code else []
            if kept:
                return self._answer(kept[0].fetched)
""",
        broken="outage.new-token",
        because="while EKS Auth is away a pod is given credentials of another",
    ),
    _cache(
        "agent-counts-served-as-hits",
        old="""            return None
        return entry.fetched

    async def credentials(""",
        new="""            return None
        self._counters.count(CACHE_STATE, "hit")
        return entry.fetched

    async def credentials(""",
        broken="agent.metrics.hit",
        because="the metric is a hit rate, as dashboards believe",
    ),
    _local(
        "agent-checks-no-signature",
        module="cluster.agent.rotation",
        old="jwt.decode(text, key, algorithms=[key.algorithm_name], options=options)",
        new="pass",
        because="whoever claims to be of a pod is given what is kept for it",
    ),
    _local(
        "agent-never-believes-keys",
        module="cluster.agent.rotation",
        old="KEYS_SINCE = (1, 34)",
        new="KEYS_SINCE = (9, 0)",
        because="every token that the kubelet rotates is a call to EKS Auth",
    ),
    _local(
        "cluster-names-keys-as-kubernetes-does",
        module="cluster.apiserver.tokens",
        old="return hashlib.sha1(public_key, usedforsecurity=False).hexdigest()",
        new="return kubernetes_key_id(public_key)",
        because="the agent takes no key for one of EKS, so it can check no token",
    ),
)
