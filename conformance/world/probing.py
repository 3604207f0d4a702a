"""
Probe pods: a call plan goes in by the pod's environment, evidence comes out by its log.

A pod costs more than a call, so a pod makes all the calls of its plan, and
several pods run at once. The trap is to mistake our own trouble for a denial: a
pod that could not start, or a runner that died, is a `HarnessError`, never
evidence.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from conformance.errors import HarnessError
from conformance.events import EventLog
from conformance.probes.evidence import Evidence
from conformance.world.kube import Kube, Object
from conformance.world.requests import CliRequest, ProbeRequest
from conformance.world.waiting import ONCE, eventually

POD_SECONDS = 90.0
"""Bound for a probe pod on any target: image pull, start, three attempts of an SDK."""

_HOPELESS = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError")


@dataclass(frozen=True)
class Pod:
    """A pod that ran, or runs."""

    name: str
    uid: str
    namespace: str
    """The real one."""
    service_account: str
    node: str
    ip: str
    created: datetime
    """By the API server's clock, to the second."""
    manifest: Object = field(repr=False)
    """As the API server had it, after admission."""


class Probe(Mapping[str, Evidence]):
    """What one pod saw, call by call; looking at a call puts it into the report."""

    def __init__(
        self, pod: Pod, evidence: Mapping[str, Evidence], seen: Callable[[Evidence], None]
    ) -> None:
        self.pod = pod
        self._evidence = evidence
        self._seen = seen

    def __getitem__(self, call: str) -> Evidence:
        if call not in self._evidence:
            raise HarnessError(
                f"probe {self.pod.name}: its plan has no call {call!r}",
                try_=f"one of: {', '.join(self._evidence)}",
            )
        evidence = self._evidence[call]
        self._seen(evidence)
        return evidence

    def __iter__(self) -> Iterator[str]:
        return iter(self._evidence)

    def __len__(self) -> int:
        return len(self._evidence)


def start_pod(
    kube: Kube,
    request: ProbeRequest | CliRequest,
    *,
    name: str,
    namespace: str,
    image: str,
    region: str,
    labels: Mapping[str, str],
) -> None:
    """Create the pod, and the Secret that it mounts."""
    secret = None
    if request.secrets:
        secret = f"{name}-secrets"
        kube.create(
            f"/api/v1/namespaces/{namespace}/secrets",
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": secret, "labels": dict(labels)},
                "stringData": dict(request.secrets),
            },
        )
    manifest = request.manifest(name=name, secret=secret, image=image, region=region, labels=labels)
    kube.create(f"/api/v1/namespaces/{namespace}/pods", manifest)


def wait_for_pods(
    kube: Kube,
    names: Mapping[str, str],
    *,
    until: tuple[str, ...],
    seconds: float = POD_SECONDS,
) -> dict[str, Object]:
    """
    Watch pods, given as name to namespace, until each has a phase in `until`.

    Raises `HarnessError` with the last thing seen when one cannot get there.
    """
    latest: dict[str, Object] = {}
    began = time.monotonic()
    for namespace in dict.fromkeys(names.values()):
        wanted = {name for name, its in names.items() if its == namespace}
        path = f"/api/v1/namespaces/{namespace}/pods"
        listing = kube.get(path)
        version = listing["metadata"]["resourceVersion"]
        for pod in listing["items"]:
            latest[pod["metadata"]["name"]] = pod
        missing = {name for name in wanted if not _reached(latest.get(name), until)}
        while missing:
            left = seconds - (time.monotonic() - began)
            if left <= 0:
                name = sorted(missing)[0]
                raise HarnessError(
                    f"pod {namespace}/{name} is not {' or '.join(until)} after {seconds:g} s",
                    saw=_summary(latest.get(name)),
                    try_=f"kubectl -n {namespace} describe pod {name}",
                )
            for kind, pod in kube.watch(path, seconds=left, resourceVersion=version):
                if kind not in ("ADDED", "MODIFIED", "DELETED"):
                    # The watch is too old (410): listing again starts a new one.
                    break
                name = pod["metadata"]["name"]
                version = pod["metadata"]["resourceVersion"]
                if name in wanted:
                    latest[name] = pod
                    if kind == "DELETED":
                        raise HarnessError(f"pod {namespace}/{name} was deleted while it ran")
                    if _reached(pod, until):
                        missing.discard(name)
                        if not missing:
                            break
    return {name: latest[name] for name in names}


def _reached(pod: Object | None, until: tuple[str, ...]) -> bool:
    if pod is None:
        return False
    status = pod.get("status", {})
    for container in status.get("containerStatuses", []):
        waiting = container.get("state", {}).get("waiting", {})
        if waiting.get("reason") in _HOPELESS:
            raise HarnessError(
                f"pod {pod['metadata']['namespace']}/{pod['metadata']['name']} cannot start",
                saw=f"{waiting['reason']}: {waiting.get('message', '')}",
                try_="--probe-image with an image that the nodes can pull",
            )
    phase = status.get("phase")
    if phase == "Failed" and "Failed" not in until:
        raise HarnessError(
            f"pod {pod['metadata']['namespace']}/{pod['metadata']['name']} failed",
            saw=_summary(pod),
        )
    return phase in until


def _summary(pod: Object | None) -> str:
    if pod is None:
        return "no such pod"
    status: dict[str, Any] = pod.get("status", {})
    states = [container.get("state") for container in status.get("containerStatuses", [])]
    return f"phase {status.get('phase')}, node {pod['spec'].get('nodeName')}, containers {states}"


def as_pod(manifest: Object) -> Pod:
    """The parts of a pod that scenarios ask for."""
    return Pod(
        name=manifest["metadata"]["name"],
        uid=manifest["metadata"]["uid"],
        namespace=manifest["metadata"]["namespace"],
        service_account=manifest["spec"]["serviceAccountName"],
        node=manifest["spec"].get("nodeName", ""),
        ip=manifest["status"].get("podIP", ""),
        created=datetime.fromisoformat(manifest["metadata"]["creationTimestamp"]),
        manifest=manifest,
    )


def collect(
    kube: Kube, manifest: Object, request: ProbeRequest | CliRequest
) -> dict[str, Evidence]:
    """Evidence of a finished pod; raises `HarnessError` when a planned call left none."""
    namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
    path = f"/api/v1/namespaces/{namespace}/pods/{name}/log"
    logs = {container: kube.text(path, container=container) for container in request.containers}
    evidence = request.evidence(logs, manifest)
    missing = [call for call in request.calls if call not in evidence]
    if missing:
        raise HarnessError(
            f"pod {namespace}/{name} ended without evidence for {missing[0]!r}",
            saw="".join(logs.values())[-600:] or "an empty log",
            try_=f"kubectl -n {namespace} logs {name}",
        )
    return evidence


def collect_when_said(
    kube: Kube, manifest: Object, request: ProbeRequest, log: EventLog
) -> dict[str, Evidence]:
    """Evidence of a pod that stays; raises `HarnessError` when a call leaves none in time."""

    def said() -> dict[str, Evidence]:
        try:
            return collect(kube, manifest, request)
        except HarnessError as error:
            raise AssertionError(str(error)) from error

    what = f"{manifest['metadata']['name']} has said what it saw"
    try:
        return eventually(
            what, said, within=timedelta(seconds=POD_SECONDS), log=log, consecutive=ONCE
        )
    except AssertionError as error:
        raise HarnessError(f"not so in {POD_SECONDS:g} s: {what}", saw=str(error)) from error
