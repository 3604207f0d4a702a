import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from conformance.cluster.nodes import pod_files
from conformance.cluster.nodes.api import ApiClient
from conformance.cluster.nodes.pod_files import PodFiles
from conformance.cluster.nodes.variables import ConfigurationError
from conformance.cluster.nodes.volumes import Content, Token, VolumeReader, write_atomically

Json = dict[str, Any]
POD: Json = {
    "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"app": "shop"}},
    "spec": {"containers": [{"name": "c", "resources": {"limits": {"memory": "64Mi"}}}]},
}
UNTIL = datetime.now(UTC) + timedelta(hours=1)


async def nothing(resource: str, name: str) -> None:
    return None


async def mint(audience: str, seconds: int) -> Token:
    return Token(f"{audience}/{seconds}", UNTIL)


def files(volume: Json, fetch: Any = nothing) -> dict[str, bytes]:
    found = asyncio.run(VolumeReader(POD, fetch, mint).files({"name": "v", **volume}))
    return {name: content.data for name, content in (found or {}).items()}


def test_a_projected_token_has_no_newline() -> None:
    source = {"audience": "a", "expirationSeconds": 700, "path": "t"}
    volume = {"projected": {"sources": [{"serviceAccountToken": source}]}}
    assert files(volume) == {"t": b"a/700"}


def test_the_downward_api_shows_fields_and_resources() -> None:
    items = [
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
        {
            "path": "mem",
            "resourceFieldRef": {
                "containerName": "c",
                "resource": "limits.memory",
                "divisor": "1Mi",
            },
        },
    ]
    assert files({"downwardAPI": {"items": items}}) == {"labels": b'app="shop"', "mem": b"64"}


def test_items_rename_and_optional_ones_may_be_missing() -> None:
    async def fetch(resource: str, name: str) -> Json | None:
        return {"kind": "ConfigMap", "data": {"a": "1"}} if name == "there" else None

    items = [{"key": "a", "path": "dir/b"}, {"key": "none", "path": "x"}]
    wanted = {"name": "there", "items": items, "optional": True}
    assert files({"configMap": wanted}, fetch) == {"dir/b": b"1"}
    assert files({"configMap": {"name": "not", "optional": True}}, fetch) == {}
    with pytest.raises(ConfigurationError, match='configmaps "not" not found'):
        files({"configMap": {"name": "not"}}, fetch)


def test_an_unsupported_volume_is_named() -> None:
    with pytest.raises(ConfigurationError, match="volume v: nfs is not supported"):
        files({"nfs": {}})


def test_rewriting_replaces_everything_at_once(tmp_path: Path) -> None:
    write_atomically(tmp_path, {"a": Content(b"1", 0o600), "d/e": Content(b"2", 0o644)})
    held = (tmp_path / "a").open("rb")
    first = (tmp_path / "..data").readlink()
    write_atomically(tmp_path, {"a": Content(b"3", 0o644)})
    assert (tmp_path / "a").read_bytes() == b"3"
    assert held.read() == b"1"
    held.close()
    assert (tmp_path / "a").readlink() == Path("..data/a")
    assert not (tmp_path / "d").exists()
    assert not (tmp_path / first).exists()


def test_a_path_that_leaves_the_volume_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="must be relative"):
        write_atomically(tmp_path, {"../x": Content(b"", 0o644)})


def test_a_token_has_no_repr_that_shows_it() -> None:
    assert "secret" not in repr(Token("secret", UNTIL))


def test_a_running_pod_gets_a_fresh_token_before_the_old_one_ends(
    aws: Any, start_cluster: Any
) -> None:
    with start_cluster(aws, max_token_seconds=2) as cluster:
        cluster.scale(1)
        source = {"audience": "a", "expirationSeconds": 600, "path": "t"}
        volume = {
            "name": "v",
            "projected": {"sources": [{"serviceAccountToken": source}]},
        }
        said = cluster.run(
            "rotates",
            "first=$(cat /v/t); while [ $(cat /v/t) = $first ]; do sleep 0.05; done; cat /v/t",
            volumes=[volume],
            container={"volumeMounts": [{"name": "v", "mountPath": "/v"}]},
        )
        assert said.count(".") == 2


class Clock(datetime):
    """Stands still until it is set."""

    moment = datetime.now(UTC)

    @classmethod
    def now(cls, tz: Any = None) -> Any:  # noqa: ARG003 - always UTC
        return cls.moment


class Tokens:
    """Plays the API server: every token is another, and lives as long as was asked for."""

    def __init__(self) -> None:
        self.given = 0

    async def create(self, path: str, body: Any) -> Any:
        self.given += 1
        ends = Clock.moment + timedelta(seconds=body["spec"]["expirationSeconds"])
        status = {"token": f"token-{self.given}", "expirationTimestamp": ends.isoformat()}
        return {"status": status}


@pytest.mark.parametrize(
    ("lives", "first_due"), [(200_000, 60), (600, 60), (20, 16)], ids=["days", "minutes", "seconds"]
)
def test_a_token_stays_until_it_is_time_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lives: int, first_due: int
) -> None:
    source = {"serviceAccountToken": {"path": "t", "audience": "a", "expirationSeconds": lives}}
    pod = {
        "metadata": {"name": "p", "namespace": "n", "uid": "u"},
        "spec": {"volumes": [{"name": "v", "projected": {"sources": [source]}}]},
    }
    api, began = Tokens(), Clock.moment

    async def check() -> None:
        files = PodFiles(pod, tmp_path / "pod", cast(ApiClient, api))
        assert (await files.write() - began).total_seconds() == first_due
        ages = min(lives * 0.8, 86_400)
        for share, given in ((0.5, 1), (0.99, 1), (1.01, 2), (1.5, 2)):
            monkeypatch.setattr(Clock, "moment", began + timedelta(seconds=ages * share))
            await files.write()
            assert api.given == given, share
        assert (tmp_path / "pod/volumes/v/t").read_text() == "token-2"

    monkeypatch.setattr(pod_files, "datetime", Clock)
    asyncio.run(check())
