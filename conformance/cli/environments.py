"""
`conformance up` and `conformance down`: an environment to play with.

`./.conformance` is a link to the environment's private folder, so `env`, `kubeconfig`
and `environment.json` have short names in the folder where one works, and no key is
written anywhere else. A link that points nowhere is an environment that has gone.
"""

import os
from pathlib import Path
from typing import Annotated

import typer

from conformance.cli.consoles import console_of
from conformance.cli.progress import Progress
from conformance.environment import Environment
from conformance.errors import UsageError
from conformance.events import EventLog
from conformance.faults import FAULTS
from conformance.run.options import Identity, new_run
from conformance.run.settings import Settings, forget_real_account

LINK = Path(".conformance")


def up(  # noqa: PLR0917 - typer reads the command line from the signature
    fault: Annotated[
        list[str] | None,
        typer.Option(help=f"Break the emulation; repeatable. One of: {', '.join(FAULTS)}."),
    ] = None,
    network: Annotated[str | None, typer.Option(help="auto, root, userns or loopback.")] = None,
    nodes: Annotated[int | None, typer.Option(help="Nodes of the cluster (default: 3).")] = None,
    agent_version: Annotated[
        str | None, typer.Option(help="Release of the agent: 0.0.25, 0.1.37 (default), 0.2.1.")
    ] = None,
    region: Annotated[str | None, typer.Option(help="AWS region.")] = None,
    provider: Annotated[
        str | None, typer.Option(help="embedded, registry or mirror=DIR; makes the cluster.")
    ] = None,
) -> None:
    """
    Start an emulated EKS and leave it running.

    \b
    conformance up
    . .conformance/env            AWS CLI, boto3, kubectl and terraform now talk to it
    conformance run --environment .conformance/environment.json
    conformance down
    """
    from conformance import targets  # noqa: PLC0415 - other commands need not wait for it
    from conformance.run.lifecycle import Run, target_options  # noqa: PLC0415 - likewise
    from conformance.run.rendezvous import Rendezvous  # noqa: PLC0415 - likewise
    from conformance.targets.env_file import write_env  # noqa: PLC0415 - likewise

    if LINK.exists() and not LINK.is_symlink():
        raise UsageError(f"./{LINK} is there and is not ours", try_="another folder")
    if (LINK / "environment.json").exists():
        raise UsageError(
            "an environment of this folder is running",
            saw=str((LINK / "environment.json").resolve()),
            try_="conformance down, or another folder",
        )
    given = {"fault": fault, "network": network, "nodes": nodes, "region": region}
    settings = Settings.of({**given, "provider": provider, "agent_version": agent_version})
    identity = Identity(new_run(), seed=0, worker="main", reports=Path(), arguments=())
    Run(settings, identity, "conformance up", Rendezvous(identity.run)).check()
    forget_real_account()
    console = console_of()
    log = EventLog(None)
    with Progress(console) as progress:
        log.listeners.append(lambda event: progress.take([event.model_dump(mode="json")]))
        options = target_options(settings, identity.run)
        environment = targets.start(settings.target, options, log, lifeline=False)
    write_env(environment)
    LINK.unlink(missing_ok=True)
    LINK.symlink_to(environment.folder, target_is_directory=True)
    console.print(guide(environment), highlight=False, markup=False, soft_wrap=True)


def down(
    environment: Annotated[
        Path | None, typer.Option(help="Its environment.json (default: this folder's).")
    ] = None,
) -> None:
    """
    Stop an environment that `conformance up`, or `run --keep`, left running.

    \b
    conformance down
    conformance down --environment /tmp/conformance-abc/environment.json
    """
    from conformance import targets  # noqa: PLC0415 - other commands need not wait for it

    file = environment or LINK / "environment.json"
    if not file.is_file():
        gone = environment is None and LINK.is_symlink()
        if gone:
            LINK.unlink()
            typer.echo("the environment has gone already")
            return
        raise UsageError(f"{file}: no environment lies here", try_="conformance up starts one")
    found = Environment.read(file)
    if found.file.resolve() != file.resolve():
        # All of that folder would be taken away.
        raise UsageError(
            f"{file}: this is a copy, or was moved", saw=f"its environment is in {found.folder}"
        )
    log = EventLog(None)
    targets.stop(found, log)
    if LINK.is_symlink() and Path(os.readlink(LINK)) == found.folder:  # noqa: PTH115 - may dangle
        LINK.unlink()
    typer.echo(f"stopped {found.target} {found.cluster.name}")


def guide(environment: Environment) -> str:
    """How to use it, for the person who started it; holds no key."""
    aws = environment.aws
    return f"""
{environment.target} {environment.cluster.name} is running at {aws.endpoint}

    . {LINK}/env
    kubectl get nodes
    aws eks list-clusters
    aws s3 ls
    python -c 'import boto3; print(boto3.client("sts").get_caller_identity()["Arn"])'

Terraform, after the same line (its hashicorp/aws is the embedded provider, version 999.0.0):

    provider "aws" {{
      s3_use_path_style           = true
      skip_credentials_validation = true
      skip_metadata_api_check     = true
      skip_region_validation      = true
    }}

The suite on it, and its end:

    conformance run --environment {LINK}/environment.json
    conformance down

Everything of it lies in {environment.folder}"""
