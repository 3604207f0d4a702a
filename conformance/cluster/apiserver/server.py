"""
The API server as a library: certificates, tokens, and a socket that answers.

It lives inside the cluster process, which decides where it listens. Keys are made
anew for every cluster and never leave the process.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from datetime import UTC, datetime

from aiohttp import web

from conformance.cluster.apiserver import discovery, status, wire
from conformance.cluster.apiserver.admission import Admission
from conformance.cluster.apiserver.authn import AskWebhook, Authenticator
from conformance.cluster.apiserver.authorization import BOOTSTRAP_ROLES, Authorizer
from conformance.cluster.apiserver.call import answer
from conformance.cluster.apiserver.certificates import CertificateAuthority
from conformance.cluster.apiserver.execution import ExecSource
from conformance.cluster.apiserver.handlers import Handlers
from conformance.cluster.apiserver.logs import LogSource
from conformance.cluster.apiserver.registry import Registry
from conformance.cluster.apiserver.resources import CLUSTER_ROLES, NAMESPACES, SERVICES, Object
from conformance.cluster.apiserver.store import Store
from conformance.cluster.apiserver.subresources import TokenRequests
from conformance.cluster.apiserver.tokens import NameKey, TokenAuthority, kubernetes_key_id
from conformance.cluster.apiserver.webhooks import Webhooks

_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
_PATIENCE = 1.0
"""Seconds that requests under way get when the server closes."""
_JWKS = "application/jwk-set+json"


def _own_service(address: str, port: int) -> Object:
    """`default/kubernetes`, through which pods find the API. Source: pkg/controlplane."""
    labels = {"component": "apiserver", "provider": "kubernetes"}
    spec = {
        "type": "ClusterIP",
        "clusterIP": address,
        "clusterIPs": [address],
        "ports": [{"name": "https", "protocol": "TCP", "port": port, "targetPort": port}],
    }
    return {"metadata": {"name": "kubernetes", "labels": labels}, "spec": spec}


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ApiServer:
    """
    One cluster's API server.

    `issuer` is the `iss` of service account tokens. `max_token_seconds` shortens
    longer requested lives, as `--service-account-max-token-expiration` does;
    `min_token_seconds` is 600 on a real server and smaller where an environment
    wants lives of seconds. `now` is the clock of object times and tokens. `window` is
    how many changes can be watched after the fact. `name_key` makes the `kid` that stands
    in tokens and among the published keys.

    Controllers work on `registry` (and its `store`), everyone else over HTTPS.
    """

    def __init__(
        self,
        name: str,
        issuer: str,
        *,
        now: Callable[[], datetime] = _utc_now,
        max_token_seconds: int | None = None,
        min_token_seconds: int = 600,
        api_audience: str = "https://kubernetes.default.svc",
        log_source: LogSource | None = None,
        exec_source: ExecSource | None = None,
        window: int = 20_000,
        name_key: NameKey = kubernetes_key_id,
    ) -> None:
        self.name = name
        self._authority = CertificateAuthority(f"{name}-ca")
        self._store = Store(window)
        self._tokens = TokenAuthority(self._store, issuer, now, name_key)
        self._authenticator = Authenticator(self._tokens, api_audience, now)
        self._authorizer = Authorizer(self._store)
        self._webhooks = Webhooks(self._store)
        self._admission = Admission(self._store)
        self.registry = Registry(
            self._store, self._admission, self._webhooks, now, min_token_seconds
        )
        self._closing = asyncio.Event()
        self._requests = TokenRequests(
            self.registry,
            self._admission,
            self._tokens,
            audiences=self._authenticator.api_audiences,
            shortest=min_token_seconds,
            longest=max_token_seconds,
        )
        self._handlers = Handlers(
            self.registry,
            self._authenticator,
            self._authorizer,
            tokens=self._requests,
            fixed=self._fixed,
            closing=self._closing,
        )
        self._handlers.log_source = log_source
        self._handlers.exec_source = exec_source
        self._documents: dict[str, Object] = {}
        self._runner: web.ServerRunner | None = None
        self._server: web.Server | None = None
        self._endpoint = ""
        self.address_for_pods: tuple[str, int] = ("", 0)
        """Host and port by which pods reach the server; set by `start`."""

    async def start(self, sock: socket.socket, for_pods: socket.socket | None = None) -> None:
        """
        Serve HTTPS on a bound socket; the four system namespaces are there.

        `for_pods` is where pods reach the server, if that is another place: it becomes
        the service `default/kubernetes`.
        """
        host, port = sock.getsockname()[:2]
        inside = (for_pods or sock).getsockname()[:2]
        self._endpoint = f"https://{f'[{host}]' if ':' in host else host}:{port}"
        self._documents = discovery.documents(self._endpoint)
        for name in _NAMESPACES:
            await self.registry.create(NAMESPACES, "", {"metadata": {"name": name}})
        for role in BOOTSTRAP_ROLES:
            await self.registry.create(CLUSTER_ROLES, "", role)
        names = list(dict.fromkeys((*_NAMES, "127.0.0.1", host, inside[0])))
        context = self._authority.server_context("kube-apiserver", names)
        # Cancelling a handler whose reader has hung up is what ends watches and logs.
        server = web.Server(self._handlers, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=_PATIENCE)
        self._server = server
        await self._runner.setup()
        for listening in filter(None, (sock, for_pods)):
            await web.SockSite(self._runner, listening, ssl_context=context).start()
        if for_pods is not None:
            await self.registry.create(SERVICES, "default", _own_service(*inside))
        self.address_for_pods = inside

    async def close(self) -> None:
        """Stop answering; open watches and logs end."""
        self._closing.set()
        if self._runner is not None and self._server is not None:
            transports = [connection.transport for connection in self._server.connections]
            await self._runner.cleanup()
            for transport in transports:
                if transport is not None:
                    # Idle clients do not answer a TLS farewell: it would be waited for in vain.
                    # On Python 3.11 one that was upgraded and is closed already has no abort.
                    with contextlib.suppress(AttributeError):
                        transport.abort()
            await asyncio.sleep(0)  # the loop takes the aborted connections down
        await self._webhooks.close()

    @property
    def endpoint(self) -> str:
        """`https://HOST:PORT` of the socket that was given to `start`."""
        return self._endpoint

    @property
    def ca_pem(self) -> str:
        """The certificate that clients verify the server with."""
        return self._authority.pem

    @property
    def admin_token(self) -> str:
        """A bearer token of `kubernetes-admin`, group `system:masters`."""
        return self.user_token("kubernetes-admin", ("system:masters",))

    def node_token(self, node_name: str) -> str:
        """A bearer token of `system:node:NAME`, group `system:nodes`; the same at each call."""
        return self.user_token(f"system:node:{node_name}", ("system:nodes",))

    def user_token(self, username: str, groups: tuple[str, ...] = (), uid: str = "") -> str:
        """A bearer token of any user; without bindings they may only look at discovery."""
        return self._authenticator.token_of(username, groups, uid)

    def compact(self) -> None:
        """Forget what was before now: watches and pages that need it are too old."""
        self._store.compact()

    def revoke(self, token: str) -> None:
        """The token is not known any more: requests with it get 401."""
        self._authenticator.revoke(token)

    def limit_tokens(self, *, shortest: int, longest: int | None) -> None:
        """Other bounds for the lives of service account tokens from now on, in seconds."""
        self.registry.shortest_token = shortest
        self._requests.limit(shortest=shortest, longest=longest)

    def behave(self, *, anonymous: bool = True, node_restriction: bool = True) -> None:
        """
        Be set up otherwise than EKS's servers are, from now on.

        As `--anonymous-auth` and the admission plugin NodeRestriction; both are on there.
        """
        self._handlers.anonymous = anonymous
        self._admission.node_restriction = node_restriction

    def ask_webhook(self, prefix: str, ask: AskWebhook) -> None:
        """Have `ask` say whose a token is that begins with `prefix`."""
        self._authenticator.ask_webhook(prefix, ask)

    def set_log_source(self, source: LogSource) -> None:
        """Who answers `pods/log` from now on."""
        self._handlers.log_source = source

    def jwks(self) -> Object:
        """The published keys, as `/openid/v1/jwks` serves them."""
        return self._tokens.jwks()

    def sign(self, claims: Object) -> str:
        """A token with exactly these claims, by the cluster's key: for tests of those who check."""
        return self._tokens.sign(claims)

    def _fixed(self, http: web.BaseRequest) -> web.Response | None:
        """Paths that are no resource; None for one that is not known."""
        path = http.path.rstrip("/") if len(http.path) > 1 else http.path
        if path.split("/")[1] in {"healthz", "livez", "readyz"}:
            return web.Response(text="ok", content_type="text/plain")
        if path == "/openid/v1/jwks":
            return self._published_keys(http.headers.get("Accept", "*/*"))
        if path == "/.well-known/openid-configuration":
            return answer(self._openid_configuration())
        if path == "/":
            return answer({"paths": sorted(one for one in self._documents if ";" not in one)})
        if path in {"/api", "/apis"} and "as=APIGroupDiscoveryList" in http.headers.get(
            "Accept", ""
        ):
            return web.Response(
                body=wire.dumps(self._documents[f"{path};aggregated"]),
                headers={"Content-Type": f"application/json;{discovery.AGGREGATED}"},
            )
        found = self._documents.get(path)
        return None if found is None else answer(found)

    def _published_keys(self, accept: str) -> web.Response:
        if not any(one in accept for one in ("*/*", "application/*", _JWKS)):
            raise status.not_acceptable(_JWKS)
        return web.Response(body=wire.dumps(self.jwks()), content_type=_JWKS)

    def _openid_configuration(self) -> Object:
        return {
            "issuer": self._tokens.issuer,
            "jwks_uri": f"{self._endpoint}/openid/v1/jwks",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }
