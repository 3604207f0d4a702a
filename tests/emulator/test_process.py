import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from conformance.emulator.admin import AdminClient
from conformance.emulator.launch import Announced, Launched, launch
from conformance.errors import HarnessError
from conformance.sweep.machine import served


def _gone_within(launched: Launched, seconds: float) -> bool:
    try:
        launched.process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return not launched.folder.exists()


def test_lifeline_ends_the_process_and_its_folder(short_folder: Path) -> None:
    launched = launch(short_folder)
    assert launched.lifeline is not None
    os.close(launched.lifeline)
    launched.lifeline = None
    assert _gone_within(launched, 3)
    assert launched.process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_the_process_and_its_folder(short_folder: Path, number: int) -> None:
    launched = launch(short_folder)
    launched.process.send_signal(number)
    assert _gone_within(launched, 3)
    launched.stop()


def test_killed_parent_takes_the_process_along(tmp_path: Path, short_folder: Path) -> None:
    code = (
        "import sys, pathlib; from conformance.emulator.launch import launch\n"
        f"l = launch(pathlib.Path({str(short_folder)!r})); print(l.process.pid, flush=True)\n"
        "sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    assert parent.stdin is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    psutil.wait_procs([child], timeout=3)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    assert not short_folder.exists()
    parent.stdin.close()
    parent.stdout.close()


def test_one_that_outlives_its_parent_is_held_by_itself(short_folder: Path) -> None:
    launched = launch(short_folder)
    launched.outlive()
    assert launched.lifeline is None
    assert launched.admin.health().ok
    assert served(short_folder)
    launched.admin.stop()
    assert _gone_within(launched, 3)


def test_without_lifeline_it_ends_when_asked(short_folder: Path) -> None:
    launched = launch(short_folder, lifeline=False)
    assert launched.lifeline is None
    launched.admin.stop()
    assert _gone_within(launched, 3)


def test_it_listens_on_loopback_only(launched: Launched) -> None:
    process = psutil.Process(launched.announced.pid)
    listening = [c.laddr for c in process.net_connections("inet") if c.status == "LISTEN"]
    assert [address.ip for address in listening] == ["127.0.0.1"]


def test_files_are_the_owners_alone(launched: Launched) -> None:
    assert (launched.folder / "aws.json").stat().st_mode & 0o777 == 0o600
    assert (launched.folder / "aws.sock").stat().st_mode & 0o777 == 0o600


def test_secrets_are_in_aws_json_alone(launched: Launched, wire: Any) -> None:
    session = wire.node_session("secretive", [])
    wire.client("s3", session)
    assert launched.announced.secret_access_key in (launched.folder / "aws.json").read_text()
    secrets = [launched.announced.secret_access_key, session["SecretAccessKey"], session["Token"]]
    process = psutil.Process(launched.announced.pid)
    seen = " ".join(process.cmdline())
    for path in launched.folder.iterdir():
        if path.is_file() and path.name != "aws.json":
            seen += path.read_text()
    assert not [secret for secret in secrets if secret in seen]


def test_environment_of_the_process_is_built_from_nothing(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-real-one")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    launched = launch(short_folder)
    try:
        environment = psutil.Process(launched.announced.pid).environ()
    finally:
        launched.stop()
    assert set(environment) <= {"PATH", "HOME", "LC_CTYPE"}


def test_account_is_random_unless_given(short_folder: Path, launched: Launched) -> None:
    given = launch(short_folder, account_id="123456789012")
    given.stop()
    assert given.aws.account_id == "123456789012"
    assert launched.aws.account_id.startswith("0000")
    assert len(launched.aws.account_id) == 12


def test_root_key_says_that_it_is_not_real(launched: Launched) -> None:
    assert launched.announced.access_key_id.startswith("AKIAEMULATED")
    assert len(launched.announced.access_key_id) == 20


def test_unknown_fault_is_refused_at_start(short_folder: Path) -> None:
    with pytest.raises(HarnessError, match="no-such-fault"):
        launch(short_folder, faults=["no-such-fault"])


def test_folder_too_deep_for_a_socket_says_so(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="path too long"):
        launch(tmp_path / ("deep" * 30))


def test_two_run_side_by_side(short_folder: Path, launched: Launched) -> None:
    other = launch(short_folder)
    try:
        assert other.aws.endpoint != launched.aws.endpoint
        assert other.admin.health().ok
    finally:
        other.stop()


def test_faults_given_at_start_are_active(short_folder: Path) -> None:
    launched = launch(short_folder, faults=["eks-auth-down"])
    try:
        assert launched.admin.faults() == ["eks-auth-down"]
    finally:
        launched.stop()


def test_eks_auth_that_is_down_closes_the_connection(launched: Launched, wire: Any) -> None:
    from botocore.exceptions import ConnectionClosedError  # noqa: PLC0415 -- used here only

    client = wire.client("eks-auth")
    launched.admin.set_faults(["eks-auth-down"])
    try:
        with pytest.raises(ConnectionClosedError):
            client.assume_role_for_pod_identity(clusterName="one", token="a.b.c")
    finally:
        launched.admin.set_faults([])


def test_process_cannot_reach_another_host() -> None:
    code = (
        "from conformance.emulator import outbound; outbound.refuse()\n"
        "import socket\n"
        "for call in (lambda: socket.create_connection(('192.0.2.1', 80), 1),\n"
        "             lambda: socket.getaddrinfo('example.com', 80),\n"
        "             lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
        ".sendto(b'x', ('192.0.2.1', 53))):\n"
        "    try: call()\n"
        "    except outbound.OutboundRefusedError: continue\n"
        "    raise SystemExit('reached')\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "socket.create_connection(server.getsockname())\n"
        "print('ok')"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("ok\n", "")


def test_announcement_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"aws\.json"):
        Announced.read(tmp_path)


def test_client_of_a_process_that_is_gone_says_so(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="GET /health got no answer"):
        AdminClient(tmp_path / "aws.sock").health()


def test_listening_socket_that_arrives_later_is_served(in_process: Any) -> None:
    import asyncio  # noqa: PLC0415 -- used here only

    from conformance.emulator.http_server import HttpServer  # noqa: PLC0415 -- after prepare
    from conformance.emulator.router import Router  # noqa: PLC0415 -- after prepare

    async def ask_the_second() -> bytes:
        server = HttpServer(Router(in_process, {}))
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        addresses = [listening.getsockname() for listening in sockets]
        for listening in sockets:
            await server.listen(listening)
        reader, writer = await asyncio.open_connection(*addresses[1])
        writer.write(b"GET /_ministack/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
        await server.close()
        return line

    assert asyncio.run(ask_the_second()).startswith(b"HTTP/1.1 404")


def test_closed_socket_takes_its_connections_along_and_no_others(in_process: Any) -> None:
    import asyncio  # noqa: PLC0415 -- used here only

    from conformance.emulator.http_server import HttpServer  # noqa: PLC0415 -- after prepare
    from conformance.emulator.router import Router  # noqa: PLC0415 -- after prepare

    request = b"GET /_ministack/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

    async def scenario() -> None:
        server = HttpServer(Router(in_process, {}))
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        addresses = [listening.getsockname() for listening in sockets]
        close, _ = [await server.listen(listening) for listening in sockets]
        streams = [await asyncio.open_connection(*address) for address in addresses]
        for reader, writer in streams:
            writer.write(request)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 404")
        await close()
        await close()
        assert await streams[0][0].read() == b""
        streams[1][1].write(request)
        assert (await streams[1][0].readline()).startswith(b"HTTP/1.1 404")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*addresses[0])
        for _, writer in streams:
            writer.close()
        await server.close()

    asyncio.run(scenario())


def test_aws_json_is_what_the_architecture_says(launched: Launched) -> None:
    announced = json.loads((launched.folder / "aws.json").read_text())
    assert set(announced) == {
        "pid",
        "endpoint",
        "region",
        "account_id",
        "access_key_id",
        "secret_access_key",
        "organization",
        "other",
        "parts",
    }
    assert announced["other"]["account_id"] != announced["account_id"]
    assert announced["organization"].startswith("o-")
    assert announced["parts"]["ministack"]
