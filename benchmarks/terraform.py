"""A world through Terraform, with the embedded provider and with the real one beside it."""

import math
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from benchmarks.environment import started
from benchmarks.measuring import Number
from conformance import targets
from conformance.contract import Contract
from conformance.environment import Aws
from conformance.events import EventLog
from conformance.spec import Addon, Association, Bucket, Queue, Role, Spec, Statement, Table
from conformance.terraform import stacks
from conformance.terraform.messages import Progress
from conformance.terraform.provider.mirror import write_mirror
from conformance.terraform.sources import find_mirror
from conformance.terraform.workspace import Workspace

_READ = Statement(actions=("s3:GetObject",), resources=("bucket:data/*",))
_MANAGED = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"

TWELVE = Spec(
    roles=tuple(
        Role(name=name, statements=(_READ,), managed_policies=(_MANAGED,))
        for name in ("one", "two")
    ),
    buckets=(Bucket(name="data"),),
    tables=(Table(name="orders"),),
    queues=(Queue(name="jobs"),),
    addons=(Addon(name="coredns"),),
    associations=tuple(
        Association(namespace="bench", service_account=name, role=name) for name in ("one", "two")
    ),
)
"""Two each of role, policy, attachment, association; bucket, table, queue, add-on."""

FIFTY = Spec(
    roles=(Role(name="one"),),
    associations=tuple(
        Association(namespace="bench", service_account=f"app-{number}", role="one")
        for number in range(50)
    ),
)


def terraform(rounds: int) -> list[Number]:
    """Init, apply, output, destroy; and what a provider of its own process weighs meanwhile."""
    twelve = Number("12 resources, init to destroy, embedded", 1.5)
    fifty = Number("50 associations, init to destroy, embedded", 4.0)
    memory = Number("embedded provider as a process of its own", 120, "MB")
    environment = started(EventLog(None))
    # With one account: a provider that Terraform starts is told of no second one.
    aws = environment.aws.model_copy(update={"other": None})
    try:
        for _ in range(rounds):
            for number, spec in ((twelve, TWELVE), (fifty, FIFTY)):
                with number.timed():
                    _live(spec, aws, environment.cluster.name, "embedded")
        with tempfile.TemporaryDirectory() as folder:
            write_mirror(Path(folder))
            scale = _Scale()
            _live(
                TWELVE,
                aws,
                environment.cluster.name,
                f"mirror={folder}/mirror",
                progress=scale.weigh,
            )
        memory.samples.append(scale.most / 1e6)
        beside = _beside(twelve.median, aws, environment.cluster.name)
    finally:
        targets.stop(environment, EventLog(None))
    return [twelve, fifty, memory, *beside]


def _beside(embedded: float, aws: Aws, cluster: str) -> list[Number]:
    """The real provider, once, where there is one: most of its time it waits for SQS."""
    mirror = find_mirror()
    if mirror is None:
        return []
    real = Number("12 resources, init to destroy, real hashicorp/aws", math.inf)
    with real.timed():
        _live(TWELVE, aws, cluster, f"mirror={mirror}", stack="aws5")
    ratio = Number("the real one takes so many times as long", math.inf, "times")
    ratio.samples.append(real.median / embedded)
    return [real, ratio]


def _live(
    spec: Spec,
    aws: Aws,
    cluster: str,
    provider: str,
    *,
    stack: str = "aws",
    progress: Callable[[Progress], None] | None = None,
) -> None:
    variables: dict[str, Any] = spec.variables(
        run="bench",
        prefix="pi-bench",
        cluster=cluster,
        namespaces={name: f"{name}-bench" for name in spec.namespaces},
    )
    with tempfile.TemporaryDirectory() as folder:
        world: Workspace[Contract] = Workspace(
            Path(folder) / "w", stacks.stack(stack), aws=aws, provider=provider, progress=progress
        )
        world.apply(variables)
        world.engine.output("contract")
        world.destroy()


class _Scale:
    """The most that a provider which Terraform started has weighed."""

    def __init__(self) -> None:
        self.most = 0

    def weigh(self, _step: Progress) -> None:
        for process in psutil.Process(os.getpid()).children(recursive=True):
            with suppress(psutil.Error):
                if "conformance.terraform.provider" in " ".join(process.cmdline()):
                    self.most = max(self.most, process.memory_info().rss)
