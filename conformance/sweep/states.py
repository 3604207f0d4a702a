"""
Destroying what Terraform's state knows.

A state that a kill left empty, or cut off, is no state: Terraform itself refuses one,
and nothing of it may be trusted. A failure here is no failure of the sweep; what is left
is found by its tag.
"""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from conformance.contract import Contract
from conformance.environment import Aws
from conformance.errors import HarnessError
from conformance.sweep.machine import end, workers_in
from conformance.sweep.runs import KnownRun
from conformance.terraform.backend import keeps_state_elsewhere
from conformance.terraform.ledger import WorldBook
from conformance.terraform.stacks import Description, Root
from conformance.terraform.workspace import Workspace

AT_ONCE: Final = 2
"""Runs of Terraform; each works on ten resources at a time."""

_STATE: Final = "terraform.tfstate"


def end_workers(run: KnownRun, worlds: Sequence[WorldBook]) -> list[str]:
    """End what still runs in the work folders of a run that is over; returns remarks."""
    remarks = []
    for world in worlds:
        folder = run.folder_of(world.entry)
        for process in workers_in(folder):
            remarks.append(f"ended process {process.pid}, at work in {folder}")
            end(process)
    return remarks


def destroy_worlds(run: KnownRun, worlds: Sequence[WorldBook], aws: Aws) -> list[str]:
    """Have Terraform destroy every world that has a state; returns what went wrong."""

    def destroy(world: WorldBook) -> str:
        folder = run.folder_of(world.entry)
        if not has_resources(folder):
            return ""
        workspace = Workspace(
            folder,
            _as_it_lies(world.entry.root),
            aws=aws,
            provider=world.entry.provider,
            progress=lambda step: run.ledger.step(world.entry.workspace, step),
        )
        workspace.destroy()
        return ""

    def tried(world: WorldBook) -> str:
        try:
            return destroy(world)
        except (HarnessError, OSError) as error:
            first = str(error).splitlines()
            return f"{world.entry.world}: not all of it by its state: {' '.join(first)[:400]}"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [remark for remark in pool.map(tried, worlds) if remark]


def has_resources(folder: Path) -> bool:
    """Whether there is a whole state with anything in it, as far as can be told from here."""
    if keeps_state_elsewhere(folder):
        return True
    try:
        state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(state, dict) and bool(state.get("resources"))


def _as_it_lies(name: str) -> Root[Contract]:
    """The root is in the work folder already, also one that is nowhere else."""
    return Root(name, (), "", "", Contract, Description(sources={}))
