"""
`/v1/credentials`: the order of the checks, and what each of them answers.

The order is part of the contract: too many requests, wrong host, no token, bad
token, dates; only then the cache. So a token that has expired is refused although
its credentials are cached, and a wrong host is told nothing about tokens.

Sources: eks-pod-identity-agent pkg/handlers/eks_credential_handler.go,
internal/validation/request.go, pkg/errors/errors.go (0.1.37).
"""

from collections.abc import Coroutine

from conformance.cluster.agent.cache import CredentialCache, Entry
from conformance.cluster.agent.clock import Clock
from conformance.cluster.agent.eks_auth import EksAuth
from conformance.cluster.agent.http_messages import Answer, Request
from conformance.cluster.agent.interface import IPV4_HOST, IPV6_HOST, Settings
from conformance.cluster.agent.logs import Log
from conformance.cluster.agent.metrics import HTTP_RESPONSE, LOCAL_VALIDATION, Counters
from conformance.cluster.agent.outcomes import Fetched, FetchError
from conformance.cluster.agent.profiles import AgentProfile, CacheKey
from conformance.cluster.agent.rates import TokenBucket
from conformance.cluster.agent.rotation import LocalValidationError, RotatedTokens
from conformance.cluster.agent.tokens import Token, TokenRefusedError, check_dates, read_token
from conformance.faults import AGENT_SHARES_CACHE, ActiveFaults

REQUESTS_PER_SECOND = 1000
REQUEST_BURST = 500

_TOO_MANY = Answer.error(429, "Too Many Requests")
_JSON = (("Content-Type", "application/json"),)


class CredentialHandler:
    """Answers for one listener, with a rate limit and a cache of its own."""

    def __init__(
        self,
        profile: AgentProfile,
        *,
        eks_auth: EksAuth,
        cache: CredentialCache | None,
        settings: Settings,
        log: Log,
        counters: Counters,
        faults: ActiveFaults,
        clock: Clock,
    ) -> None:
        self._profile = profile
        self._eks_auth = eks_auth
        self._cache = cache
        self._hosts = (IPV4_HOST, IPV6_HOST, *settings.extra_hosts)
        self._log = log
        self._counters = counters
        self._faults = faults
        self._clock = clock
        self._limiter = TokenBucket(REQUESTS_PER_SECOND, REQUEST_BURST, clock)

    def __call__(self, request: Request) -> Answer | Coroutine[None, None, Answer]:
        if not self._limiter.allow():
            return _TOO_MANY
        log = self._log.having({"client-addr": request.peer})
        log.info(f"handling new request request from {request.peer}")
        host = target_host(request.host)
        if host not in self._hosts:
            addresses = f"[{' '.join(self._hosts)}]"
            text = "Access Denied. Called agent through invalid address, please use either "
            return self._refuse(403, f"{text}{addresses} address not {host}", log)
        raw = request.authorization
        try:
            token = read_token(raw)
            check_dates(token, self._clock.time())
            key = self._key(raw, token)
        except TokenRefusedError as error:
            return self._refuse(400, str(error), log)
        if self._cache is None:
            return self._fetch(None, key, raw, log)
        fetched = self._cache.cached(key, None if key == "" else raw)
        if fetched is not None:
            return self._answer(fetched)
        return self._fetch(self._cache, key, raw, log)

    def _key(self, raw: bytes, token: Token) -> str | bytes:
        by_pod = self._profile.cache_key is CacheKey.POD_UID
        if by_pod and token.pod_uid is None:
            why = "failed to get pod uid from service account token: "
            raise TokenRefusedError(why + token.pod_uid_missing)
        if AGENT_SHARES_CACHE in self._faults:
            return ""
        return f"pod/{token.pod_uid}" if by_pod else raw

    async def _fetch(
        self, cache: CredentialCache | None, key: str | bytes, raw: bytes, log: Log
    ) -> Answer:
        try:
            if cache is None:
                fetched = await self._eks_auth.assume_role(raw, log)
            else:
                fetched = await cache.credentials(key, raw, log)
        except FetchError as error:
            cause = f"error getting credentials to cache: {error.cause}"
            status, text = error.status, error.text
            if not self._profile.relays_status:
                status, text = 500, cause
            log = log.having(error.log_fields)
            log.error(f"Error fetching credentials: {cause}")
            return self._counted(Answer.error(status, text))
        return self._answer(fetched)

    def _answer(self, fetched: Fetched) -> Answer:
        return self._counted(Answer(200, _JSON, fetched.body))

    def _refuse(self, status: int, text: str, log: Log) -> Answer:
        log.error(f"Error fetching credentials: {text}")
        return self._counted(Answer.error(status, text))

    def _counted(self, answer: Answer) -> Answer:
        self._counters.count(HTTP_RESPONSE, str(answer.status))
        return answer


class RotationCheck:
    """Lets a pod's entry serve the pod's next token; what 0.2.1 added."""

    def __init__(
        self, tokens: RotatedTokens | None, counters: Counters, faults: ActiveFaults
    ) -> None:
        self._tokens = tokens
        self._counters = counters
        self._faults = faults

    async def __call__(self, entry: Entry, token: bytes, log: Log) -> bool:  # noqa: ARG002 - a MayServe
        if AGENT_SHARES_CACHE in self._faults:
            return True
        if self._tokens is None:
            self._counters.count(LOCAL_VALIDATION, "skipped")
            return False
        try:
            await self._tokens.check(token)
        except LocalValidationError as error:
            log.info(f"Local token validation failed: {error}, falling back to delegate")
            self._counters.count(LOCAL_VALIDATION, "failure")
            return False
        self._counters.count(LOCAL_VALIDATION, "success")
        return True


def target_host(host: str) -> str:
    """The part before the port, without brackets; what cannot be split stays whole."""
    name, colon, port = host.rpartition(":")
    if colon and "[" not in port and "]" not in port:
        bracketed = name.startswith("[") and name.endswith("]") and "]" not in name[1:-1]
        if bracketed or not set("[]:") & set(name):
            host = name
    if len(host) > 1 and host[0] == "[" and host[-1] == "]":
        return host[1:-1]
    return host
