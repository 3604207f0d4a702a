"""A running API server in a thread of its own, and a plain HTTPS client for it."""

import asyncio
import json
import os
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import urllib3
from kubernetes import client as typed_client
from kubernetes import config as typed_config

from conformance.cluster.apiserver import ApiServer, LogRequest
from conformance.cluster.controllers import Controllers
from tests.cluster.apiserver import any_cluster
from tests.cluster.apiserver.any_cluster import Ask

# Every field of the models is optional to mypy; what is there is what these tests check.
client: Any = typed_client
config: Any = typed_config


@dataclass
class Answer:
    """Status, headers and body; JSON is decoded."""

    status: int
    headers: dict[str, str]
    body: Any


class Client:
    """Raw HTTPS: what a test sends is what goes out."""

    def __init__(self, endpoint: str, ca_pem: str, token: str | None) -> None:
        self._endpoint = endpoint
        self._token = token
        context = ssl.create_default_context(cadata=ca_pem)
        self._pool = urllib3.PoolManager(ssl_context=context, retries=False)
        self._ca_pem = ca_pem

    def as_user(self, token: str | None) -> "Client":
        return Client(self._endpoint, self._ca_pem, token)

    def close(self) -> None:
        self._pool.clear()

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str | None = "application/json",
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        sent = dict(headers or {})
        if self._token:
            sent["Authorization"] = f"Bearer {self._token}"
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        if data is not None and content_type:
            sent["Content-Type"] = content_type
        url = f"{self._endpoint}{path}"
        if query:
            url += "?" + urlencode(query)
        response = self._pool.request(method, url, body=data, headers=sent, timeout=20)
        text = response.data.decode()
        is_json = "json" in response.headers.get("Content-Type", "")
        try:
            decoded = json.loads(text) if is_json and text else text
        except ValueError:
            decoded = text  # a stream of several documents
        headers_in = {key.lower(): value for key, value in response.headers.items()}
        return Answer(response.status, headers_in, decoded)


class RunningServer:
    """
    An API server with its controllers, on a loop in a thread.

    `ahead` moves its clock; `logs` is what `pods/log` answers, by pod name.
    """

    def __init__(self, issuer: str, *, scheduler: bool = True, **settings: Any) -> None:
        self.ahead = timedelta()
        self.logs: dict[str, list[bytes]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="apiserver")
        self._thread.start()
        self._scheduler = scheduler
        self.server = self.run(self._start(issuer, settings))
        self.client = Client(self.server.endpoint, self.server.ca_pem, self.server.admin_token)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _start(self, issuer: str, settings: dict[str, Any]) -> ApiServer:
        server = ApiServer("test", issuer, now=self.now, log_source=self._log, **settings)
        await server.start(socket.create_server(("127.0.0.1", 0)))
        self._controllers = Controllers(server, scheduler=self._scheduler)
        await self._controllers.start()
        return server

    async def _log(self, request: LogRequest) -> AsyncIterator[bytes]:
        for piece in self.logs.get(request.pod, ()):
            yield piece

    def hold(self) -> None:
        """Controllers look at nothing until `resume`, as if they were slow."""
        self.run(self._controllers.close())

    def resume(self) -> None:
        self.run(self._controllers.start())

    async def _stop(self) -> None:
        await self._controllers.close()
        await self.server.close()

    def settle(self) -> None:
        """Until no controller has anything left to do."""
        self.run(self._controllers.settled())

    def close(self) -> None:
        self.client.close()
        self.run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture(scope="module")
def start_server() -> Iterator[Callable[..., RunningServer]]:
    started: list[RunningServer] = []

    def start(issuer: str = "https://issuer.test/id/1", **settings: Any) -> RunningServer:
        started.append(RunningServer(issuer, **settings))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture(scope="module")
def running(start_server: Callable[..., RunningServer]) -> RunningServer:
    return start_server()


@pytest.fixture(scope="session")
def given(pytestconfig: pytest.Config) -> Path | None:
    """The kubeconfig of a cluster to test instead of ours."""
    named = pytestconfig.getoption("--kubeconfig")
    return Path(named) if named else None


@pytest.fixture(scope="module")
def api(
    given: Path | None, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """The official client, as administrator of ours or of the cluster that was given."""
    path = given
    if path is None:
        running = request.getfixturevalue("running")
        path = any_cluster.kubeconfig(running, tmp_path_factory.mktemp("kube"))
    loaded = client.Configuration()
    config.load_kube_config(config_file=str(path), client_configuration=loaded)
    with client.ApiClient(loaded) as opened:
        yield opened


@pytest.fixture(scope="module")
def core(api: Any) -> Any:
    return client.CoreV1Api(api)


@pytest.fixture(scope="module")
def namespace(core: Any, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the file's own."""
    name = f"{request.module.__name__.rpartition('_')[2]}-{os.getpid()}"
    core.create_namespace({"metadata": {"name": name}})
    yield name
    core.delete_namespace(name)


@pytest.fixture(scope="module")
def ask(api: Any) -> Ask:
    return Ask(api)


@pytest.fixture(scope="module")
def maps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


@pytest.fixture(scope="module")
def pods(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


@pytest.fixture(scope="module")
def accounts(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/serviceaccounts"
