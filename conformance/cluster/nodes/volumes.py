"""
A pod's volumes as folders of this machine.

Projected content is written as the kubelet does (its atomic writer): files lie in
a folder of their own behind the link `..data`, which is replaced in one step.
That is how a rotated token appears in a running pod, and why a program that keeps
the file open goes on reading the old one.

A token file ends without a newline: one more byte is an illegal header value.
"""

import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath

from conformance.cluster.nodes.api import Object
from conformance.cluster.nodes.variables import (
    ConfigurationError,
    Fetch,
    data_of,
    field_of,
    resource_of,
)

_DEFAULT_MODE = 0o644


@dataclass(frozen=True, repr=False)
class Token:
    """A service account token and the moment it ends. No repr: it is secret."""

    value: str
    expires: datetime


Mint = Callable[[str, int], Awaitable[Token]]
"""Asks for a token of the pod's service account: audience (empty for the API's) and seconds."""


@dataclass(frozen=True, repr=False)
class Content:
    """One file of a projected volume."""

    data: bytes
    mode: int


class VolumeReader:
    """Reads what the volumes of one pod are made of."""

    def __init__(self, pod: Object, fetch: Fetch, mint: Mint) -> None:
        self._pod = pod
        self._fetch = fetch
        self._mint = mint

    async def files(self, volume: Object) -> dict[str, Content] | None:
        """
        The files of a volume, by path; None for an `emptyDir`, which has none.

        Raises `ConfigurationError` when a source is missing or of an unknown kind.
        """
        if "emptyDir" in volume:
            return None
        if "projected" in volume:
            projected = volume["projected"]
            mode = projected.get("defaultMode", _DEFAULT_MODE)
            files: dict[str, Content] = {}
            for source in projected.get("sources") or []:
                files |= await self._source(source, mode)
            return files
        for kind in ("configMap", "secret", "downwardAPI"):
            if kind in volume:
                mode = volume[kind].get("defaultMode", _DEFAULT_MODE)
                return await self._source({kind: volume[kind]}, mode)
        kinds = ", ".join(key for key in volume if key != "name")
        raise ConfigurationError(f"volume {volume['name']}: {kinds} is not supported on this node")

    async def _source(self, source: Object, mode: int) -> dict[str, Content]:
        if "serviceAccountToken" in source:
            return await self._token(source["serviceAccountToken"], mode)
        if "downwardAPI" in source:
            return {
                item["path"]: Content(self._downward(item).encode(), item.get("mode") or mode)
                for item in source["downwardAPI"].get("items") or []
            }
        if "configMap" in source:
            wanted = source["configMap"]
            return await self._entries("configmaps", wanted["name"], wanted, mode)
        if "secret" in source:
            wanted = source["secret"]
            name = wanted.get("secretName") or wanted.get("name")
            return await self._entries("secrets", name, wanted, mode)
        raise ConfigurationError(f"projected source {', '.join(source)} is not supported")

    async def _token(self, wanted: Object, mode: int) -> dict[str, Content]:
        seconds = wanted.get("expirationSeconds") or 3600
        token = await self._mint(wanted.get("audience") or "", seconds)
        return {wanted["path"]: Content(token.value.encode(), mode)}

    def _downward(self, item: Object) -> str:
        if "fieldRef" in item:
            return field_of(self._pod, item["fieldRef"]["fieldPath"])
        reference = item["resourceFieldRef"]
        for container in self._pod["spec"]["containers"]:
            if container["name"] == reference.get("containerName"):
                return resource_of(container, reference)
        raise ConfigurationError(f"no container {reference.get('containerName')!r}")

    async def _entries(
        self, resource: str, name: str, wanted: Object, mode: int
    ) -> dict[str, Content]:
        found = await self._fetch(resource, name)
        if found is None:
            if wanted.get("optional"):
                return {}
            raise ConfigurationError(f'{resource} "{name}" not found')
        entries = data_of(found)
        if not wanted.get("items"):
            return {key: Content(value, mode) for key, value in entries.items()}
        files = {}
        for item in wanted["items"]:
            if item["key"] in entries:
                files[item["path"]] = Content(entries[item["key"]], item.get("mode") or mode)
            elif not wanted.get("optional"):
                raise ConfigurationError(f"references non-existent config key: {item['key']}")
        return files


def write_atomically(folder: Path, files: dict[str, Content]) -> None:
    """
    Make `folder` show exactly `files`; readers see all of the old or all of the new.

    Source: k8s.io/kubernetes pkg/volume/util/atomic_writer.go.
    """
    folder.mkdir(parents=True, exist_ok=True)
    current = folder / "..data"
    before = folder / current.readlink() if current.is_symlink() else None
    fresh = Path(tempfile.mkdtemp(dir=folder, prefix=".."))
    fresh.chmod(0o755)
    for name, content in files.items():
        path = fresh / _inside(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.data)
        path.chmod(content.mode)
    swapped = folder / "..data_tmp"
    swapped.symlink_to(fresh.name)
    swapped.replace(current)
    visible = {PurePosixPath(name).parts[0] for name in files}
    for name in visible:
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(os.path.join("..data", name))  # noqa: PTH118 - a link's text
    for link in folder.iterdir():
        if link.is_symlink() and not link.name.startswith("..") and link.name not in visible:
            link.unlink()
    if before is not None:
        shutil.rmtree(before)


def _inside(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ConfigurationError(f"path {name!r} must be relative and without '..'")
    return name
