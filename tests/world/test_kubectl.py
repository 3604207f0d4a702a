from pathlib import Path

import pytest

from conformance.environment import Cluster
from conformance.errors import HarnessError
from conformance.world.kubectl import type_kubectl

WORDS = ("-n", "shop", "apply", "-f", "-")


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """One whose kubectl is a program of ours, in an otherwise empty PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return Cluster(name="c", arn="a", kubeconfig=tmp_path / "kubeconfig", context="staging")


def installed(cluster: Cluster, script: str) -> None:
    kubectl = cluster.kubeconfig.with_name("kubectl")
    kubectl.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    kubectl.chmod(0o700)


def test_kubectl_is_told_the_cluster_and_what_to_read(cluster: Cluster) -> None:
    installed(cluster, 'echo "$@"; /bin/cat')
    arguments, _, given = type_kubectl(cluster, WORDS, given="kind: Pod").partition("\n")

    assert arguments.split()[:4] == [
        "--kubeconfig", str(cluster.kubeconfig), "--context", "staging",
    ]  # fmt: skip
    assert arguments.endswith(" ".join(WORDS))
    assert given == "kind: Pod"


def test_nothing_of_it_is_left(cluster: Cluster) -> None:
    installed(cluster, 'while [ "$1" != --cache-dir ]; do shift; done; echo > "$2/discovered"')
    type_kubectl(cluster, WORDS)

    assert [path.name for path in cluster.kubeconfig.parent.iterdir()] == ["kubectl"]


def test_bad_end_is_trouble_that_says_what_kubectl_said(cluster: Cluster) -> None:
    installed(cluster, "echo 'error: no such pod' >&2; exit 1")

    with pytest.raises(HarnessError, match="apply -f -") as trouble:
        type_kubectl(cluster, WORDS)

    assert trouble.value.saw == "error: no such pod"


def test_missing_kubectl_is_trouble_that_names_the_capability(cluster: Cluster) -> None:
    with pytest.raises(HarnessError, match="not installed") as trouble:
        type_kubectl(cluster, WORDS)

    assert "kubectl" in trouble.value.try_
