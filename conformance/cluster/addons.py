"""
Add-ons: what EKS installs into a cluster.

One matters here, the agent's. Its objects are those of AWS's chart (`agent_chart`), so
that what works on them (`kubectl -n kube-system logs ds/eks-pod-identity-agent`, a
selector, a rollout) works on EKS as well.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from conformance.cluster.agent_chart import AGENT, NAMESPACE, agent_daemon_set, metadata
from conformance.cluster.controllers import daemonsets
from conformance.cluster.nodes.api import ApiClient, Object, Refused
from conformance.errors import HarnessError, UsageError

AGENT_PATH = f"/apis/apps/v1/namespaces/{NAMESPACE}/daemonsets/{AGENT}"
_COLLECTION = f"/apis/apps/v1/namespaces/{NAMESPACE}/daemonsets"
_ACCOUNTS = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
_BOUND_SECONDS = 30.0
_COUNTS = ("desiredNumberScheduled", "numberReady", "updatedNumberScheduled")
Conflicts = Literal["NONE", "OVERWRITE", "PRESERVE"]
"""What to do about changes that somebody else made; EKS's resolveConflicts."""


def check_known(name: str) -> None:
    """Raises `UsageError` for an add-on that this cluster cannot install."""
    if name != AGENT:
        raise UsageError(f"add-on {name}: not known to the embedded cluster", try_=AGENT)


class ConflictError(Exception):
    """Somebody else changed what is to be installed; worded as EKS words it."""


@dataclass
class Installed:
    """The DaemonSet as it was left: uid and generation, which changes with its spec."""

    left: tuple[str, int] | None = None

    def is_ours(self, daemon_set: Object) -> bool:
        return self.left == _state(daemon_set)


def _state(daemon_set: Object) -> tuple[str, int]:
    return daemon_set["metadata"]["uid"], daemon_set["metadata"]["generation"]


async def install(
    api: ApiClient,
    installed: Installed,
    conflicts: Conflicts,
    *,
    cluster: str,
    region: str,
    agent_version: str,
    configuration: dict[str, Any],
) -> None:
    """
    Create the agent's DaemonSet, or bring it up to date; none at all if that is configured.

    One that somebody else made or changed is replaced (`OVERWRITE`), left alone
    (`PRESERVE`) or raises `ConflictError` (`NONE`). EKS compares field by field; here
    the whole spec is one.
    """
    found = await _found(api)
    if found is not None and not installed.is_ours(found):
        if conflicts == "NONE":
            raise ConflictError(
                "Conflicts found when trying to apply. Will not continue due to resolve conflicts "
                f"mode. Conflicts:\nDaemonSet.apps {AGENT} - .spec"
            )
        if conflicts == "PRESERVE":
            return
    await api.create_or_replace(
        _ACCOUNTS,
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata()},
    )
    daemon_set = agent_daemon_set(
        cluster=cluster, region=region, agent_version=agent_version, configuration=configuration
    )
    if daemon_set is None:
        await _delete(api)
        return
    await api.create_or_replace(_COLLECTION, daemon_set)
    installed.left = _state(await api.get(AGENT_PATH))


async def _found(api: ApiClient) -> Object | None:
    try:
        return await api.get(AGENT_PATH)
    except Refused as refused:
        if not refused.not_found:
            raise
        return None


async def remove(api: ApiClient) -> None:
    """Delete what `install` made; its pods go with it."""
    await _delete(api)
    await api.delete(f"{_ACCOUNTS}/{AGENT}")


async def _delete(api: ApiClient) -> None:
    await api.delete(AGENT_PATH, {"propagationPolicy": "Background"})


async def wait_until_settled(api: ApiClient) -> None:
    """
    The agent is ready on each node that its DaemonSet is for; without one, nowhere.

    Raises `HarnessError` if that takes too long.
    """
    daemon_set = await _found(api)
    if daemon_set is None:
        await wait_until_gone(api)
        return
    there = (await api.get("/api/v1/nodes")).get("items") or []
    nodes = len(daemonsets.places(daemon_set, there))

    def lacking(found: dict[str, Object]) -> str:
        for daemon_set in found.values():
            status = daemon_set.get("status") or {}
            seen = {count: status.get(count) or 0 for count in _COUNTS}
            current = status.get("observedGeneration") == daemon_set["metadata"]["generation"]
            # Nodes may have become ready meanwhile.
            done = current and len(set(seen.values())) == 1 and min(seen.values()) >= nodes
            return "" if done else f"{seen}, wanted {nodes} of each"
        return "no DaemonSet"

    query = {"fieldSelector": f"metadata.name={AGENT}"}
    await _wait(api, _COLLECTION, query, lacking, f"not ready on {nodes} nodes")


async def wait_until_gone(api: ApiClient) -> None:
    """No agent runs any more. Raises `HarnessError` if that takes too long."""
    query = {"labelSelector": f"app.kubernetes.io/name={AGENT}"}
    path = f"/api/v1/namespaces/{NAMESPACE}/pods"
    await _wait(api, path, query, ", ".join, "its pods are still there")


async def _wait(
    api: ApiClient,
    path: str,
    query: dict[str, str],
    lacking: Callable[[dict[str, Object]], str],
    complaint: str,
) -> None:
    found: dict[str, Object] = {}
    last = "nothing"
    try:
        async with asyncio.timeout(_BOUND_SECONDS):
            async for kind, item in api.follow(path, query):
                if kind == "SYNC":
                    found = {one["metadata"]["name"]: one for one in item.get("items") or []}
                elif kind == "DELETED":
                    found.pop(item["metadata"]["name"], None)
                else:
                    found[item["metadata"]["name"]] = item
                last = lacking(found)
                if not last:
                    return
    except TimeoutError as error:
        raise HarnessError(
            f"add-on {AGENT}: {complaint} after {_BOUND_SECONDS:.0f} s", saw=last
        ) from error
