"""What a cluster does otherwise for one release of the agent than for another."""

import asyncio
import re
from typing import Any

import pytest

from conformance.cluster.agent.profiles import PROFILES
from conformance.cluster.agent.rotation import check_version
from conformance.cluster.agent_chart import agent_daemon_set
from conformance.cluster.apiserver.tokens import eks_key_id, kubernetes_key_id
from tests.cluster.agent.conftest import serve
from tests.cluster.agent.test_agent_rotation import jwks, signed


@pytest.mark.parametrize("version", ["1.31", "1.33"])
def test_keys_of_an_older_kubernetes_are_not_believed(version: str) -> None:
    with pytest.raises(OSError, match=f"apiserver is on version {version}"):
        check_version(version)


@pytest.mark.parametrize("version", ["1.34", "1.37", "2.0"])
def test_keys_of_kubernetes_since_1_34_are(version: str) -> None:
    check_version(version)


def counted_after_a_rotation(kubernetes: str) -> str:
    async def keys() -> dict[str, Any]:
        check_version(kubernetes)
        return await jwks()

    async def played() -> str:
        async with serve(version="0.2.1", jwks=keys) as served:
            await served.ask(signed())
            await served.ask(signed())
            assert served.agent is not None
            return served.agent._counters.exposition()

    return asyncio.run(played())


@pytest.mark.parametrize(("kubernetes", "result"), [("1.33", "failure"), ("1.34", "success")])
def test_what_became_of_a_rotated_token_is_counted(kubernetes: str, result: str) -> None:
    metrics = counted_after_a_rotation(kubernetes)
    assert re.findall(r"pod_identity_local_validation\{.*", metrics) == [
        f'pod_identity_local_validation{{result="{result}"}} 1'
    ]


@pytest.mark.parametrize("version", PROFILES)
def test_agent_has_a_token_of_its_own_if_it_asks_for_keys(version: str) -> None:
    made = agent_daemon_set(cluster="c", region="r", agent_version=version, configuration={})
    assert made is not None
    spec = made["spec"]["template"]["spec"]
    assert spec["automountServiceAccountToken"] is (version == "0.2.1")
    assert spec["containers"][0]["image"].endswith(f":v{version}")


def test_key_ids_of_eks_are_of_the_shape_that_the_agent_wants() -> None:
    assert re.fullmatch("[0-9a-f]{40}", eks_key_id(b"key"))
    assert len(kubernetes_key_id(b"key")) == 43
    assert eks_key_id(b"key") != eks_key_id(b"another")
