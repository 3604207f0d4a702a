"""A world of 12 resources, made and taken away; and a probe pod, from create to evidence."""

import tempfile
from pathlib import Path

from benchmarks.environment import started
from benchmarks.measuring import Number
from conformance import targets
from conformance.events import Event, EventLog, StepFinished
from conformance.probes.plan import call
from conformance.run.options import new_run
from conformance.spec import Association, Bucket, Role, Spec, Statement
from conformance.world import open_world

TWELVE = Spec(
    roles=tuple(
        Role(
            name=name,
            statements=(Statement(actions=("s3:GetObject",), resources=(f"bucket:{name}/*",)),),
            managed_policies=("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",),
        )
        for name in ("one", "two")
    ),
    buckets=tuple(Bucket(name=name, objects={"hello.txt": "hello"}) for name in ("one", "two")),
    associations=tuple(
        Association(namespace="bench", service_account=name, role=name) for name in ("one", "two")
    ),
)
"""Two each of: role, inline policy, attachment, bucket, object, association."""


def worlds(rounds: int) -> list[Number]:
    """Each round is a new world in one environment."""
    apply = Number("world of 12 resources applied", 1.5)
    destroy = Number("world of 12 resources destroyed", 1.0)
    pod = Number("probe pod, from create to evidence", 1.0)
    steps: list[Event] = []
    log = EventLog(None)
    log.listeners.append(steps.append)
    environment = started(log)
    for number in range(rounds):
        with (
            tempfile.TemporaryDirectory() as folder,
            open_world(
                TWELVE,
                environment=environment,
                run=new_run(),
                key=f"round-{number}",
                stack="aws",
                folder=Path(folder),
                log=log,
            ) as world,
        ):
            plan = {"read": call("s3", "get_object", Bucket=world.bucket("one"), Key="hello.txt")}
            world.namespace("bench")
            with pod.timed():
                probe = world.probe("bench", "one", plan)
            probe["read"].granted()
    targets.stop(environment, log)
    for verb, into in (("apply", apply), ("destroy", destroy)):
        into.samples += [
            step.seconds
            for step in steps
            if isinstance(step, StepFinished) and step.step.startswith(f"{verb} round-")
        ]
    return [apply, destroy, pod]
