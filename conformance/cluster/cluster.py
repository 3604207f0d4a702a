"""
One cluster, put together: API server, webhook, nodes, agents, add-ons.

Each part is the real thing to the others. The webhook is registered and called
over TLS, nodes are clients of the API server, agents get their credentials from
AWS. Nothing is passed around behind an API except logs, which a real API server
fetches from kubelets (see apiserver/logs.py).
"""

import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp

from conformance.cluster import addons, iam_authenticator
from conformance.cluster.agent.clock import SystemClock
from conformance.cluster.agent.profiles import profile_of
from conformance.cluster.agent.rotation import check_version
from conformance.cluster.apiserver import status
from conformance.cluster.apiserver.execution import ExecRequest, Execution
from conformance.cluster.apiserver.logs import LogRequest
from conformance.cluster.apiserver.server import ApiServer
from conformance.cluster.apiserver.status import ApiError
from conformance.cluster.apiserver.tokens import eks_key_id
from conformance.cluster.controllers import Controllers
from conformance.cluster.iam_authenticator import IamAuthenticator
from conformance.cluster.images import ImageStore
from conformance.cluster.nodes.agents import AgentImage
from conformance.cluster.nodes.api import ApiClient, Refused
from conformance.cluster.nodes.groups import NodeGroups
from conformance.cluster.nodes.instance_credentials import InstanceCredentials
from conformance.cluster.nodes.interface import Network, listen
from conformance.cluster.nodes.metadata_service import MetadataService
from conformance.cluster.nodes.namespaces import NamespaceThread
from conformance.cluster.nodes.processes import Sandbox, Unconfined
from conformance.cluster.nodes.runtime import Runtime, StartError
from conformance.cluster.nodes.sandbox import try_bubblewrap
from conformance.cluster.settings import Settings
from conformance.cluster.webhook import IPV6_URI, Webhook, WebhookSettings
from conformance.cluster.webhook_registration import WebhookCertificate, annotations_of, register
from conformance.errors import HarnessError
from conformance.faults import ActiveFaults

LOOPBACK = "127.0.0.1"
_SHORTEST_TOKEN_SECONDS = 600


def _webhook_settings(settings: Settings, network: Network) -> WebhookSettings:
    """Raises `HarnessError` where pods could not reach the agent as they are told to."""
    asked = WebhookSettings(region=settings.region, sts_regional_endpoints=True)
    if settings.ip_family == "ipv6":
        if not network.ipv6:
            raise HarnessError(
                f"cluster {settings.name}: ipFamily ipv6 needs IPv6 on nodes of their own",
                saw=f"network {network.tier} without IPv6",
            )
        return replace(asked, full_uri=IPV6_URI)
    if network.tier == "loopback":
        uri = f"http://{LOOPBACK}:{network.agent_port}/v1/credentials"
        return replace(asked, full_uri=uri)
    return asked


class Cluster:
    """Everything that runs for one cluster, on the running event loop."""

    def __init__(
        self, settings: Settings, folder: Path, network: Network, spawner: NamespaceThread
    ) -> None:
        """`folder` is the cluster's own; `network` is closed with the cluster."""
        self.settings = settings
        self.network = network
        self.faults = ActiveFaults(settings.faults)
        self.aws_endpoint = f"http://{network.hub_address}:{settings.aws_port}"
        self._folder = folder
        self._spawner = spawner
        self.api_server = ApiServer(
            settings.name,
            settings.issuer,
            log_source=self._log,
            exec_source=self._exec,
            name_key=eks_key_id,
        )
        self.limit_tokens(settings.max_token_seconds)
        self.webhook = Webhook(_webhook_settings(settings, network), self._annotations, self.faults)
        self._controllers = Controllers(self.api_server)
        self._admin: ApiClient | None = None
        self._groups: NodeGroups | None = None
        self._credentials: InstanceCredentials | None = None
        self._metadata: MetadataService | None = None
        self._iam: IamAuthenticator | None = None
        self._agent = addons.Installed()
        self.agent_clock = SystemClock()
        """Of every node's agent."""

    async def start(self) -> None:
        """The API server answers and knows the webhook when this returns."""
        server = self.api_server
        self._iam = IamAuthenticator(self.settings.aws_socket, self.settings.arn)
        server.ask_webhook(iam_authenticator.PREFIX, self._iam.user_of)
        await server.start(listen(LOOPBACK, 0), self.network.listen_for_api())
        await self._controllers.start()
        self._admin = self._connect(server.admin_token)
        certificate = WebhookCertificate()
        listening = listen(LOOPBACK, 0)
        url = f"https://{LOOPBACK}:{listening.getsockname()[1]}/mutate"
        await self.webhook.start(listening, certificate.context)
        await register(self._admin, url, certificate.bundle)
        self._credentials = InstanceCredentials(self.settings.aws_socket)
        self._groups = NodeGroups(
            self.network,
            self._admin,
            self._connect_as,
            await self._runtime(self._credentials),
            self._folder / "nodes",
            region=self.settings.region,
            version=self.settings.version,
        )
        metadata = self.network.listen_for_metadata()
        if metadata is not None:
            self._metadata = MetadataService(
                self._groups.instance_of, self._credentials, self.settings.account_id
            )
            await self._metadata.start(metadata)

    async def stop(self) -> None:
        """Kill every pod and close every socket."""
        if self._groups is not None:
            await self._groups.stop()
        if self._admin is not None:
            await self._admin.close()
        if self._metadata is not None:
            await self._metadata.close()
        if self._credentials is not None:
            await self._credentials.close()
        if self._iam is not None:
            await self._iam.close()
        await self.webhook.close()
        await self._controllers.close()
        await self.api_server.close()
        self.network.close()

    @property
    def groups(self) -> NodeGroups:
        """The nodes; only after `start`."""
        if self._groups is None:
            raise HarnessError("cluster: not started yet")
        return self._groups

    @property
    def admin(self) -> ApiClient:
        """A client as `system:masters`; only after `start`."""
        if self._admin is None:
            raise HarnessError("cluster: not started yet")
        return self._admin

    def hub_listener(self) -> socket.socket | None:
        """A listening socket at `aws_endpoint`, None where pods share the host's loopback."""
        return self.network.listen_at_hub(self.settings.aws_port)

    def limit_tokens(self, longest: int | None) -> None:
        """
        Service account tokens live at most that many seconds from now on.

        Lives of seconds need a lower floor than the ten minutes of a real API server.
        """
        shortest = min(_SHORTEST_TOKEN_SECONDS, longest or _SHORTEST_TOKEN_SECONDS)
        self.api_server.limit_tokens(shortest=shortest, longest=longest)

    async def install_addon(
        self, name: str, configuration: dict[str, Any], conflicts: addons.Conflicts = "OVERWRITE"
    ) -> None:
        """
        Install or update; ready on every node that it is for when this returns.

        Raises `addons.ConflictError` with `NONE` when somebody else changed it.
        """
        addons.check_known(name)
        await addons.install(
            self.admin,
            self._agent,
            conflicts,
            cluster=self.settings.name,
            region=self.settings.region,
            agent_version=self.settings.agent_version,
            configuration=configuration,
        )
        await addons.wait_until_settled(self.admin)

    async def remove_addon(self, name: str) -> None:
        """Its pods are gone when this returns; an add-on that is not there is fine."""
        addons.check_known(name)
        await addons.remove(self.admin)
        await addons.wait_until_gone(self.admin)

    async def health(self) -> dict[str, str]:
        """Each part: `ok`, or what is wrong with it."""
        parts = {"api": "ok", "webhook": "ok"}
        try:
            await self.admin.get("/api/v1/namespaces/default")
        except (Refused, aiohttp.ClientError, TimeoutError) as error:
            parts["api"] = str(error) or type(error).__name__
        return parts

    def _connect(self, token: str) -> ApiClient:
        return ApiClient(self.api_server.endpoint, self.api_server.ca_pem, token)

    def _connect_as(self, node: str) -> ApiClient:
        return self._connect(self.api_server.node_token(node))

    async def _runtime(self, credentials: InstanceCredentials) -> Runtime:
        store = ImageStore(self._folder / "images")
        bubblewrap, reason = await try_bubblewrap(store, self._spawner)
        sandbox: Sandbox = bubblewrap or Unconfined(store)
        if reason:
            sys.stderr.write(f"pods have no sandbox and see this machine's files: {reason}\n")
        agents = AgentImage(
            profile_of(self.settings.agent_version),
            region=self.settings.region,
            eks_auth_endpoint=self.aws_endpoint,
            credentials_of=credentials.of,
            faults=self.faults,
            agent_port=self.network.agent_port,
            jwks=self._jwks,
            clock=self.agent_clock,
        )
        return Runtime(
            sandbox,
            self.aws_endpoint,
            agents.start,
            self.api_server.address_for_pods,
            own_network=self.network.tier != "loopback",
        )

    async def _jwks(self) -> dict[str, Any]:
        check_version(self.settings.version)
        return self.api_server.jwks()

    async def _annotations(self, namespace: str, name: str) -> Any:
        return await annotations_of(self.admin, namespace, name)

    async def _exec(self, request: ExecRequest) -> Execution:
        try:
            return await self.groups.execute(request)
        except StartError as error:
            raise status.internal(f"error executing command in container: {error}") from error

    async def _log(self, request: LogRequest) -> AsyncIterator[bytes]:
        found = self.groups.log(request)
        if found is None:
            which = "previous terminated container" if request.previous else "container"
            raise ApiError(
                400,
                "BadRequest",
                f'{which} "{request.container}" in pod "{request.pod}" not found',
            )
        async for piece in found:
            yield piece
