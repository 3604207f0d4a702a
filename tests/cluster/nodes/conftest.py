"""A cluster process with AWS played by a stand-in, and words to talk about its pods."""

import base64
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import pytest
import websocket

from conformance.cluster.nodes.preflight import Findings, detect
from tests.cluster.nodes.stand_in_aws import Aws

Json = dict[str, Any]
NOBODY = 65534
NODE_ROLE = "arn:aws:iam::111122223333:role/node"
BOUND_SECONDS = 20.0


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("cluster", timeout=BOUND_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class RunningCluster:
    """One cluster process, its API and its control socket."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], lifeline: int) -> None:
        self.folder = folder
        self.process = process
        self.lifeline = lifeline
        assert process.stdout is not None
        self.info: Json = json.loads(process.stdout.readline())
        authority = base64.b64decode(self.info["ca"]).decode()
        self._tls = ssl.create_default_context(cadata=authority)

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        token: str = "",
        headers: dict[str, str] | None = None,
    ) -> tuple[int, str]:
        address = self.info["endpoint"].removeprefix("https://")
        connection = http.client.HTTPSConnection(address, context=self._tls, timeout=BOUND_SECONDS)
        bearer = {"Authorization": f"Bearer {token or self.info['admin_token']}"}
        return _exchange(connection, method, path, body, bearer | (headers or {}))

    def api(self, method: str, path: str, body: object = None) -> Json:
        status, text = self.request(method, path, body)
        assert status < 400, text
        return cast(Json, json.loads(text))

    def control(self, method: str, path: str, body: object = None) -> tuple[int, Json]:
        connection = _Unix(self.folder / "control.sock")
        status, text = _exchange(connection, method, path, body, {})
        return status, json.loads(text)

    def scale(self, desired: int) -> None:
        wanted = {"desired": desired, "role_arn": NODE_ROLE, "labels": {"team": "shop"}}
        status, answer = self.control("PUT", "/nodegroups/main", wanted)
        assert status == 200, answer

    def nodes(self) -> list[str]:
        return [node["metadata"]["name"] for node in self.api("GET", "/api/v1/nodes")["items"]]

    def hub(self) -> socket.socket:
        with socket.socket(socket.AF_UNIX) as door:
            door.connect(str(self.folder / "hub.sock"))
            _, descriptors, _, _ = socket.recv_fds(door, 16, 1)
        return socket.socket(fileno=descriptors[0])

    def create(self, pod: Json, namespace: str = "default") -> Json:
        return self.api("POST", f"/api/v1/namespaces/{namespace}/pods", pod)

    def pod(self, name: str, namespace: str = "default") -> Json:
        return self.api("GET", f"/api/v1/namespaces/{namespace}/pods/{name}")

    def log(self, name: str, query: str = "", namespace: str = "default") -> str:
        path = f"/api/v1/namespaces/{namespace}/pods/{name}/log{query}"
        status, text = self.request("GET", path)
        assert status == 200, text
        return text

    def until(self, name: str, holds: Callable[[Json], object], namespace: str = "default") -> Json:
        """The pod, as soon as `holds`; fails with its last status."""
        end = time.monotonic() + BOUND_SECONDS
        while not holds(pod := self.pod(name, namespace)):
            assert time.monotonic() < end, json.dumps(pod["status"], indent=1)
            time.sleep(0.005)
        return pod

    def phase(self, name: str, *phases: str, namespace: str = "default") -> Json:
        return self.until(name, lambda pod: pod["status"]["phase"] in phases, namespace)

    def run(self, name: str, command: str, namespace: str = "default", **spec: Any) -> str:
        """The log of a pod that ran a shell command to its good end."""
        self.create(shell(name, command, **spec), namespace)
        pod = self.phase(name, "Succeeded", "Failed", namespace=namespace)
        said = self.log(name, namespace=namespace)
        assert pod["status"]["phase"] == "Succeeded", said
        return said

    def attach(self, pod: str, *command: str, **streams: bool) -> websocket.WebSocket:
        """A program in a pod that has been started, and its streams."""
        query = [("command", one) for one in command]
        query += [("stdout", "true"), ("stderr", "true")]
        query += [(name, str(wanted).lower()) for name, wanted in streams.items()]
        host = self.info["endpoint"].removeprefix("https")
        return websocket.create_connection(
            f"wss{host}/api/v1/namespaces/default/pods/{pod}/exec?{urlencode(query)}",
            timeout=BOUND_SECONDS,
            subprotocols=["v5.channel.k8s.io"],
            header={"Authorization": f"Bearer {self.info['admin_token']}"},
            sslopt={"context": self._tls},
        )

    def execute(
        self,
        pod: str,
        *command: str,
        stdin: bytes = b"",
        terminal: tuple[int, int] | None = None,
    ) -> tuple[int, str, str]:
        """Exit code, output and errors of a program in a pod, by protocol v5."""
        opened = self.attach(pod, *command, stdin=bool(stdin), tty=terminal is not None)
        said = {1: b"", 2: b"", 3: b""}
        # Its own close() keeps a socket that the other side has closed.
        with closing(cast(socket.socket, opened.sock)):
            assert opened.getsubprotocol() == "v5.channel.k8s.io"
            if terminal:
                size = {"Width": terminal[0], "Height": terminal[1]}
                opened.send_binary(b"\x04" + json.dumps(size).encode())
            if stdin:
                opened.send_binary(b"\x00" + stdin)
                opened.send_binary(b"\xff\x00")
            while True:
                kind, data = opened.recv_data()
                if kind == websocket.ABNF.OPCODE_CLOSE:
                    break
                said[data[0]] += data[1:]
        outcome = json.loads(said[3])
        causes = (outcome.get("details") or {}).get("causes") or [{"message": "0"}]
        assert (outcome["status"] == "Success") == (causes[0]["message"] == "0")
        return int(causes[0]["message"]), said[1].decode(), said[2].decode()

    def gone(self, name: str, namespace: str = "default") -> None:
        """Waits until the pod's object is gone."""
        end = time.monotonic() + BOUND_SECONDS
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        while self.request("GET", path)[0] != 404:
            assert time.monotonic() < end, name
            time.sleep(0.005)

    def end(self) -> None:
        """Close the lifeline and wait; the process must be gone within its 2 s."""
        with suppress(OSError):
            os.close(self.lifeline)
        self.process.wait(timeout=3)
        assert self.process.stdout is not None
        self.process.stdout.close()


def _exchange(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: object,
    headers: dict[str, str],
) -> tuple[int, str]:
    try:
        connection.request(
            method,
            path,
            None if body is None else json.dumps(body),
            {"Content-Type": "application/json"} | headers,
        )
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def shell(name: str, command: str, **spec: Any) -> Json:
    """A pod that runs a shell command once."""
    container = {
        "name": "main",
        "image": "busybox",
        "command": ["sh", "-c", command],
        **spec.pop("container", {}),
    }
    return {
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "containers": [container],
            **spec,
        },
    }


@contextmanager
def running_cluster(
    aws: Aws,
    network: str = "auto",
    user: int | None = None,
    first_on_path: Path | None = None,
    **settings: Any,
) -> Iterator[RunningCluster]:
    outer = Path(tempfile.mkdtemp(prefix="lab"))
    outer.chmod(0o755)
    folder = outer / "c"
    folder.mkdir(mode=0o700)
    configuration = {
        "name": "lab",
        "arn": "arn:aws:eks:us-west-2:111122223333:cluster/lab",
        "region": "us-west-2",
        "account_id": "111122223333",
        "version": "1.33",
        "issuer": "https://oidc.eks.us-west-2.amazonaws.com/id/LAB",
        "network": network,
        "aws_port": 4566,
        "aws_socket": str(aws.socket_path),
        "agent_version": "0.1.37",
        **settings,
    }
    (folder / "config.json").write_text(json.dumps(configuration))
    if user is not None:
        for path in (outer, folder, folder / "config.json"):
            os.chown(path, user, user)
    paths = [*([first_on_path] if first_on_path else []), Path(__file__).parents[3]]
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "conformance.cluster"),
            *("--dir", str(folder), "--lifeline-fd", str(reader)),
        ],
        stdout=subprocess.PIPE,
        pass_fds=(reader,),
        env={"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(map(str, paths))},
        cwd="/",
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    )
    os.close(reader)
    cluster = RunningCluster(folder, process, writer)
    try:
        yield cluster
    finally:
        cluster.end()
        assert not list(outer.iterdir()), "the cluster left something behind"
        outer.rmdir()


@pytest.fixture(scope="session")
def machine() -> Findings:
    return detect()


@pytest.fixture(scope="session")
def nobody() -> int:
    """A user without rights, who may run this interpreter with this project."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    try:
        subprocess.run(
            [sys.executable, "-c", "import conformance.cluster"],
            cwd="/",
            env={"PATH": os.defpath, "PYTHONPATH": str(Path(__file__).parents[3])},
            check=True,
            capture_output=True,
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
        )
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"the interpreter or the project is closed to other users: {error}")
    return NOBODY


@pytest.fixture(scope="session")
def own_networks(machine: Findings) -> Findings:
    if machine["tier"] == "loopback":
        pytest.skip(f"no network namespaces on this machine: {machine['reasons']}")
    return machine


@pytest.fixture
def aws() -> Iterator[Aws]:
    with tempfile.TemporaryDirectory(prefix="aws") as folder:
        Path(folder).chmod(0o755)
        made = Aws(Path(folder))
        yield made
        made.close()


@pytest.fixture(scope="module")
def shared_aws() -> Iterator[Aws]:
    with tempfile.TemporaryDirectory(prefix="aws") as folder:
        made = Aws(Path(folder))
        yield made
        made.close()


@pytest.fixture(scope="module")
def cluster(shared_aws: Aws) -> Iterator[RunningCluster]:
    """A cluster with two nodes, shared by the tests of a file."""
    with running_cluster(shared_aws) as made:
        made.scale(2)
        yield made


StartCluster = Callable[..., Any]


@pytest.fixture
def start_cluster() -> StartCluster:
    """Starts a cluster of the test's own."""
    return running_cluster


@pytest.fixture(scope="session")
def shell_pod() -> Callable[..., Json]:
    return shell
