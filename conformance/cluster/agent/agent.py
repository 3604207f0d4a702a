"""
The EKS Pod Identity agent of one node.

Its HTTP contract is AWS's, word for word: what SDKs and people meet on a real
node is what they meet here. `tests/golden/agent-0.1.37.json` holds the answers of
AWS's own agent, and every one of them is compared.
"""

import asyncio
import random
import socket
from collections.abc import Sequence

import aiohttp

from conformance.cluster.agent.cache import SWEEP_SECONDS, CredentialCache
from conformance.cluster.agent.clock import Clock, SystemClock
from conformance.cluster.agent.connections import Server
from conformance.cluster.agent.credentials import CredentialHandler, RotationCheck
from conformance.cluster.agent.eks_auth import EksAuth
from conformance.cluster.agent.http_messages import Answer, Request
from conformance.cluster.agent.interface import (
    ConnectSocket,
    KeySet,
    Listener,
    LogLine,
    NodeCredentialsProvider,
    Settings,
)
from conformance.cluster.agent.logs import Log
from conformance.cluster.agent.metrics import CONTENT_TYPE, Counters
from conformance.cluster.agent.profiles import AgentProfile, CacheKey
from conformance.cluster.agent.rotation import RotatedTokens
from conformance.cluster.agent.routes import routes
from conformance.faults import ActiveFaults

PROBE_SECONDS = 10.0


class Agent:
    """
    One node's agent; lives on the running asyncio loop.

    `probe` and `metrics` are listening sockets of the probe server (2703) and the
    metrics server (2705); without them those servers are not there. `jwks` is asked
    by releases that check rotated tokens themselves; without it they cannot, and
    every rotated token goes to EKS Auth.
    """

    def __init__(
        self,
        profile: AgentProfile,
        *,
        cluster_name: str,
        region: str,
        eks_auth_endpoint: str,
        node_credentials: NodeCredentialsProvider,
        listeners: Sequence[Listener],
        connect: ConnectSocket,
        log: LogLine,
        faults: ActiveFaults,
        probe: socket.socket | None = None,
        metrics: socket.socket | None = None,
        jwks: KeySet | None = None,
        settings: Settings | None = None,
        clock: Clock | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.profile = profile
        self._cluster_name = cluster_name
        self._region = region
        self._endpoint = eks_auth_endpoint
        self._node_credentials = node_credentials
        self._listeners = listeners
        self._connect = connect
        self._faults = faults
        self._probe_socket = probe
        self._metrics_socket = metrics
        self._jwks = jwks
        self._settings = settings or Settings()
        self._clock = clock or SystemClock()
        # Jitter of retries and renewals, not a secret.
        self._rng = rng or random.Random()  # noqa: S311
        self._log = Log(log, self._clock)
        self._counters = Counters()
        self._servers: list[Server] = []
        self._sweeps: list[asyncio.Task[None]] = []
        self._eks_auth: EksAuth | None = None
        self._ready = False

    @property
    def ready(self) -> bool:
        """True from the first request that can be answered until `close`."""
        return self._ready

    async def start(self) -> None:
        """Serve on every socket that was given; returns when they answer."""
        self._eks_auth = EksAuth(
            cluster_name=self._cluster_name,
            region=self._region,
            endpoint=self._endpoint,
            node_credentials=self._node_credentials,
            connect=self._connect,
            request_seconds=self.profile.request_seconds,
            user_agent=f"eks-pod-identity-agent/{self.profile.version} (conformance)",
            clock=self._clock,
            rng=self._rng,
        )
        for listener in self._listeners:
            handler = self._handler(self._eks_auth)
            port = listener.socket.getsockname()[1]
            log = self._log.having({"bind-addr": f"{listener.host}:{port}"})
            log.info(f"Pod Identity Agent version {self.profile.version}")
            log.info("Starting server...")
            self._servers.append(Server(routes({"/v1/credentials": handler}), listener.socket))
        probes = {"/healthz": self._answer_probe, "/readyz": self._answer_probe}
        if self._probe_socket is not None:
            self._servers.append(Server(routes(probes), self._probe_socket))
        if self._metrics_socket is not None:
            everything = routes(probes | {"/metrics": self._answer_metrics})
            self._servers.append(Server(everything, self._metrics_socket))
        for server in self._servers:
            await server.start()
        self._ready = True

    async def close(self) -> None:
        """Stop serving, drop what is under way, close every socket; may be called twice."""
        self._ready = False
        for task in self._sweeps:
            task.cancel()
        await asyncio.gather(*self._sweeps, return_exceptions=True)
        self._sweeps.clear()
        for server in self._servers:
            await server.close()
        self._servers.clear()
        # Without `start` no server owns them.
        given = [self._probe_socket, self._metrics_socket, *(one.socket for one in self._listeners)]
        for unserved in given:
            if unserved is not None:
                unserved.close()
        if self._eks_auth is not None:
            await self._eks_auth.close()
            self._eks_auth = None

    async def probe(self) -> int:
        """What `/healthz` and `/readyz` answer: 200, 408 or 500."""
        timeout = aiohttp.ClientTimeout(total=PROBE_SECONDS)
        connector = aiohttp.TCPConnector(socket_factory=self._connect, force_close=True)
        try:
            async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
                for listener in self._listeners:
                    host, port = listener.socket.getsockname()[:2]
                    url = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
                    async with session.get(url) as response:
                        if response.status != 404:
                            return 500
        except TimeoutError:
            return 408
        except (aiohttp.ClientError, OSError) as error:
            self._log.error(f"InternalServerError: {error}")
            return 500
        return 200

    def _handler(self, eks_auth: EksAuth) -> CredentialHandler:
        by_pod = self.profile.cache_key is CacheKey.POD_UID
        tokens = RotatedTokens(self._jwks) if by_pod and self._jwks is not None else None
        cache = None
        if self._settings.max_cache_size and self._settings.max_credential_retention_seconds:
            cache = CredentialCache(
                eks_auth.assume_role,
                self._settings,
                waits_for_active_request=self.profile.waits_for_active_request,
                may_serve=RotationCheck(tokens, self._counters, self._faults) if by_pod else None,
                counters=self._counters,
                clock=self._clock,
                rng=self._rng,
            )
            self._sweeps.append(asyncio.create_task(self._sweep(cache)))
        return CredentialHandler(
            self.profile,
            eks_auth=eks_auth,
            cache=cache,
            settings=self._settings,
            log=self._log.having({"cluster-name": self._cluster_name}),
            counters=self._counters,
            faults=self._faults,
            clock=self._clock,
        )

    async def _sweep(self, cache: CredentialCache) -> None:
        while True:
            await self._clock.sleep(SWEEP_SECONDS)
            await cache.sweep()

    async def _answer_probe(self, request: Request) -> Answer:  # noqa: ARG002 - a Handler
        status = await self.probe()
        body = b"Internal Server Error occurred" if status == 500 else b""
        return Answer(status, (), body)

    def _answer_metrics(self, request: Request) -> Answer:  # noqa: ARG002 - a Handler
        headers = (("Content-Type", CONTENT_TYPE),)
        return Answer(200, headers, self._counters.exposition().encode())
