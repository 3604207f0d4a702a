"""
kubectl beside the harness: what a newcomer types to run a pod, and what it prints.

It makes no promise of Pod Identity's, so where it ends badly that is trouble of ours;
what a pod printed, which `kubectl logs` repeats, is what may be evidence. It is given
the cluster's own file and leaves nothing in anybody's home.
"""

import subprocess
import tempfile

from conformance.environment import Cluster
from conformance.errors import HarnessError
from conformance.targets.kubeconfig import KUBECTL

SECONDS = 120.0
UNTIL_ENDED = (
    "--for=jsonpath={.status.containerStatuses[0].state.terminated.exitCode}",
    "--timeout=90s",
)
"""What `kubectl wait` waits for: a pod's one container has ended, well or badly."""


def type_kubectl(cluster: Cluster, words: tuple[str, ...], *, given: str = "") -> str:
    """
    Run one command, which stands without `kubectl`, and return what it printed.

    `given` goes in by standard input. Raises `HarnessError` when there is no kubectl, or
    when it does not end well.
    """
    shown = f"`kubectl {' '.join(words)}`"
    # In the environment's folder, which goes also when we are killed.
    with tempfile.TemporaryDirectory(prefix="kubectl-", dir=cluster.kubeconfig.parent) as cache:
        options = ["--kubeconfig", str(cluster.kubeconfig), "--context", cluster.context]
        try:
            ended = subprocess.run(
                [KUBECTL, *options, "--cache-dir", cache, *words],
                input=given,
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except FileNotFoundError as error:
            raise HarnessError(
                "kubectl is not installed here",
                try_="name the capability kubectl in the scenario's `needs`",
            ) from error
        except subprocess.TimeoutExpired as error:
            raise HarnessError(f"{shown} did not end in {SECONDS:g} s") from error
    if ended.returncode:
        raise HarnessError(
            f"{shown} ended with {ended.returncode}", saw=ended.stderr.strip()[-600:]
        )
    return ended.stdout
