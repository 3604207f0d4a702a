from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from conformance.environment import Aws
from conformance.errors import HarnessError
from conformance.spec.checked import RUN_TAG
from conformance.terraform.ledger import Ledger
from conformance.world import another_cluster as module
from conformance.world.another_cluster import another_cluster

NAME = "pi-r1-0000-cluster-second"


@pytest.fixture
def world(tmp_path: Path) -> Any:
    """What of a world is asked for before EKS is."""
    aws = Aws(region="eu-west-1", account_id="111122223333")
    role = SimpleNamespace(name="pi-r1-0000-cluster", arn="arn:aws:iam::111122223333:role/c")
    return SimpleNamespace(
        contract=SimpleNamespace(roles={"cluster": role}),
        environment=SimpleNamespace(aws=aws, file=tmp_path / "environment.json"),
        ledger=Ledger.of_run(tmp_path / "r1"),
        tags={RUN_TAG: "r1"},
    )


def test_the_ledger_names_a_cluster_before_eks_is_asked_for_it(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: list[str] = []

    def ask(*_: object, **parameters: Any) -> Any:
        known.extend(entry.name for entry in world.ledger.left())
        return SimpleNamespace(code="LimitExceeded", message="100 clusters", **parameters)

    monkeypatch.setattr(module, "EksCalls", lambda *_, **__: SimpleNamespace(ask=ask))

    with pytest.raises(HarnessError, match="LimitExceeded"), another_cluster(world):
        pass

    assert known == [NAME]
    assert not list(world.ledger.path.parent.glob("worlds/*"))
