import json
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

import conformance
from conformance.environment import Aws, OtherAccount
from conformance.errors import UsageError
from conformance.spec import Association, Role, Spec
from conformance.terraform.stacks import (
    Root,
    cluster,
    fixtures_folder,
    missing_capabilities,
    stack,
    stack_names,
)

EMULATED = Aws(
    region="eu-west-1",
    account_id="111122223333",
    endpoint="http://127.0.0.1:1",
    access_key_id="key",
    secret_access_key="secret",
)
REAL = Aws(region="eu-west-1", account_id="111122223333")
ROOTS: list[Root[Any]] = [
    *map(stack, stack_names()),
    cluster("emulated"),
    cluster("existing"),
]


def test_a_root_is_copied_and_two_files_are_added(tmp_path: Path) -> None:
    folder = tmp_path / "w"
    stack("aws").assemble(folder, {"prefix": "p"}, EMULATED)

    assert {path.name for path in folder.iterdir()} == {
        "addons.tf",
        "documents.tf",
        "main.tf",
        "other_roles.tf",
        "outputs.tf",
        "policies.tf",
        "references.tf",
        "roles.tf",
        "storage.tf",
        "spec.auto.tfvars.json",
        "variables.tf",
        "zz_target_override.tf.json",
    }
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert json.loads((folder / "spec.auto.tfvars.json").read_text()) == {"spec": {"prefix": "p"}}


def test_an_emulation_needs_an_override_without_endpoints_and_keys(tmp_path: Path) -> None:
    stack("aws").assemble(tmp_path / "w", {}, EMULATED)
    text = (tmp_path / "w" / "zz_target_override.tf.json").read_text()

    for provider in json.loads(text)["provider"]["aws"]:
        assert provider["region"] == "eu-west-1"
        assert provider["s3_use_path_style"] is True
    assert not [word for word in ("endpoints", "secret", "key", "127.0.0.1") if word in text]


def test_a_real_account_is_told_its_region_and_nothing_else(tmp_path: Path) -> None:
    stack("aws").assemble(tmp_path / "w", {}, REAL)
    text = (tmp_path / "w" / "zz_target_override.tf.json").read_text()

    own, other = {"region": "eu-west-1"}, {"alias": "other", "region": "eu-west-1"}
    assert json.loads(text) == {"provider": {"aws": [own, other]}}


def test_a_second_account_is_a_profile_and_never_a_key(tmp_path: Path) -> None:
    second = OtherAccount(
        account_id="444455556666", access_key_id="key", secret_access_key="secret"
    )
    stack("aws").assemble(tmp_path / "w", {}, EMULATED.model_copy(update={"other": second}))
    text = (tmp_path / "w" / "zz_target_override.tf.json").read_text()

    assert json.loads(text)["provider"]["aws"][1]["profile"] == second.profile
    assert "secret" not in text


@pytest.mark.parametrize("root", ROOTS, ids=lambda root: root.name)
def test_every_root_says_what_it_needs(root: Root[Any]) -> None:
    text = "".join(path.read_text() for path in root.files)

    for source, version in root.description.sources.items():
        assert f'"{source}"' in text
        assert f'"{version}"' in text
    assert f'variable "{root.variable}"' in text
    assert f'output "{root.output}"' in text


TARGET_ROLE = Spec(
    roles=(Role(name="one"), Role(name="two")),
    associations=(
        Association(namespace="shop", service_account="s", role="one", target_role="two"),
    ),
)


def test_what_a_stack_cannot_do_is_one_sentence() -> None:
    assert missing_capabilities(TARGET_ROLE, "aws") is None
    assert missing_capabilities(TARGET_ROLE, "aws5") == (
        "stack aws5 has no capability target_role: "
        "the scenario needs an association with a target role"
    )


def test_a_stack_may_be_a_folder_of_anybodys(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(fixtures_folder() / "stacks" / "aws", mine)

    assert {file.name for file in stack(str(mine)).files} == {
        file.name for file in stack("aws").files
    }
    (mine / "stack.json").write_text('{"sources": {}, "capabilities": ["fly"]}')
    with pytest.raises(UsageError, match=r"stack\.json: capabilities"):
        stack(str(mine))
    with pytest.raises(UsageError, match="is no stack"):
        stack(str(tmp_path))


def test_a_stack_without_modules_takes_no_folder_for_them(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="stack aws calls no module"):
        stack(f"aws={tmp_path}")


def test_an_unknown_stack_shows_those_there_are() -> None:
    with pytest.raises(UsageError, match="no stack is named 'gcp'") as caught:
        stack("gcp")
    assert "aws" in caught.value.try_
    with pytest.raises(UsageError, match="no cluster is named 'gke'") as caught:
        cluster("gke")
    assert caught.value.try_ == "emulated, existing"


def test_the_wheels_own_fixtures_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "conformance"
    inside = package / "_suite" / "fixtures" / "terraform"
    inside.mkdir(parents=True)
    (tmp_path / "fixtures" / "terraform").mkdir(parents=True)
    monkeypatch.setattr(conformance, "__file__", str(package / "__init__.py"))

    assert fixtures_folder() == inside
