"""Programs without a sandbox: paths of image and volumes are where they really are."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from conformance.cluster.images import PYTHON, ImageStore
from conformance.cluster.nodes.namespaces import NamespaceThread
from conformance.cluster.nodes.processes import Mount, Process, Program, Unconfined


def program(*argv: str, mounts: tuple[Mount, ...] = (), **environment: str) -> Program:
    variables = {"PATH": os.defpath, **environment}
    return Program(argv, variables, 1000, 1000, "/", "pod", mounts)


def started(
    folder: Path, wanted: Program, look: Callable[[Process], Awaitable[int]]
) -> tuple[int, str]:
    async def run() -> tuple[int, str]:
        thread = NamespaceThread()
        sandbox = Unconfined(ImageStore(folder / "images"))
        process = await thread.run(partial(sandbox.start, wanted))
        code = await look(process)
        with process.output, process.errors:
            said = process.output.read() + process.errors.read()
        thread.close()
        return code, said.decode()

    return asyncio.run(run())


async def to_its_end(process: Process) -> int:
    return await process.wait()


async def terminated(process: Process) -> int:
    process.terminate()
    return await process.wait()


def test_paths_of_volumes_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("here")
    mounts = (Mount(tmp_path, "/var/run/secrets/x"),)
    wanted = program("sh", "-c", "cat $FILE", mounts=mounts, FILE="/var/run/secrets/x/token")
    assert started(tmp_path, wanted, to_its_end) == (0, "here")


def test_the_images_python_is_ours(tmp_path: Path) -> None:
    wanted = program(PYTHON, "-c", "import boto3; print(boto3.__file__)")
    assert started(tmp_path, wanted, to_its_end)[0] == 0


def test_a_program_can_be_terminated(tmp_path: Path) -> None:
    assert started(tmp_path, program("sleep", "60"), terminated)[0] == 143
