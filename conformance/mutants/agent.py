"""Agents that answer whom they should not, or say too much or something else."""

from functools import partial

from conformance.mutants.model import Mutant, Part

_agent = partial(Mutant, part=Part.AGENT)
_handler = partial(_agent, module="cluster.agent.credentials")
_tokens = partial(_agent, module="cluster.agent.tokens")
_routes = partial(_agent, module="cluster.agent.routes")
_outcomes = partial(_agent, module="cluster.agent.outcomes")
_messages = partial(_agent, module="cluster.agent.http_messages")
_cache = partial(_agent, module="cluster.agent.cache")

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
    _handler(
        "agent-ipv4-only",
        old="self._hosts = (IPV4_HOST, IPV6_HOST, *settings.extra_hosts)",
        new="self._hosts = (IPV4_HOST, *settings.extra_hosts)",
        broken="agent.ipv6",
        because="the IPv6 address is taken for another host",
    ),
    _handler(
        "agent-relays-as-json",
        old="""{cause}")
            return self._counted(Answer.error(status, text))""",
        new="""{cause}")
            if 0 < status < 429:
                return self._counted(Answer(status, _JSON, f"{text}\\n".encode()))
            return self._counted(Answer.error(status, text))""",
        broken="agent.errors",
        because="what EKS Auth refused is said to be JSON",
    ),
    _handler(
        "agent-tells-outages-as-json",
        old="""{cause}")
            return self._counted(Answer.error(status, text))""",
        new="""{cause}")
            if status >= 429:
                return self._counted(Answer(status, _JSON, f"{text}\\n".encode()))
            return self._counted(Answer.error(status, text))""",
        broken="outage.plain-text",
        because="that EKS Auth is away is said to be JSON",
    ),
    _tokens(
        "agent-gives-no-reason",
        old="cannot be parsed: {outcome}",
        new="cannot be parsed: {outcome.partition(':')[0]}",
        broken="agent.token.malformed",
        because="what is wrong with a malformed token is not told",
    ),
    _tokens(
        "agent-checks-the-audience",
        old="if all(isinstance(item, Text) for item in items):",
        new='if "pods.eks.amazonaws.com" in items:',
        broken="agent.relay",
        because="the agent judges a token's audience, which is EKS Auth's to judge",
    ),
    _tokens(
        "agent-checks-iat",
        old='Token(dates.get("exp"), dates.get("nbf"), pod_uid, missing)',
        new="""Token(
        dates.get("exp"),
        max(filter(None, (dates.get("nbf"), dates.get("iat"))), default=None),
        pod_uid,
        missing,
    )""",
        broken="agent.relay",
        because="a token that says it was issued later is refused by the agent",
    ),
    _handler(
        "agent-ipv6-takes-expired-tokens",
        old="            check_dates(token, self._clock.time())\n",
        new="""            if not request.host.startswith("["):
                check_dates(token, self._clock.time())
""",
        broken="agent.ipv6.refusals",
        because="at the IPv6 address tokens that have expired go as far as EKS Auth",
    ),
    _handler(
        "agent-ipv6-without-nosniff",
        old="return self._refuse(400, str(error), log)",
        new="""answer = self._refuse(400, str(error), log)
            told = answer.headers[:1] if request.host.startswith("[") else answer.headers
            return Answer(400, told, answer.body)""",
        broken="agent.ipv6.refusals",
        because="refusals at the IPv6 address have no X-Content-Type-Options",
    ),
    _handler(
        "agent-ipv6-keeps-nothing",
        old="key = self._key(raw, token)",
        new="""key = self._key(raw, token)
            if self._cache is not None and request.host.startswith("["):
                self._cache._entries.pop(key, None)""",
        broken="agent.ipv6",
        because="every request at the IPv6 address is a session of its own",
    ),
    _handler(
        "agent-counts-refusals-as-granted",
        old="self._counters.count(HTTP_RESPONSE, str(answer.status))",
        new='self._counters.count(HTTP_RESPONSE, "200")',
        broken="agent.metrics",
        because="how many pods are refused cannot be told from the metric",
    ),
    _handler(
        "agent-counts-only-its-own-refusals",
        old="""{cause}")
            return self._counted(Answer.error(status, text))""",
        new="""{cause}")
            return Answer.error(status, text)""",
        broken="agent.metrics",
        because="what EKS Auth refused is not in the metric",
    ),
    _cache(
        "agent-counts-the-first-miss",
        old='self._counters.count(CACHE_STATE, "miss")',
        new='self._counters._counts[CACHE_STATE, ("miss",)] = 1',
        broken="agent.metrics.miss",
        because="the metric says that there was a miss, not how many",
    ),
    _handler(
        "agent-shares-refusals",
        old="fetched = await cache.credentials(key, raw, log)",
        new="""asyncio = __import__("asyncio")
                under_way = self.__dict__.setdefault("under_way", {})
                if key not in under_way:
                    task = asyncio.ensure_future(cache.credentials(key, raw, log))
                    under_way[key] = task
                    task.add_done_callback(lambda _: under_way.pop(key, None))
                fetched = await asyncio.shield(under_way[key])""",
        broken="agent.cache.refusals.at-once",
        because="who waits for another's request is told what that one was refused for",
    ),
    _handler(
        "agent-serves-rotated-tokens-in-an-outage",
        old="        except FetchError as error:\n",
        new="""        except FetchError as error:
            pod = read_token(raw).pod_uid
            for entry in list(cache._entries.values()) if cache and not error.code else []:
                if read_token(entry.token).pod_uid == pod:
                    return self._answer(entry.fetched)
""",
        broken="outage.rotated-token",
        because="while EKS Auth is away a token that nobody has checked is given credentials",
    ),
)
