"""What a pod can reach, of networks and of files."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

REACH = """
import socket, sys
for target in sys.argv[1:]:
    host, _, port = target.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), 3) as made:
            print(target, made.recv(100).decode() or "open")
    except OSError as error:
        print(target, error.strerror or error)
"""


@pytest.fixture(scope="module")
def places(cluster: Any, own_networks: Any) -> Any:
    return cluster


def reach(cluster: Any, name: str, *targets: str, **spec: Any) -> dict[str, str]:
    container = {"image": "python", "command": ["python", "-c", REACH, *targets]}
    said = cluster.run(name, "", container=container, **spec)
    return dict(line.split(" ", 1) for line in said.splitlines())


def test_nothing_outside_is_reachable(places: Any) -> None:
    targets = ("8.8.8.8:53", "fd00:ec2::254:80", "2001:4860:4860::8888:53")
    assert set(reach(places, "out", *targets).values()) == {"Network is unreachable"}


def test_the_hosts_loopback_is_not_the_pods(places: Any) -> None:
    port = places.info["endpoint"].rpartition(":")[2]
    seen = reach(places, "loop", f"127.0.0.1:{port}", f"100.64.0.1:{port}")
    assert set(seen.values()) == {"Connection refused"}


def test_each_node_answers_at_the_agents_address_for_its_own_pods(places: Any) -> None:
    """A server in one node's network at 169.254.170.23 is met by that node's pods alone."""
    first, second = places.nodes()
    serve = (
        "import socket\n"
        "for address in ('169.254.170.23', 'fd00:ec2::23'):\n"
        "    family = socket.AF_INET6 if ':' in address else socket.AF_INET\n"
        "    listener = socket.create_server((address, 8000), family=family)\n"
        "    globals()[address] = listener\n"
        "print('up', flush=True)\n"
        "import select\n"
        "both = [globals()['169.254.170.23'], globals()['fd00:ec2::23']]\n"
        "while True:\n"
        "    for ready in select.select(both, [], [])[0]:\n"
        "        visitor, _ = ready.accept()\n"
        "        visitor.sendall(b'first')\n"
        "        visitor.close()\n"
    )
    places.create(
        {
            "metadata": {"name": "server"},
            "spec": {
                "nodeName": first,
                "hostNetwork": True,
                "terminationGracePeriodSeconds": 1,
                "containers": [
                    {"name": "c", "image": "python", "command": ["python", "-c", serve]}
                ],
            },
        }
    )
    places.until("server", lambda p: p["status"]["phase"] == "Running" and places.log("server"))
    agent = ("169.254.170.23:8000", "fd00:ec2::23:8000")
    assert set(reach(places, "here", *agent, nodeName=first).values()) == {"first"}
    assert set(reach(places, "there", *agent, nodeName=second).values()) == {"Connection refused"}
    address = places.pod("server")["status"]["podIP"]
    crossed = reach(places, "across", f"{address}:8000", nodeName=second)
    assert set(crossed.values()) == {"Connection refused"}
    places.api("DELETE", "/api/v1/namespaces/default/pods/server")


def test_pods_reach_each_other_across_nodes(places: Any) -> None:
    first, second = places.nodes()
    serve = (
        "import socket; s = socket.create_server(('', 9000)); print('up', flush=True);"
        "c, _ = s.accept(); c.sendall(b'hi'); c.close()"
    )
    container = {"name": "c", "image": "python", "command": ["python", "-c", serve]}
    spec = {"nodeName": first, "restartPolicy": "Never", "containers": [container]}
    places.create({"metadata": {"name": "peer"}, "spec": spec})
    places.until("peer", lambda p: p["status"]["phase"] == "Running" and places.log("peer"))
    address = places.pod("peer")["status"]["podIP"]
    assert address.startswith("100.64.")
    assert reach(places, "caller", f"{address}:9000", nodeName=second) == {f"{address}:9000": "hi"}


def test_containers_of_a_pod_share_its_network(places: Any) -> None:
    names = {
        places.run(f"net{number}", "readlink /proc/self/ns/net", nodeName=places.nodes()[0])
        for number in range(2)
    }
    assert len(names) == 2
    assert f"{Path('/proc/self/ns/net').readlink()}\n" not in names


@pytest.fixture
def secret_of_the_host() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=Path.home(), prefix=".conformance-test-") as folder:
        secret = Path(folder) / "key"
        secret.write_text("host-secret")
        yield secret


def test_host_files_are_not_in_the_sandbox(
    cluster: Any, machine: Any, secret_of_the_host: Path
) -> None:
    if not machine["bubblewrap"]:
        pytest.skip(f"no sandbox: {machine['bubblewrap_reason']}")
    paths = [secret_of_the_host, cluster.folder / "config.json", Path(__file__)]
    looked = "; ".join(f"cat {path} && echo found" for path in paths)
    said = cluster.run("looks", f"{looked}; ls /boot /srv /etc/shadow /sys; true")
    assert "found" not in said
    assert "host-secret" not in said
    assert said.count("No such file or directory") == len(paths) + 4


def test_other_pods_are_not_in_the_sandbox(cluster: Any, shell_pod: Any) -> None:
    share = [{"name": "s", "mountPath": "/s"}]
    volumes = [{"name": "s", "emptyDir": {}}]
    mounts = {"volumeMounts": share}
    waits = "echo mine > /s/f; while [ ! -e /s/g ]; do sleep 0.01; done"
    spec = {"terminationGracePeriodSeconds": 0, "volumes": volumes}
    cluster.create(shell_pod("owner", waits, container=mounts, **spec))
    cluster.phase("owner", "Running")
    said = cluster.run(
        "other", "ls /s; ps ax -o args; echo $$$$", container=mounts, volumes=volumes
    )
    assert "sleep 0.01" not in said
    assert "f\n" not in said.splitlines(keepends=True)
    assert int(said.splitlines()[-1]) < 10
    cluster.api("DELETE", "/api/v1/namespaces/default/pods/owner")


def test_a_container_has_no_capability_and_its_own_user(cluster: Any) -> None:
    said = cluster.run(
        "who",
        "id -u; id -g; hostname; grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status",
        securityContext={"runAsUser": 1234, "runAsGroup": 77},
    ).split()
    assert said[:3] == ["1234", "77", "who"]
    assert said[3:] == ["CapEff:", "0" * 16, "CapBnd:", "0" * 16, "NoNewPrivs:", "1"]


def test_a_read_only_root_is_read_only(cluster: Any) -> None:
    said = cluster.run(
        "readonly",
        "for f in /x /tmp/x /run/x /usr/x /v/x; do touch $f 2>/dev/null && echo $f; done; true",
        volumes=[{"name": "v", "emptyDir": {}}],
        container={
            "securityContext": {"readOnlyRootFilesystem": True},
            "volumeMounts": [{"name": "v", "mountPath": "/v"}],
        },
    )
    assert said == "/v/x\n"
