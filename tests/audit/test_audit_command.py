import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.audit import CHECKS, Association, Node, Snapshot, reading
from conformance.cli import main
from conformance.environment import Aws, Cluster, Environment
from conformance.world import aws_calls

Audit = Callable[..., int]
GOOD = Snapshot(
    cluster="arn:aws:eks:eu-west-1:111122223333:cluster/prod",
    nodes=(Node("n1", agent=True, hop_limit=1),),
)
BAD = Snapshot(
    cluster=GOOD.cluster,
    associations=(Association("a-1", "shop", "default", "arn:aws:iam::1:role/x"),),
    nodes=(Node("n1", agent=False, hop_limit=2),),
)


@pytest.fixture
def audit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Audit:
    monkeypatch.chdir(tmp_path)
    kubeconfig = tmp_path / "kubeconfig"
    Environment(
        target="embedded", folder=tmp_path, capabilities=frozenset(), network="root",
        aws=Aws(region="eu-west-1", account_id="111122223333"), probe_image="p",
        cluster=Cluster(name="prod", arn=GOOD.cluster, kubeconfig=kubeconfig, context="prod"),
        provider="embedded", parts={},
    ).write()  # fmt: skip

    def run(*arguments: str, of: Snapshot | None = GOOD) -> int:
        if of is not None:
            monkeypatch.setattr(reading, "read", lambda *_, **__: of)
        where = [] if "--cluster" in arguments else ["--environment", "environment.json"]
        monkeypatch.setattr(sys, "argv", ["conformance", "audit", *where, *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    return run


def test_good_cluster_exits_0(audit: Audit, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit() == 0
    assert "0 findings in cluster prod" in capsys.readouterr().out


def test_findings_exit_1_and_name_object_and_fix(
    audit: Audit, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit(of=BAD) == 1
    told = capsys.readouterr().out

    for words in (
        "Association shop/default",
        "Node n1",
        "hop limit 2",
        "fix: aws eks create-addon",
    ):
        assert words in told


def test_json_has_every_finding(audit: Audit, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit("--json", of=BAD) == 1
    told = json.loads(capsys.readouterr().out)

    assert [one["check"] for one in told["findings"]] == [
        "default-account", "open-imds", "no-agent",
    ]  # fmt: skip
    assert all(one["fix"] for one in told["findings"])


def test_check_is_chosen_by_its_id(audit: Audit) -> None:
    assert audit("--check", "wildcard", of=BAD) == 0
    assert audit("--check", "no-agent", of=BAD) == 1


def test_unknown_check_is_a_mistake(audit: Audit, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit("--check", "nope") == 2
    assert "wide-trust" in capsys.readouterr().err


def test_namespace_that_is_nowhere_is_a_mistake(
    audit: Audit, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Empty:
        def __init__(self, *_: object, **__: object) -> None: ...

        def get(self, *_: object, **__: object) -> dict[str, list[object]]:
            return {"items": []}

        def get_paginator(self, _: str) -> "Empty":
            return self

        def paginate(self, **_: object) -> list[dict[str, list[object]]]:
            return [{"associations": []}]

    monkeypatch.setattr(reading, "Kube", Empty)
    monkeypatch.setattr(aws_calls, "client", Empty)

    assert audit("--namespace", "shpo", of=None) == 2
    assert "usage: no such namespace: 'shpo'" in capsys.readouterr().err


def test_two_clusters_or_another_target_are_a_mistake(audit: Audit) -> None:
    assert audit("--cluster", "prod", "--environment", "environment.json") == 2
    assert audit("--target", "kind") == 2


def test_what_could_not_be_read_exits_3(audit: Audit, capsys: pytest.CaptureFixture[str]) -> None:
    unread = Snapshot(cluster=GOOD.cluster, unread=("role x: AccessDenied: no",))

    assert audit(of=unread) == 3
    assert "not read: role x" in capsys.readouterr().out


def test_environment_that_is_not_there_exits_3(audit: Audit) -> None:
    Path("environment.json").unlink()

    assert audit() == 3


def test_help_names_every_check_and_exit_code(
    audit: Audit, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit("--help") == 0
    told = capsys.readouterr().out

    assert [check.id for check in CHECKS if f"{check.id} " not in told] == []
    assert "1  findings" in told
