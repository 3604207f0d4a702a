"""How a cluster process starts, is asked wrong things, and ends without leaving anything."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from conformance.cluster.process import orphaned

OTHERS = ("userns", "loopback")
START = """
import os, signal, subprocess, sys
reader, writer = os.pipe()
os.set_inheritable(reader, True)
subprocess.Popen(
    [sys.executable, "-m", "conformance.cluster", "--dir", sys.argv[1],
     "--lifeline-fd", str(reader)],
    pass_fds=(reader,),
)
signal.pause()
"""


def configuration(environment: Path) -> dict[str, Any]:
    return {
        "name": "lab",
        "arn": "arn:aws:eks:us-west-2:111122223333:cluster/lab",
        "region": "us-west-2",
        "account_id": "111122223333",
        "version": "1.33",
        "issuer": "https://oidc.example.com",
        "aws_port": 4566,
        "aws_socket": str(environment / "aws.sock"),
        "agent_version": "0.1.37",
    }


def below(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def gone_within(seconds: float, processes: list[psutil.Process], folder: Path) -> None:
    assert not alive_after(seconds, processes)
    assert not folder.exists()


def alive_after(seconds: float, processes: list[psutil.Process]) -> list[psutil.Process]:
    """An orphan that has ended is there until the machine's first process looks after it."""
    _, there = psutil.wait_procs(processes, timeout=seconds)
    alive = []
    for process in there:
        with suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                alive.append(process)
    return alive


def busy(cluster: Any, shell_pod: Any) -> list[psutil.Process]:
    """
    Pods that run, one of them deaf to SIGTERM; every process of the cluster.

    They say so themselves: "Running" may come while bwrap still makes the sandbox, and
    until that is done bwrap outlives a parent that is killed.
    """
    cluster.scale(2)
    cluster.create(shell_pod("sleeps", "echo up; sleep 600"))
    deaf = "trap '' TERM; echo up; (sleep 601 &) ; while true; do sleep 1; done"
    cluster.create(shell_pod("deaf", deaf))
    for name in ("sleeps", "deaf"):
        cluster.until(name, lambda pod: pod["status"]["phase"] == "Running")
        cluster.until(name, lambda pod: cluster.log(pod["metadata"]["name"]) == "up\n")
    return [psutil.Process(cluster.process.pid), *below(cluster.process.pid)]


@pytest.mark.parametrize(
    "network", ["auto", *(pytest.param(one, marks=pytest.mark.long) for one in OTHERS)]
)
def test_end_of_the_lifeline_ends_everything(
    aws: Any, start_cluster: Callable[..., Any], shell_pod: Any, machine: Any, network: str
) -> None:
    if network == "userns" and (machine["tier"] == "loopback" or "userns" in machine["reasons"]):
        pytest.skip("no user namespaces on this machine")
    with start_cluster(aws, network) as cluster:
        processes = busy(cluster, shell_pod)
        assert len(processes) > 4
        os.close(cluster.lifeline)
        gone_within(2.0, processes, cluster.folder)


def test_sigterm_ends_everything(
    aws: Any, start_cluster: Callable[..., Any], shell_pod: Any
) -> None:
    with start_cluster(aws) as cluster:
        processes = busy(cluster, shell_pod)
        cluster.process.terminate()
        gone_within(2.0, processes, cluster.folder)
        assert cluster.process.wait() == 0


def test_stop_is_accepted_and_done(aws: Any, start_cluster: Callable[..., Any]) -> None:
    with start_cluster(aws) as cluster:
        assert cluster.control("POST", "/stop")[0] == 202
        assert cluster.process.wait(timeout=2) == 0


def test_pods_die_with_a_killed_cluster(
    aws: Any, start_cluster: Callable[..., Any], shell_pod: Any, machine: Any
) -> None:
    if not machine["bubblewrap"]:
        pytest.skip("without bubblewrap, what a program started outlives a killed cluster")
    with start_cluster(aws) as cluster:
        processes = busy(cluster, shell_pod)
        cluster.process.kill()
        assert not alive_after(2.0, processes)
        # Its folder is its parent's to remove; here that is this test.
        subprocess.run(["rm", "-rf", str(cluster.folder)], check=True)


def test_a_killed_parent_takes_the_cluster_along(tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    folder = environment / "c"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(configuration(environment)))
    parent = subprocess.Popen(
        [sys.executable, "-c", START, str(folder)],
        stdout=subprocess.PIPE,
        env={"PATH": os.defpath, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    with parent:
        assert parent.stdout is not None
        assert json.loads(parent.stdout.readline())["endpoint"]
        processes = below(parent.pid)
        # As an AWS process has it; killed, it cannot remove its folder itself.
        (environment / "aws.json").write_text(json.dumps({"pid": parent.pid}))
        parent.send_signal(signal.SIGKILL)
        gone_within(2.0, processes, environment)


def test_folder_of_a_killed_aws_process_goes_only_if_it_is_its_own(tmp_path: Path) -> None:
    started_by, now = os.getppid() + 1, os.getppid()
    assert not orphaned(tmp_path, started_by)
    for content, parent, gone in (
        ({"pid": started_by}, started_by, True),
        ({"pid": now}, now, False),
        ({"pid": started_by + 1}, started_by, False),
        ({}, started_by, False),
        ([], started_by, False),
    ):
        (tmp_path / "aws.json").write_text(json.dumps(content))
        assert orphaned(tmp_path, parent) is gone
    (tmp_path / "aws.json").write_text("{")
    assert not orphaned(tmp_path, started_by)


def test_the_hub_is_reached_by_pods_and_only_by_them(
    aws: Any, start_cluster: Callable[..., Any], own_networks: Any
) -> None:
    with start_cluster(aws) as cluster, cluster.hub() as hub:
        assert hub.getsockname() == ("100.64.0.1", 4566)
        cluster.scale(1)
        hub.settimeout(5)
        ask = "exec 3<>/dev/tcp/100.64.0.1/4566; cat <&3"
        pod = {"command": ["bash", "-c", ask]}
        spec = {"containers": [{"name": "c", "image": "debian", **pod}], "restartPolicy": "Never"}
        cluster.create({"metadata": {"name": "asks"}, "spec": spec})
        visitor, address = hub.accept()
        with visitor:
            visitor.sendall(b"hello\n")
        assert address[0] == cluster.phase("asks", "Succeeded")["status"]["podIP"]
        assert cluster.log("asks") == "hello\n"


def test_nothing_listens_beyond_loopback(cluster: Any) -> None:
    cluster.control("PUT", "/addons/eks-pod-identity-agent", {})
    # Of the namespace that this test is in; agents listen in their nodes'.
    listening = [c for c in psutil.net_connections("inet") if c.pid == cluster.process.pid]
    assert {c.laddr[0] for c in listening if c.laddr} == {"127.0.0.1"}


def test_health_and_faults(cluster: Any) -> None:
    status, health = cluster.control("GET", "/health")
    assert status == 200
    assert health["ok"]
    assert health["parts"]["api"] == "ok"
    active = {"active": ["agent-shares-cache-across-pods"]}
    assert cluster.control("PUT", "/faults", active) == (200, active)
    status, answer = cluster.control("PUT", "/faults", {"active": ["no-such"]})
    assert status == 400
    assert "no-such" in answer["error"]
    cluster.control("PUT", "/faults", {"active": []})


def test_a_wrong_request_names_the_field(cluster: Any) -> None:
    status, answer = cluster.control("PUT", "/nodegroups/x", {"desired": -1, "role_arn": "r"})
    assert status == 400
    assert answer["error"].startswith("desired:")


def test_secrets_are_in_no_command_line(cluster: Any, shell_pod: Any) -> None:
    processes = busy(cluster, shell_pod)
    told = ""
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # Some are over in a moment, like those of `sleep 1`.
            told += " ".join([*process.cmdline(), ""])
    assert "sleep 600" in told
    assert cluster.info["admin_token"] not in told
    assert (cluster.folder / "control.sock").stat().st_mode & 0o077 == 0


def test_a_bad_configuration_names_the_field(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"name": "lab"}')
    ended = subprocess.run(
        [sys.executable, "-m", "conformance.cluster", "--dir", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 3
    assert "arn: Field required" in ended.stderr


def test_ipv6_cluster_without_ipv6_of_its_own_says_so(tmp_path: Path) -> None:
    wanted = configuration(tmp_path) | {"ip_family": "ipv6", "network": "loopback"}
    (tmp_path / "config.json").write_text(json.dumps(wanted))
    ended = subprocess.run(
        [sys.executable, "-m", "conformance.cluster", "--dir", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 3
    assert "ipFamily ipv6 needs IPv6 on nodes of their own" in ended.stderr


def test_scaling_down_keeps_the_others(aws: Any, start_cluster: Callable[..., Any]) -> None:
    with start_cluster(aws) as cluster:
        cluster.scale(3)
        before = cluster.nodes()
        cluster.scale(1)
        assert len(cluster.nodes()) == 1
        assert set(cluster.nodes()) <= set(before)
        began = time.monotonic()
        cluster.scale(3)
        assert time.monotonic() - began < 5
        assert len(cluster.nodes()) == 3
