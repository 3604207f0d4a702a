"""What is under way is shown while it is, and what took long is told where nothing is drawn."""

import io

import pytest
from rich.console import Console

from conformance.cli.progress import Progress, Told

STARTED: Told = {
    "kind": "step-started",
    "worker": "gw0",
    "what": "resource",
    "step": "aws_sqs_queue.jobs",
    "detail": "create",
}


def ended(seconds: float) -> Told:
    return STARTED | {"kind": "step-finished", "seconds": seconds, "ok": True}


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=120)


def drawn(console: Console, progress: Progress) -> str:
    with console.capture() as capture:
        console.print(progress._draw())
    return capture.get()


def test_resource_is_shown_while_terraform_is_at_it(console: Console) -> None:
    progress = Progress(console)
    progress.take([STARTED | {"what": "terraform", "step": "apply shop"}, STARTED])
    assert "create aws_sqs_queue.jobs" in drawn(console, progress)

    progress.take([ended(0.1)])
    assert "aws_sqs_queue" not in drawn(console, progress)


@pytest.mark.parametrize(("seconds", "told"), [(25.0, True), (0.1, False)])
def test_resource_that_took_long_is_told(console: Console, seconds: float, told: bool) -> None:
    with console.capture() as capture:
        Progress(console).take([STARTED, ended(seconds)])

    assert ("create aws_sqs_queue.jobs" in capture.get()) is told
