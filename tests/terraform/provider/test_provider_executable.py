import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.environment import Aws
from conformance.terraform.engine import Engine
from conformance.terraform.finding import EngineBinary
from conformance.terraform.provider.executable import _COOKIE
from conformance.terraform.provider.mirror import VERSION, write_mirror
from conformance.terraform.surroundings import aws_environment, child_environment

TWO_REGIONS = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  alias  = "other"
  region = "eu-central-1"
}

data "aws_region" "one" {}

data "aws_region" "other" { provider = aws.other }

output "regions" { value = [data.aws_region.one.id, data.aws_region.other.id] }
"""


def test_plain_terraform_works_with_the_mirror(
    tmp_path: Path, engine_binary: EngineBinary, aws: Aws
) -> None:
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "main.tf").write_text(TWO_REGIONS)
    configuration = write_mirror(tmp_path / "home")
    surroundings = child_environment(folder, configuration) | aws_environment(aws)
    engine = Engine(folder, engine_binary, surroundings)

    engine.init()
    assert engine.apply().outputs["regions"] == ["eu-west-1", "eu-central-1"]
    assert VERSION in (folder / ".terraform.lock.hcl").read_text()


def test_a_person_who_starts_it_is_told_what_it_is() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "conformance.terraform.provider"],
        env={"PATH": os.defpath},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )

    assert told.returncode == 1
    assert "Terraform starts it" in told.stderr


def test_it_ends_when_its_parent_is_gone(tmp_path: Path) -> None:
    shell = (
        f"{sys.executable} -m conformance.terraform.provider > {tmp_path}/line & "
        f"echo $! > {tmp_path}/pid; wait"
    )
    parent = subprocess.Popen(
        ["/bin/sh", "-c", shell],
        env={"PATH": os.defpath, _COOKIE[0]: _COOKIE[1]},
        cwd=Path(__file__).parents[3],
    )
    line = _await(lambda: (tmp_path / "line").exists() and (tmp_path / "line").read_text())
    core, version, network, place, kind, certificate = line.strip().split("|")
    assert (core, version, network, kind) == ("1", "6", "unix", "grpc")
    assert Path(place).exists()
    assert len(certificate) > 200

    parent.kill()
    parent.wait()

    pid = (tmp_path / "pid").read_text().strip()
    _await(lambda: not Path(f"/proc/{pid}").exists())
    assert not Path(place).exists()


def _await(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 15
    while not (seen := look()):
        assert time.monotonic() < deadline, look
        time.sleep(0.05)
    return seen


def test_the_mirror_holds_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret-of-anyone")
    write_mirror(tmp_path)

    texts = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(texts) == 5
    assert "not-a-secret" not in json.dumps(texts)
