"""
A copy of the package with one mutant in it.

Whatever is started in the copy's folder with `python -m` finds the copy before anything
installed, and so do its children: pytest, the AWS process, the cluster processes. Nothing
of it reaches the package itself. Byte code is copied with its sources, for it is valid as
long as their times and sizes are the same; only the mutant's module is compiled anew.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import conformance
from conformance.errors import HarnessError
from conformance.mutants.model import Mutant
from conformance.run.suite import suite_root

PACKAGE = Path(conformance.__file__).parent
SUITE = ("scenarios", "fixtures")


def mutated(mutant: Mutant) -> str:
    """
    The source of the mutant's module.

    Raises `HarnessError` when the text that it replaces is not there exactly once, and
    `SyntaxError` when what comes of it is no Python.
    """
    path = PACKAGE / mutant.path
    source = path.read_text(encoding="utf-8")
    found = source.count(mutant.old)
    if found != 1:
        raise HarnessError(
            f"mutant {mutant.name} does not fit {mutant.path} any more",
            saw=f"{mutant.old!r} is there {found} times, not once",
            try_=f"bring its text in conformance/mutants/{mutant.part.replace('-', '_')}.py along",
        )
    text = source.replace(mutant.old, mutant.new)
    compile(text, mutant.path, "exec")
    return text


@contextmanager
def broken_copy(mutant: Mutant | None) -> Iterator[Path]:
    """A folder to run the suite in, with the mutant or, given None, as everything is."""
    text = mutated(mutant) if mutant else ""
    with tempfile.TemporaryDirectory(prefix="pod-identity-mutant-") as name:
        root = Path(name)
        shutil.copytree(PACKAGE, root / PACKAGE.name)
        if suite_root() != PACKAGE / "_suite":
            for folder in SUITE:
                shutil.copytree(suite_root() / folder, root / folder)
        if mutant:
            path = root / PACKAGE.name / mutant.path
            for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
                compiled.unlink()
            path.write_text(text, encoding="utf-8")
        yield root
