"""
Terraform roots: which there are, and how one is put together in a work folder.

A stack realises a Spec with some provider; a cluster root makes or finds the
cluster. Both are plain HCL that anyone can apply by hand: a root is copied, never
templated and never parsed. What we add are two files that Terraform reads on its
own, the variables and an override of provider and module blocks.

No `endpoints` block is written for the real provider: it costs seconds in each
validate and plan, and a service that it forgets goes to AWS. The endpoint comes
from the environment, which counts for every service.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

import conformance
from conformance.contract import ClusterContract, Contract
from conformance.environment import Aws
from conformance.errors import HarnessError, UsageError
from conformance.spec import Spec, StackCapability
from conformance.spec.capabilities import WORDS

OutputT = TypeVar("OutputT", bound=BaseModel)

DESCRIPTION_FILE: Final = "stack.json"
VARIABLES_SUFFIX: Final = ".auto.tfvars.json"
OVERRIDE_FILE: Final = "zz_target_override.tf.json"
OTHER_ACCOUNT_ALIAS: Final = "other"
_PART_WITH_ALIAS: Final = "references"
_ROOT_FILES: Final = ("*.tf", "*.tf.json")
_ON_EMULATION: Final[Mapping[str, Mapping[str, object]]] = {
    "hashicorp/aws": {
        "s3_use_path_style": True,
        "skip_credentials_validation": True,
        "skip_metadata_api_check": True,
        "skip_region_validation": True,
    },
    "hashicorp/awscc": {"skip_medatadata_api_check": True},  # spelled so by the provider
}
"""By provider source: what keeps it from looking for an AWS that is not there."""


class ModuleSource(BaseModel):
    """Where a module comes from when nobody names a folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    version: str


class Description(BaseModel):
    """`stack.json`: what a stack needs and what it can do; see docs/adding-a-stack.md."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: dict[str, str]
    """Provider source to version constraint, as the root requires them."""
    capabilities: frozenset[StackCapability] = frozenset()
    """What a Spec may ask of it beyond roles, buckets and associations."""
    parts: tuple[str, ...] = ()
    """Files of fixtures/terraform/parts that belong to the root."""
    modules: dict[str, ModuleSource] = {}
    """Module block to the module that it calls."""
    variable: str = ""
    """A second variable, for whose value a user may give a file of JSON."""
    checked: str = ""
    """With what it was tested, for whoever reads a report of it."""


@dataclass(frozen=True)
class Root(Generic[OutputT]):
    """One Terraform root: one variable in, one output out."""

    name: str
    files: tuple[Path, ...]
    """What makes the root together."""
    variable: str
    output: str
    model: type[OutputT]
    description: Description
    given: Path | None = None
    """A folder in place of every module of the registry, or a file for the second variable."""

    @property
    def needs_init(self) -> bool:
        """Whether Terraform has modules to install, whatever provider it runs with."""
        return bool(self.description.modules)

    def assemble(self, folder: Path, value: Mapping[str, object], aws: Aws) -> None:
        """Write the root with `value` as its variable into `folder`; again to change it."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in self.files:
            shutil.copyfile(file, folder / file.name)
        _write(folder / f"{self.variable}{VARIABLES_SUFFIX}", {self.variable: value})
        _write(folder / OVERRIDE_FILE, self._override(aws))
        if (more := self.description.variable) and self.given is not None:
            value = json.loads(self.given.read_text(encoding="utf-8"))
            _write(folder / f"{more}{VARIABLES_SUFFIX}", {more: value})

    def parse(self, outputs: Mapping[str, Any]) -> OutputT:
        """The root's output; raises `HarnessError` when it is not what was agreed."""
        try:
            return self.model.model_validate(outputs[self.output])
        except KeyError as error:
            raise HarnessError(
                f"stack {self.name}: there is no output {self.output!r}",
                saw=", ".join(outputs) or "no outputs",
            ) from error
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, (self.output, *first["loc"])))
            raise HarnessError(
                f"stack {self.name}: output {field}: {first['msg']}", saw=repr(first["input"])
            ) from error

    def _override(self, aws: Aws) -> dict[str, object]:
        providers: dict[str, object] = {}
        for source in self.description.sources:
            block = provider_override(aws, source)
            local = source.rpartition("/")[2]
            providers[local] = block
            # An override of an alias that the root has not would be an error of Terraform's.
            if local == "aws" and _PART_WITH_ALIAS in self.description.parts:
                profile = {"profile": aws.other.profile} if aws.other else {}
                providers[local] = [block, {"alias": OTHER_ACCOUNT_ALIAS, **block, **profile}]
        override: dict[str, object] = {"provider": providers}
        if modules := self.description.modules:
            override["module"] = {
                name: {"source": str(self.given)} if self.given else module.model_dump()
                for name, module in modules.items()
            }
        return override


def provider_override(aws: Aws, source: str = "hashicorp/aws") -> dict[str, object]:
    """The provider block that fits the target; holds no keys."""
    emulation = {} if aws.endpoint is None else _ON_EMULATION.get(source, {})
    return {"region": aws.region, **emulation}


def stack(text: str) -> Root[Contract]:
    """
    The stack of this name, or in this folder (a text with a `/`).

    `NAME=DIR` takes the modules that the stack calls from a folder instead of the
    registry; `NAME=FILE` gives a stack that has one its second variable. Raises
    `UsageError` that lists the stacks there are.
    """
    name, _, given = text.partition("=")
    folder = Path(name) if "/" in name else _named("stacks", name)
    description = _describe(folder)
    if given and not (description.modules or description.variable):
        raise UsageError(
            f"stack {name} calls no module", saw=text, try_="--stack module, or brownfield"
        )
    parts = fixtures_folder() / "parts"
    files = [*_files(fixtures_folder() / "interface"), *_files(folder)]
    for part in description.parts:
        if not (parts / f"{part}.tf").is_file():
            known = ", ".join(sorted(file.stem for file in parts.glob("*.tf")))
            raise UsageError(f"stack {name}: there is no part {part!r}", try_=known)
        files.append(parts / f"{part}.tf")
    return Root(
        name=name,
        files=tuple(files),
        variable="spec",
        output="contract",
        model=Contract,
        description=description,
        given=_given(given, description) if given else None,
    )


def cluster(name: str) -> Root[ClusterContract]:
    """The cluster root of this name; raises `UsageError` that lists those there are."""
    folder = _named("clusters", name)
    return Root(name, _files(folder), "cluster", "cluster", ClusterContract, _describe(folder))


def missing_capabilities(spec: Spec, text: str) -> str | None:
    """One sentence when the Spec asks for what the stack cannot do; None when it can do all."""
    root = stack(text)
    missing = sorted(spec.needs - root.description.capabilities)
    if not missing:
        return None
    names = " and ".join(missing)
    wanted = ", ".join(WORDS[one] for one in missing)
    noun = "capability" if len(missing) == 1 else "capabilities"
    return f"stack {root.name} has no {noun} {names}: the scenario needs {wanted}"


def stack_names() -> list[str]:
    """The stacks of the project."""
    return _names("stacks")


def fixtures_folder() -> Path:
    """`fixtures/terraform`: inside the package where it was installed, else in the checkout."""
    package = Path(conformance.__file__).parent
    for home in (package / "_suite", package.parent):
        if (folder := home / "fixtures" / "terraform").is_dir():
            return folder
    raise HarnessError(
        "fixtures: the Terraform roots are not there",
        saw=f"neither in {package / '_suite'} nor in {package.parent}",
        try_="install the wheel, or run from a checkout",
    )


def _named(kind: str, name: str) -> Path:
    if name not in _names(kind):
        known = ", ".join(_names(kind))
        raise UsageError(f"no {kind[:-1]} is named {name!r}", saw=name, try_=known)
    return fixtures_folder() / kind / name


def _names(kind: str) -> list[str]:
    return sorted(file.parent.name for file in (fixtures_folder() / kind).glob("*/main.tf"))


def _files(folder: Path) -> tuple[Path, ...]:
    return tuple(file for pattern in _ROOT_FILES for file in sorted(folder.glob(pattern)))


def _given(text: str, description: Description) -> Path:
    path = Path(text).expanduser().absolute()
    if description.modules and not path.is_dir():
        raise UsageError("--module-source DIR: there is no such folder", saw=str(path))
    if description.variable and not path.is_file():
        raise UsageError(f"--stack NAME=FILE: no such file for {description.variable}", saw=text)
    return path


def _describe(folder: Path) -> Description:
    file = folder / DESCRIPTION_FILE
    try:
        return Description.model_validate_json(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"{folder} is no stack", saw=f"{file}: {error.strerror}", try_="docs/adding-a-stack.md"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise UsageError(f"{file}: {field}: {first['msg']}", saw=repr(first["input"])) from error


def _write(path: Path, data: object) -> None:
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
