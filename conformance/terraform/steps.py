"""Terraform's progress as events of the run, one resource at a time."""

from collections.abc import Callable

from conformance.events import EventLog, StepFinished, StepStarted
from conformance.terraform.messages import Progress

ENDED = ("finished", "failed")


def log_resources(log: EventLog) -> Callable[[Progress], None]:
    """A `progress` for a workspace: every resource that Terraform works on becomes a step."""

    def log_one(progress: Progress) -> None:
        if progress.state == "started":
            log.append(StepStarted(what="resource", step=progress.address, detail=progress.action))
        elif progress.state in ENDED:
            log.append(
                StepFinished(
                    what="resource",
                    step=progress.address,
                    seconds=progress.seconds,
                    ok=progress.state == "finished",
                    detail=progress.action,
                )
            )

    return log_one
