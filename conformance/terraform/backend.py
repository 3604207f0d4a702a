"""
Where Terraform's state lies when not in the run's folder: a backend of the user's.

For nightly runs in CI, whose machine may be gone when somebody has to clean up. The file
that `--backend-config` names is JSON, one backend and its settings; `{run}` and `{world}`
keep the states of worlds apart:

    {"s3": {"bucket": "our-states", "key": "{run}/{world}.tfstate", "region": "eu-west-1"}}

Credentials do not belong into it: the backend takes those that Terraform has.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from conformance.errors import UsageError

VARIABLE: Final = "CONFORMANCE_BACKEND"
"""How `--backend-config` reaches workers."""
BACKEND_FILE: Final = "zz_backend.tf.json"

_INITIALISED: Final = Path(".terraform") / "terraform.tfstate"
"""Where `terraform init` writes down which backend a folder has."""
_EXAMPLE: Final = '{"s3": {"bucket": "...", "key": "{run}/{world}.tfstate", "region": "..."}}'


@dataclass(frozen=True)
class Backend:
    """One backend for all worlds."""

    kind: str
    settings: Mapping[str, Any]

    def write(self, folder: Path, *, run: str, world: str) -> None:
        """Have the root in `folder` keep its state there."""
        filled = {
            name: value.replace("{run}", run).replace("{world}", world)
            if isinstance(value, str)
            else value
            for name, value in self.settings.items()
        }
        block = {"terraform": {"backend": {self.kind: filled}}}
        (folder / BACKEND_FILE).write_text(json.dumps(block, indent=2) + "\n", encoding="utf-8")


def find_backend(environment: Mapping[str, str] | None = None) -> Backend | None:
    """
    The backend that was asked for, if one was.

    Raises `UsageError` for a file that is none, and for one that would put the states of
    two worlds into one place.
    """
    given = os.environ if environment is None else environment
    if not (name := given.get(VARIABLE)):
        return None
    try:
        told = json.loads(Path(name).read_text(encoding="utf-8"))
        [(kind, settings)] = told.items()
        texts = [value for value in settings.values() if isinstance(value, str)]
    except (OSError, ValueError, AttributeError) as error:
        raise UsageError(
            f"--backend-config {name}: not one backend as JSON", saw=str(error), try_=_EXAMPLE
        ) from error
    joined = " ".join(texts)
    if missing := [part for part in ("{run}", "{world}") if part not in joined]:
        raise UsageError(
            f"--backend-config {name}: worlds would overwrite each other's state",
            saw=f"no setting holds {' and '.join(missing)}",
            try_=_EXAMPLE,
        )
    return Backend(kind, settings)


def keeps_state_elsewhere(folder: Path) -> bool:
    """Whether the root in a work folder has a backend, and Terraform has been there."""
    return (folder / BACKEND_FILE).exists() and (folder / _INITIALISED).exists()
