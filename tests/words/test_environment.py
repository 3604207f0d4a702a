from pathlib import Path

import pytest

from conformance.environment import Aws, Cluster, Environment
from conformance.errors import HarnessError


def environment(folder: Path) -> Environment:
    return Environment(
        target="embedded",
        folder=folder,
        aws=Aws(region="eu-west-1", account_id="111122223333"),
        cluster=Cluster(name="c", arn="arn", kubeconfig=folder / "kubeconfig", context="c"),
        capabilities=frozenset(),
        network="root",
        probe_image="conformance/probe",
        provider="embedded",
        parts={},
    )


def test_environment_comes_back_as_it_was_written(tmp_path: Path) -> None:
    written = environment(tmp_path)
    written.write()

    assert Environment.read(written.file) == written
    assert written.file.stat().st_mode & 0o077 == 0


def test_environment_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="cannot be read") as refused:
        Environment.read(tmp_path / "environment.json")

    assert "conformance up" in refused.value.try_


def test_environment_of_another_version_names_the_field(tmp_path: Path) -> None:
    path = tmp_path / "environment.json"
    path.write_text('{"schema_version": 7}')

    with pytest.raises(HarnessError, match="not one of this version"):
        Environment.read(path)
