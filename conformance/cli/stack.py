"""`conformance stack check`: does a stack keep the agreement with every scenario?"""

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from conformance.cli.consoles import console_of

if TYPE_CHECKING:
    from conformance.emulator.admin import AdminClient
    from conformance.terraform.checking import CheckedStep
    from conformance.terraform.checking.permissions import Calls

EXIT_BROKEN = 1

stack = typer.Typer(no_args_is_help=True, help="Terraform stacks: check one of your own.")


@stack.callback()
def _stack() -> None:
    """Terraform stacks: check one of your own."""


@stack.command()
def check(
    path: Annotated[
        str, typer.Argument(help="A stack's folder, or its name; NAME=PATH as for run --stack.")
    ],
    provider: Annotated[
        str, typer.Option(help="Where providers come from: embedded or mirror=DIR.")
    ] = "embedded",
    calls: Annotated[
        Path | None,
        typer.Option(help="Add every call that the stack made, as IAM saw it, to this JSON file."),
    ] = None,
) -> None:
    """
    Apply eleven Specs with a stack on an emulated EKS, and compare what comes out.

    Each Spec that the stack can realise must give the agreed Contract and a clean second
    plan, and AWS must have what it asks for: tags, policies, contents. Then one association
    is changed, replaced, imported and deleted behind Terraform's back; at last everything
    must go. Exits 1 when something was not so.

    \b
    conformance stack check ./my-stack
    conformance stack check module=../terraform-aws-eks-pod-identity
    conformance stack check ./my-stack --calls calls.json    for requirements --iam-policy
    """
    from conformance import targets  # noqa: PLC0415 - other commands need not wait for it
    from conformance.emulator.admin import AdminClient  # noqa: PLC0415
    from conformance.events import EventLog  # noqa: PLC0415
    from conformance.run.options import new_run  # noqa: PLC0415
    from conformance.terraform import stacks  # noqa: PLC0415
    from conformance.terraform.checking import (  # noqa: PLC0415
        PREFIX,
        check_stack,
        permissions,
    )

    # A name may be a folder's without a slash, as shells complete them.
    text = f"./{path}" if "/" not in path and Path(path, stacks.DESCRIPTION_FILE).exists() else path
    stacks.stack(text)
    console = console_of()
    log = EventLog(None)
    environment = targets.start(
        "embedded", targets.TargetOptions(run=new_run(), network="loopback", nodes=1), log
    )
    asked = Asked(AdminClient(environment.folder / "aws.sock"))
    broken = False

    def seen(step: "CheckedStep", _contract: object) -> None:
        nonlocal broken
        _show(console, step)
        broken = broken or bool(step.trouble)
        asked.listen(step)

    try:
        with tempfile.TemporaryDirectory(prefix="conformance-", dir=environment.folder) as folder:
            check_stack(
                text,
                aws=environment.aws,
                cluster=environment.cluster.name,
                folder=Path(folder) / "stack",
                provider=provider,
                seen=seen,
            )
        if calls is not None:
            known = permissions.read_calls(calls) if calls.exists() else {}
            made = asked.calls(PREFIX, environment.cluster.name)
            permissions.write_calls(calls, permissions.merged(known, made))
    finally:
        targets.stop(environment, log)
    if broken:
        raise typer.Exit(EXIT_BROKEN)


class Asked:
    """
    What Terraform asked of the emulated IAM while a stack was checked.

    The emulation keeps no endless record, so it is listened to step by step.
    """

    def __init__(self, admin: "AdminClient") -> None:
        self._admin = admin
        self._since = datetime.now(UTC)
        self._heard: set[tuple[str, str]] = set()

    def listen(self, step: "CheckedStep") -> None:
        """Take what was asked since the last step."""
        from conformance.terraform.checking import BY_US  # noqa: PLC0415 - as in `check`

        for each in self._admin.records(self._since).decisions:
            self._since = max(self._since, each.at)
            # Nodes and the cluster itself ask, too; Terraform works with an account's own key.
            if step.what not in BY_US and each.principal_arn.endswith(":root"):
                self._heard.add((each.action, each.resource))

    def calls(self, prefix: str, cluster: str) -> "Calls":
        """All of it, without the names of this check."""
        from conformance.terraform.checking import permissions  # noqa: PLC0415 - as in `check`

        return permissions.calls_of(self._heard, prefix=prefix, cluster=cluster)


def _show(console: Console, step: "CheckedStep") -> None:
    sign, style = "✓", "green"
    if step.skipped:
        sign, style = "·", "yellow"
    if step.trouble:
        sign, style = "✗", "bold red"
    title = (f"{step.spec}: {step.what}", "bold" if step.trouble else "")
    console.print(Text.assemble((f"{sign} ", style), title), soft_wrap=True)
    for line in (step.trouble or step.skipped).splitlines():
        console.print(Text(f"    {line}", style="dim"), soft_wrap=True)
