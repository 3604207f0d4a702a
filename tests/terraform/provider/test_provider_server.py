import json
import os
import socket
import stat
import tempfile
from pathlib import Path

import psutil
import pytest

from conformance.errors import HarnessError
from conformance.terraform.provider import server
from conformance.terraform.provider.connection import Settings
from conformance.terraform.provider.server import serve


def attached(environment: dict[str, str]) -> dict[str, object]:
    entries = json.loads(environment["TF_REATTACH_PROVIDERS"])
    assert set(entries) == {
        f"registry.{engine}.{ending}/hashicorp/{name}"
        for engine, ending in (("terraform", "io"), ("opentofu", "org"))
        for name in ("aws", "awscc")
    }
    entry: dict[str, object] = entries["registry.terraform.io/hashicorp/aws"]
    return entry


def test_terraform_is_never_given_our_own_pid_to_kill() -> None:
    with serve(Settings()) as environment:
        pid = attached(environment)["Pid"]
        assert pid != os.getpid()
        assert isinstance(pid, int)
        assert psutil.Process(pid).parent() == psutil.Process()
    assert not Path(f"/proc/{pid}").exists()


def test_nobody_else_can_reach_the_socket() -> None:
    with serve(Settings()) as environment:
        address = attached(environment)["Addr"]
        assert isinstance(address, dict)
        path = Path(address["String"])
        assert address["Network"] == "unix"
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))
    assert not path.parent.exists()


def test_each_run_has_a_server_of_its_own() -> None:
    with serve(Settings()) as one, serve(Settings()) as other:
        assert attached(one)["Addr"] != attached(other)["Addr"]


def test_a_long_folder_for_temporary_files_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(deep))

    with serve(Settings(), deep) as environment:
        address = attached(environment)["Addr"]
        assert isinstance(address, dict)
        assert address["String"].startswith("/tmp/")

    monkeypatch.setattr(server, "_SOCKET_PATH_LIMIT", 20)
    with (
        pytest.raises(HarnessError, match="short enough for a socket"),
        serve(Settings(), deep),
    ):
        pass


def test_the_socket_lies_in_the_work_folder_and_goes_with_it() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="conformance-") as folder,
        serve(Settings(), Path(folder)) as environment,
    ):
        address = attached(environment)["Addr"]
        assert isinstance(address, dict)
        assert Path(address["String"]).is_relative_to(folder)


def test_a_long_work_folder_leaves_the_socket_to_the_environments_own(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    with (
        tempfile.TemporaryDirectory(prefix="conformance-") as folder,
        serve(Settings(), deep, Path(folder)) as environment,
    ):
        address = attached(environment)["Addr"]
        assert isinstance(address, dict)
        assert Path(address["String"]).is_relative_to(folder)
