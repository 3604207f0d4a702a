"""
What runs leave in a cluster: namespaces with our label, and everything in them.

In namespaces of others, where a stack reads what is there already, it is pods and service
accounts with our label. Nothing else is made there by a world. A cluster whose environment
has gone is reached as kubectl would reach it: EKS says where it is, the ambient credentials
say who asks.
"""

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from conformance.environment import Aws, Environment
from conformance.sweep.account import Outcome
from conformance.sweep.calls import clients_of
from conformance.sweep.finds import LABEL, TAG, Found
from conformance.targets.eks import token_command
from conformance.targets.kubeconfig import write_kubeconfig
from conformance.world.kube import Kube, KubeError

WITHIN_SECONDS: Final = 120.0
"""Pods get 30 s to end, finalizers some more."""

_NAMESPACES: Final = "/api/v1/namespaces"
_IN_NAMESPACES: Final = {"pod": "/api/v1/pods", "service account": "/api/v1/serviceaccounts"}
_PAUSE: Final = 0.1


@contextmanager
def cluster_of(aws: Aws, name: str, environment: Environment | None) -> Iterator[Kube]:
    """
    A connection to the cluster, by the environment's kubeconfig or by one that is made here.

    Raises `HarnessError`, `ClientError` or `BotoCoreError` when there is no way to it.
    """
    if environment is not None and environment.cluster.kubeconfig.is_file():
        yield Kube(environment.cluster.kubeconfig, environment.cluster.context)
        return
    described = clients_of(aws)("eks").describe_cluster(name=name)["cluster"]
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        kubeconfig = Path(folder) / "kubeconfig"
        write_kubeconfig(
            kubeconfig,
            name=name,
            endpoint=described["endpoint"],
            certificate_authority=described["certificateAuthority"]["data"],
            user={"exec": token_command(name, aws.region)},
        )
        yield Kube(kubeconfig, name)


def find_objects(kube: Kube) -> list[Found]:
    """All that carry the label of any run, but for what ends with its namespace; see above."""
    namespaces = list(_labelled(kube, "namespace", _NAMESPACES))
    ours = {namespace.name for namespace in namespaces}
    others = (
        found
        for kind, path in _IN_NAMESPACES.items()
        for found in _labelled(kube, kind, path)
        if found.name.partition("/")[0] not in ours
    )
    return [*namespaces, *others]


def _labelled(kube: Kube, kind: str, path: str) -> Iterator[Found]:
    for item in kube.get(path, labelSelector=LABEL)["items"]:
        metadata = item["metadata"]
        namespace, name = metadata.get("namespace"), metadata["name"]
        plural = path.rpartition("/")[2]
        place = f"/api/v1/namespaces/{namespace}/{plural}" if namespace else path
        yield Found(
            kind,
            f"{namespace}/{name}" if namespace else name,
            {TAG: metadata["labels"][LABEL]},
            datetime.fromisoformat(metadata["creationTimestamp"]),
            {"path": f"{place}/{name}"},
        )


def clear_objects(kube: Kube, run: str, *, within: float = WITHIN_SECONDS) -> Outcome:
    """Delete what the run has in the cluster and wait until it has gone."""
    outcome = Outcome()
    until = time.monotonic() + within
    tick = threading.Event()
    while True:
        try:
            ours = [found for found in find_objects(kube) if found.run == run]
        except KubeError as error:
            outcome.left[f"objects of {run}"] = str(error)
            return outcome
        outcome.left = {str(found): "it is still listed" for found in ours}
        if not ours or time.monotonic() > until:
            return outcome
        for found in ours:
            if str(found) not in outcome.removed:
                try:
                    kube.delete(found.handle["path"])
                except KubeError as error:
                    if error.status != 404:
                        outcome.left[str(found)] = str(error)
                        continue
                outcome.removed.append(str(found))
                outcome.gone += 1
        # Waits for the namespaces' pods to end.
        tick.wait(_PAUSE)
