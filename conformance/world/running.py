"""
Pods that call all the while: `world.running`.

What happens between two calls is the point of a promise about time, so such a pod makes
its calls again and again, and the harness reads its log while it runs. Nothing is sent
into the pod: it ends by being deleted.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from typing import TypeAlias

from conformance.errors import HarnessError
from conformance.events import EventLog
from conformance.probes.evidence import Evidence
from conformance.probes.plan import Call, Repeated
from conformance.probes.samples import Samples, read_samples
from conformance.world.kube import Kube
from conformance.world.probing import Pod, as_pod, wait_for_pods
from conformance.world.requests import ProbeRequest
from conformance.world.waiting import ONCE, eventually

FIRST_WITHIN = timedelta(seconds=60)
"""Every call of a plan has been made once; those that find a part away take seconds each."""


@contextmanager
def keep_running(
    kube: Kube,
    log: EventLog,
    requests: Mapping[str, ProbeRequest],
    *,
    start: Callable[[ProbeRequest], tuple[str, str]],
    look: Callable[[str], Callable[[Evidence], None]],
    step: Callable[[Iterable[str]], AbstractContextManager[None]],
) -> Iterator[dict[str, "Running"]]:
    """
    See `World.running`.

    `start` makes a pod and returns its name and real namespace; `look` is told what was looked
    at of a subject; `step` notes how long the pods took to come.
    """
    started: dict[str, tuple[str, str]] = {}
    try:
        with step(requests):
            for key, request in requests.items():
                started[key] = start(request)
            manifests = wait_for_pods(kube, dict(started.values()), until=("Running",))
            pods = {
                key: Running(
                    kube,
                    as_pod(manifests[started[key][0]]),
                    request.plan,
                    look(f"{request.namespace}/{request.service_account}"),
                )
                for key, request in requests.items()
            }
            for pod in pods.values():
                pod.wait_for_first(log)
        yield pods
    finally:
        for name, namespace in started.values():
            kube.delete(f"/api/v1/namespaces/{namespace}/pods/{name}", gracePeriodSeconds=0)


class Running(Mapping[str, Samples]):
    """A running pod; `running["call"]` is what it has seen so far."""

    def __init__(
        self,
        kube: Kube,
        pod: Pod,
        plan: Mapping[str, Call],
        seen: Callable[[Evidence], None],
    ) -> None:
        self.pod = pod
        self._kube = kube
        self._seen = seen
        self._repeated = [name for name, call in plan.items() if isinstance(call, Repeated)]
        if not self._repeated:
            raise HarnessError(
                f"pod {pod.name}: nothing in its plan goes on", try_="repeated(...) around a call"
            )

    def __getitem__(self, call: str) -> Samples:
        if call not in self._repeated:
            raise HarnessError(
                f"pod {self.pod.name}: no call {call!r} goes on in it",
                try_=f"one of: {', '.join(self._repeated)}",
            )
        return self.so_far()[call]

    def __contains__(self, call: object) -> bool:
        return call in self._repeated

    def __iter__(self) -> Iterator[str]:
        return iter(self._repeated)

    def __len__(self) -> int:
        return len(self._repeated)

    def so_far(self) -> dict[str, Samples]:
        """All of it, by call, at one moment."""
        seen = read_samples(self._log())
        return {name: Samples(name, seen.get(name, []), self._seen) for name in self._repeated}

    def wait_for_first(self, log: EventLog) -> None:
        """Raises `HarnessError` when a call has not been made once in a minute."""

        def begun() -> bool:
            return set(read_samples(self._log())) == set(self._repeated)

        try:
            what = f"{self.pod.name} calls"
            eventually(what, begun, within=FIRST_WITHIN, log=log, consecutive=ONCE)
        except AssertionError as error:
            raise HarnessError(
                f"pod {self.pod.namespace}/{self.pod.name} does not make its calls",
                saw=self._log()[-600:] or "an empty log",
                try_=f"kubectl -n {self.pod.namespace} logs {self.pod.name}",
            ) from error

    def called_since(self, moment: datetime, *calls: str) -> bool:
        """Whether each of these, or of all, was made and answered again since then."""
        seen = read_samples(self._log())
        return all(
            any(sample.began >= moment for sample in seen.get(call, ()))
            for call in calls or self._repeated
        )

    def _log(self) -> str:
        return self._kube.text(f"/api/v1/namespaces/{self.pod.namespace}/pods/{self.pod.name}/log")


RunningPods: TypeAlias = AbstractContextManager[dict[str, Running]]
