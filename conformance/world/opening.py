"""The life of a world: provisioned, used, and taken away whatever happens meanwhile."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conformance import targets
from conformance.contract import Contract
from conformance.environment import Environment
from conformance.errors import HarnessError
from conformance.events import EventLog
from conformance.spec import Spec
from conformance.terraform import stacks
from conformance.terraform.backend import find_backend
from conformance.terraform.ledger import Ledger
from conformance.terraform.steps import log_resources
from conformance.terraform.workspace import Workspace
from conformance.world.naming import Names
from conformance.world.world import World


@contextmanager
def open_world(
    spec: Spec,
    *,
    environment: Environment,
    run: str,
    key: str,
    stack: str,
    folder: Path,
    log: EventLog,
    keep: bool = False,
    own: bool = False,
) -> Iterator[World]:
    """
    Provision a Spec, and take it away again, also after failures and Ctrl-C.

    `key` names the world (a scenario file); `folder` is the run's, and holds its ledger
    and its work folders, one of which stays behind only when Terraform failed or with
    `keep`. With `own` nobody else uses the environment, and all of the world goes with it.
    """
    ledger = Ledger.of_run(folder, environment.file)
    work = folder / "worlds" / re.sub(r"[^A-Za-z0-9_.-]", "-", key)
    workspace = Workspace(
        work,
        stacks.stack(stack),
        aws=environment.aws,
        provider=environment.provider,
        ledger=ledger,
        progress=log_resources(log),
        backend=find_backend(),
    )
    world = World(
        environment=environment,
        names=Names(run, key),
        workspace=workspace,
        ledger=ledger,
        log=log,
        own=own,
    )
    try:
        world.apply(spec)
        if not environment.emulated:
            world.settle(spec)
        yield world
    finally:
        if own:
            workspace.remove()
            ledger.destroyed(str(workspace.folder), "environment")
        elif not keep:
            _take_away(world, workspace)


def _take_away(world: World, workspace: Workspace[Contract]) -> None:
    """
    All of it. Ctrl-C meanwhile ends the run, but not before this is done; a second one does.

    What a lost environment had is gone, or cannot be reached by anybody.
    """
    if targets.lost(world.environment):
        workspace.remove()
        return
    try:
        world.close()
    except KeyboardInterrupt:
        world.close()
        workspace.remove()
        raise
    except HarnessError:
        if targets.lost(world.environment):
            workspace.remove()
        raise
    if not workspace.failed:
        workspace.remove()
