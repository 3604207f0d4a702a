"""Agents that answer whom they should not, forget whose credentials they keep, or say too much."""

from functools import partial

from conformance.mutants.model import Mutant, Part

_agent = partial(Mutant, part=Part.AGENT)
_handler = partial(_agent, module="cluster.agent.credentials")
_cache = partial(_agent, module="cluster.agent.cache")
_tokens = partial(_agent, module="cluster.agent.tokens")
_routes = partial(_agent, module="cluster.agent.routes")
_outcomes = partial(_agent, module="cluster.agent.outcomes")
_messages = partial(_agent, module="cluster.agent.http_messages")

_local = partial(_agent, broken="agent.cache.rotated.local", agent_version="0.2.1")

MUTANTS = (
    _handler(
        "agent-host-not-checked",
        old="if host not in self._hosts:",
        new="if not host:",
        broken="agent.host",
        because="a request for any host is answered, as DNS rebinding needs it",
    ),
    _handler(
        "agent-token-before-host",
        old="if host not in self._hosts:",
        new="if host not in self._hosts and request.authorization:",
        broken="agent.host.first",
        because="a request for another host is told about its token",
    ),
    _handler(
        "agent-host-with-port-refused",
        old="            host = name\n",
        new="            pass\n",
        broken="agent.host.spelling",
        because="an address with a port is taken for another host",
    ),
    _handler(
        "agent-looks-at-everything",
        old="if not self._limiter.allow():",
        new="if False:",
        broken="agent.rate",
        because="a pod that asks in a loop is never turned away",
    ),
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
    _agent(
        "agent-ipv6-answers-as-instance-metadata",
        module="cluster.agent.agent",
        old='Server(routes({"/v1/credentials": handler}), listener.socket)',
        new="""Server(
                    routes(
                        {"/v1/credentials": handler}
                        | {
                            "/latest/meta-data/iam/security-credentials/": handler
                            for _ in range(":" in listener.host)
                        }
                    ),
                    listener.socket,
                )""",
        broken="agent.ipv6.refusals",
        because="at the IPv6 address a path of instance metadata gives credentials",
    ),
    _messages(
        "agent-errors-in-json",
        old='PLAIN = "text/plain; charset=utf-8"',
        new='PLAIN = "application/json"',
        broken="agent.errors",
        because="refusals are said to be JSON",
    ),
    _messages(
        "agent-errors-without-newline",
        old='f"{text}\\n".encode("utf-8", "surrogateescape")',
        new='text.encode("utf-8", "surrogateescape")',
        broken="agent.errors",
        because="refusals do not end with a line feed",
    ),
    _outcomes(
        "agent-says-400-for-everything",
        old="            http_status or 500,\n",
        new="            400 if http_status else 500,\n",
        broken="agent.relay",
        because="a missing association, 404, looks like a bad token",
    ),
    _outcomes(
        "agent-hides-the-code",
        old='text = f"[{request_id}]" + (f": ({code}): {message}, fault: {fault}" if code else "")',
        new='text = f"[{request_id}]: {message}"',
        broken="trust.refusal-passed-on",
        because="the pod is not told why EKS Auth refused",
    ),
    _handler(
        "agent-bad-token-is-403",
        old="return self._refuse(400, str(error), log)",
        new="return self._refuse(403, str(error), log)",
        broken="agent.token.empty",
        because="a bad token is 403, which is the status of a wrong host",
    ),
    _tokens(
        "agent-leeway-for-expired-tokens",
        old="now >= token.expires_at:",
        new="now - 60 >= token.expires_at:",
        broken="agent.token.expired",
        because="a token is taken for a minute after it has expired",
    ),
    _tokens(
        "agent-ignores-nbf",
        old="if token.not_before is not None and now < token.not_before:",
        new="if False:",
        broken="agent.token.not-yet-valid",
        because="a token that is not valid yet is taken",
    ),
    _tokens(
        "agent-tells-one-date",
        old="{', '.join(wrong)}",
        new="{wrong[0]}",
        broken="agent.token.both-dates",
        because="a token that is not valid yet either is told that it has expired",
    ),
    _tokens(
        "agent-wants-an-expiration",
        old="if token.expires_at is not None and now >=",
        new="if token.expires_at is None or now >=",
        broken="agent.token.no-dates",
        because="a token without exp is refused by the agent",
    ),
    _tokens(
        "agent-any-algorithm",
        old="if algorithm not in ALGORITHMS:",
        new="if not algorithm:",
        broken="agent.token.algorithm",
        because="a token of an algorithm that nobody knows is taken",
    ),
    _handler(
        "agent-takes-bearer",
        old="raw = request.authorization\n",
        new='raw = request.authorization.removeprefix(b"Bearer ")\n',
        broken="agent.token.bearer",
        because="the word Bearer in front of the token is taken away",
    ),
    _messages(
        "agent-keeps-blanks",
        old='value = value.strip(b" \\t")',
        new='value = value.removeprefix(b" ")',
        broken="agent.token.blanks",
        because="a token with blanks around it is malformed",
    ),
    _tokens(
        "agent-forwards-everything",
        old='raise TokenRefusedError(f"Service account token cannot be parsed: {outcome}")',
        new="return Token(None, None, None, outcome)",
        broken="agent.token.malformed",
        because="a text that is no token is left to EKS Auth to refuse",
    ),
    _handler(
        "agent-asks-about-refused-tokens",
        old="        except TokenRefusedError as error:\n",
        new="""        except TokenRefusedError as error:
            __import__("asyncio").ensure_future(self._fetch(self._cache, raw, raw, log))
""",
        broken="agent.token.stays",
        because="EKS Auth is asked about tokens that the agent has refused",
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
    _handler(
        "agent-logs-tokens",
        old='log.info(f"handling new request request from {request.peer}")',
        new='log.info(f"request from {request.peer}: {request.authorization.decode()}")',
        broken="agent.log",
        because="tokens can be read in the agent's log",
    ),
    _routes(
        "agent-slash-at-the-end",
        old="handlers.get(request.path) or",
        new='handlers.get(request.path.rstrip("/")) or',
        broken="agent.path",
        because="/v1/credentials/ gives credentials, too",
    ),
    _routes(
        "agent-answers-unclean-paths",
        old="if clean != request.path:",
        new="if False:",
        broken="agent.path.unclean",
        because="//v1/credentials is not redirected",
    ),
    _handler(
        "agent-get-only",
        old="raw = request.authorization\n",
        new="""raw = request.authorization
        if request.method != "GET":
            return self._refuse(405, "Method Not Allowed", log)
""",
        broken="agent.method",
        because="other methods than GET are refused",
    ),
    _outcomes(
        "agent-wrong-account",
        old='"AccountId": self.account_id,',
        new='"AccountId": "000000000000",',
        broken="agent.credentials.account",
        because="the account in the answer is nobody's",
    ),
    _outcomes(
        "agent-more-members",
        old='"AccessKeyId": self.access_key_id,',
        new='"Code": "Success", "AccessKeyId": self.access_key_id,',
        broken="agent.credentials",
        because="the answer has the form of instance metadata",
    ),
    _outcomes(
        "agent-expiration-with-offset",
        old="{fraction}Z",
        new="{fraction}+00:00",
        broken="agent.credentials.expiration",
        because="the expiration is written with an offset, which some SDKs do not parse",
    ),
    _outcomes(
        "agent-retries-refusals",
        old="return known or self.http_status == 0",
        new="return True",
        broken="agent.cache.refusals",
        because="a refusal is asked again and again until the SDK's attempts are used up",
    ),
    _agent(
        "agent-health-has-a-body",
        module="cluster.agent.agent",
        old='body = b"Internal Server Error occurred" if status == 500 else b""',
        new='body = b"Internal Server Error occurred" if status == 500 else b"ok"',
        broken="agent.health",
        because="the probes are answered with a text",
    ),
    _agent(
        "agent-counts-by-another-name",
        module="cluster.agent.metrics",
        old='HTTP_RESPONSE = "pod_identity_http_response"',
        new='HTTP_RESPONSE = "pod_identity_responses_total"',
        broken="agent.metrics",
        because="dashboards do not find the counter of answers",
    ),
    _cache(
        "agent-counts-no-misses",
        old='self._counters.count(CACHE_STATE, "miss")',
        new='self._counters.count(CACHE_STATE, "new")',
        broken="agent.metrics.miss",
        because="dashboards do not find how often EKS Auth was asked",
    ),
    _agent(
        "agent-names-no-instance",
        module="emulator.admin_api",
        old="session_name=wanted.instance_id,",
        new='session_name="eks-pod-identity-agent",',
        broken="agent.caller",
        because="which node asked cannot be told from the caller of EKS Auth",
    ),
    _agent(
        "agent-account-of-the-association",
        module="cluster.agent.eks_auth",
        old="account = _account(arn)",
        new='account = _account(answer["podIdentityAssociation"]["associationArn"])',
        broken="cross-account.account-id",
        because="with a target role the account in the answer is the cluster's",
    ),
    _cache(
        "agent-no-margin",
        old="SHORTEST_LIFE_SECONDS = 15.0",
        new="SHORTEST_LIFE_SECONDS = 1.0",
        broken="rotation.margin",
        because="credentials are handed out that end while they are used",
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
    _handler(
        "agent-ipv4-only",
        old="self._hosts = (IPV4_HOST, IPV6_HOST, *settings.extra_hosts)",
        new="self._hosts = (IPV4_HOST, *settings.extra_hosts)",
        broken="agent.ipv6",
        because="the IPv6 address is taken for another host",
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
