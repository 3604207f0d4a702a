"""
A filesystem mirror whose `hashicorp/aws` and `hashicorp/awscc` are the embedded provider.

With it, plain `terraform init` and `terraform apply` work against an emulation. The
version says what it is (`9xx` is no version of the real provider), and only a CLI
configuration that someone points TF_CLI_CONFIG_FILE at leads here: nothing is put
into a user's own plugin folder.
"""

import platform
import shlex
import sys
from itertools import product
from pathlib import Path
from typing import Final

from conformance.errors import HarnessError
from conformance.terraform.provider.server import CATALOGUES, REGISTRIES
from conformance.terraform.sources import mirror_configuration

VERSION: Final = "999.0.0"

_PLATFORMS: Final = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def write_mirror(folder: Path) -> Path:
    """
    Write the mirror and a CLI configuration for it; returns the configuration's path.

    `export TF_CLI_CONFIG_FILE=<that path>` is all that `terraform` needs.
    """
    machine = _PLATFORMS.get(platform.machine())
    if machine is None:
        raise HarnessError(
            "provider mirror: Terraform's name of this machine is not known",
            saw=platform.machine(),
            try_=f"one of {', '.join(_PLATFORMS)}",
        )
    target = f"{platform.system().lower()}_{machine}"
    for registry, catalogue in product(REGISTRIES, CATALOGUES):
        place = folder / "mirror" / registry / catalogue.source / VERSION / target
        place.mkdir(parents=True, exist_ok=True)
        name = catalogue.source.rpartition("/")[2]
        launcher = place / f"terraform-provider-{name}_v{VERSION}"
        launcher.write_text(_launcher(catalogue.source), encoding="utf-8")
        launcher.chmod(0o755)
    configuration = folder / "terraform.rc"
    configuration.write_text(mirror_configuration(folder / "mirror"), encoding="utf-8")
    return configuration


def _launcher(source: str) -> str:
    # -S and -E leave out what `site` does at start, a third of the time of a plugin that
    # Terraform starts three times per plan; so the path of modules is given here.
    program = (
        f"import sys; sys.path[:0] = {[each for each in sys.path if each]!r}; "
        f"sys.argv[1:] = [{source!r}]; "
        "import runpy; runpy.run_module('conformance.terraform.provider', run_name='__main__')"
    )
    return f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -S -E -c {shlex.quote(program)}\n"
