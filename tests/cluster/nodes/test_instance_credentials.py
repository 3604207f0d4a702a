import asyncio
from pathlib import Path
from typing import Any

import pytest

from conformance.cluster.agent.interface import NodeCredentialsError
from conformance.cluster.nodes.instance_credentials import InstanceCredentials


def test_a_node_is_asked_for_once(aws: Any) -> None:
    async def check() -> None:
        source = InstanceCredentials(aws.socket_path)
        provide = source.of("arn:role", "i-1")
        found = await asyncio.gather(*(provide() for _ in range(5)))
        assert {one.access_key_id for one in found} == {"ASIANODE"}
        await source.of("arn:role", "i-2")()
        await source.close()

    asyncio.run(check())
    assert aws.instances == [
        {"role_arn": "arn:role", "instance_id": "i-1"},
        {"role_arn": "arn:role", "instance_id": "i-2"},
    ]


def test_credentials_are_asked_again_before_they_end(
    aws: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = aws.answer

    def ended(*arguments: Any) -> Any:
        return answer(*arguments) | {"Expiration": "2020-01-01T00:00:00Z"}

    monkeypatch.setattr(aws, "answer", ended)

    async def check() -> None:
        source = InstanceCredentials(aws.socket_path)
        for _ in range(2):
            await source.of("arn:role", "i-1")()
        await source.close()

    asyncio.run(check())
    assert len(aws.instances) == 2


def test_no_aws_is_a_node_without_credentials(tmp_path: Path) -> None:
    async def check() -> None:
        source = InstanceCredentials(tmp_path / "none.sock")
        with pytest.raises(NodeCredentialsError, match="no EC2 IMDS role found"):
            await source.of("arn:role", "i-1")()
        await source.close()

    asyncio.run(check())


def test_a_bad_answer_is_not_repeated(aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "answer", lambda *_: {"SecretAccessKey": "hidden"})

    async def check() -> str:
        source = InstanceCredentials(aws.socket_path)
        with pytest.raises(NodeCredentialsError) as caught:
            await source.of("arn:role", "i-1")()
        await source.close()
        return str(caught.value)

    assert "hidden" not in asyncio.run(check())
