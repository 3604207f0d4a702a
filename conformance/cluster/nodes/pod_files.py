"""
The files of one pod on its node: volumes, and the few of /etc that are its own.

They lie in a private folder and are bind-mounted into the pod's containers. What
ages is looked at once a minute, but a token stays the same until 80 % of its life or
24 hours have passed, as with kubelets (pkg/kubelet/token/token_manager.go): a new one
each time would make the agent ask EKS Auth each time.
"""

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import aiohttp

from conformance.cluster.nodes.api import ApiClient, Object, Refused
from conformance.cluster.nodes.processes import Mount
from conformance.cluster.nodes.variables import ConfigurationError
from conformance.cluster.nodes.volumes import Token, VolumeReader, write_atomically

_REFRESH_SECONDS = 60.0
_RETRY_SECONDS = 1.0
_TOKEN_REFRESH_SHARE = 0.8
_TOKEN_REFRESH_LATEST = timedelta(hours=24)
_AGING = ("projected", "configMap", "secret", "downwardAPI")


@dataclass(frozen=True, repr=False)
class _Held:
    """A token that is in a volume. No repr: it is secret."""

    token: Token
    renew_at: datetime


class PodFiles:
    """Everything that a pod's containers see besides their image."""

    def __init__(self, pod: Object, folder: Path, api: ApiClient) -> None:
        """Makes `folder`, which holds tokens and is readable for its owner only."""
        folder.mkdir(mode=0o700, parents=True)
        self.pod = pod
        """The pod as it was last seen: what the downward API shows."""
        self._folder = folder
        self._api = api
        self._namespace: str = pod["metadata"]["namespace"]
        self._tokens: dict[tuple[str, int], _Held] = {}

    async def fetch(self, resource: str, name: str) -> Object | None:
        """A ConfigMap or Secret of the pod's namespace, None when it is not there."""
        path = f"/api/v1/namespaces/{self._namespace}/{resource}/{name}"
        try:
            found = await self._api.get(path)
        except Refused as refused:
            if refused.not_found:
                return None
            raise ConfigurationError(refused.message) from refused
        found.setdefault("kind", {"configmaps": "ConfigMap", "secrets": "Secret"}[resource])
        return found

    async def _token(self, audience: str, seconds: int) -> Token:
        """The one that is there already, until it is time for another."""
        held, asked = self._tokens.get((audience, seconds)), datetime.now(UTC)
        if held is not None and asked < held.renew_at:
            return held.token
        token = await self._mint(audience, seconds)
        life = (token.expires - asked) * _TOKEN_REFRESH_SHARE
        renew_at = asked + min(life, _TOKEN_REFRESH_LATEST)
        self._tokens[audience, seconds] = _Held(token, renew_at)
        return token

    async def _mint(self, audience: str, seconds: int) -> Token:
        metadata = self.pod["metadata"]
        account = self.pod["spec"].get("serviceAccountName") or "default"
        request: Object = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "audiences": [audience] if audience else [],
                "expirationSeconds": seconds,
                "boundObjectRef": {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                },
            },
        }
        path = f"/api/v1/namespaces/{self._namespace}/serviceaccounts/{account}/token"
        try:
            answer = await self._api.create(path, request)
        except Refused as refused:
            raise ConfigurationError(f"failed to fetch token: {refused.message}") from refused
        status = answer["status"]
        return Token(status["token"], datetime.fromisoformat(status["expirationTimestamp"]))

    async def write(self) -> datetime:
        """
        Bring every volume up to date; the moment when that is due again.

        Raises `ConfigurationError` when a volume cannot be made.
        """
        began = datetime.now(UTC)
        reader = VolumeReader(self.pod, self.fetch, self._token)
        volumes = self.pod["spec"].get("volumes") or []
        contents = await asyncio.gather(*(reader.files(volume) for volume in volumes))
        for volume, files in zip(volumes, contents, strict=True):
            folder = self._volume(volume["name"])
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o777 if files is None else 0o755)
            if files is not None:
                write_atomically(folder, files)
        due = [held.renew_at for held in self._tokens.values()]
        return min([began + timedelta(seconds=_REFRESH_SECONDS), *due])

    async def keep_fresh(self, due: datetime) -> None:
        """Write the volumes again whenever it is due; ends only by being cancelled."""
        if not any(kind in v for v in self.pod["spec"].get("volumes") or [] for kind in _AGING):
            return
        while True:
            await asyncio.sleep((due - datetime.now(UTC)).total_seconds())
            try:
                due = await self.write()
            except (ConfigurationError, aiohttp.ClientError, TimeoutError):
                # The files of before stay, as on a node that has lost its API server.
                due = datetime.now(UTC) + timedelta(seconds=_RETRY_SECONDS)

    def write_etc(self, address: str, hostname: str, users: Sequence[tuple[int, int]]) -> None:
        """/etc/hosts, /etc/hostname, /etc/resolv.conf, /etc/passwd and /etc/group of the pod."""
        passwd = ["root:x:0:0:root:/root:/bin/sh", "nobody:x:65534:65534:nobody:/:/bin/sh"]
        passwd += [f"user{uid}:x:{uid}:{gid}::/:/bin/sh" for uid, gid in users if uid]
        group = ["root:x:0:", "nogroup:x:65534:"]
        group += [f"group{gid}:x:{gid}:" for _, gid in users if gid]
        content = {
            "hosts": [
                "127.0.0.1\tlocalhost",
                "::1\tlocalhost ip6-localhost ip6-loopback",
                f"{address}\t{hostname}",
            ],
            "hostname": [hostname],
            # No name server: nothing outside has a name here.
            "resolv.conf": ["options attempts:1 timeout:1"],
            "passwd": list(dict.fromkeys(passwd)),
            "group": list(dict.fromkeys(group)),
        }
        folder = self._folder / "etc"
        folder.mkdir()
        for name, lines in content.items():
            (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")

    def mounts(self, container: Object, termination_log: Path) -> tuple[Mount, ...]:
        """What one container gets to see; raises `ConfigurationError` for an unknown volume."""
        names = {volume["name"] for volume in self.pod["spec"].get("volumes") or []}
        mounts = [
            Mount(path, f"/etc/{path.name}") for path in sorted((self._folder / "etc").iterdir())
        ]
        said = container.get("terminationMessagePath") or "/dev/termination-log"
        mounts.append(Mount(termination_log, said, read_only=False))
        for wanted in container.get("volumeMounts") or []:
            if wanted["name"] not in names:
                raise ConfigurationError(f'volume "{wanted["name"]}" not found')
            source = self._volume(wanted["name"])
            if wanted.get("subPath"):
                source = _below(source, wanted["subPath"])
            mounts.append(
                Mount(source, wanted["mountPath"].rstrip("/") or "/", bool(wanted.get("readOnly")))
            )
        return tuple(mounts)

    def _volume(self, name: str) -> Path:
        return self._folder / "volumes" / name

    def remove(self) -> None:
        """Tokens and all."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _below(volume: Path, sub_path: str) -> Path:
    if ".." in PurePosixPath(sub_path).parts:
        raise ConfigurationError(f"subPath {sub_path!r} must not contain '..'")
    source = volume / sub_path
    if not source.exists():
        source.mkdir(parents=True)
    return source
