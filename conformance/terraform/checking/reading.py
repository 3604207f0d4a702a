"""
The check of a stack that reads what is there already (it has a second variable for it).

Another stack makes each Spec, and this one has to give the same Contract without making
anything. Nothing of a life can be asked of it: what it reads is not its to change.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from conformance.contract import Contract
from conformance.spec import Spec
from conformance.terraform import stacks
from conformance.terraform.checking.behind import Behind
from conformance.terraform.checking.expected import Place
from conformance.terraform.checking.steps import NOTHING_LEFT, CheckedStep, second_plan
from conformance.terraform.finding import EngineBinary
from conformance.terraform.workspace import Workspace

MADE_BY: Final = "aws"


class Reading:
    """One check; `workspace` is the maker's, for whoever has to clean up."""

    def __init__(
        self,
        text: str,
        folder: Path,
        place: Place,
        specs: Mapping[str, Spec],
        *,
        provider: str,
        engine: EngineBinary | None,
    ) -> None:
        self.contract: Contract | None = None
        self.doing = ""
        self.workspace = Workspace(
            folder / "made",
            stacks.stack(MADE_BY),
            aws=place.aws,
            provider=provider,
            engine=engine,
        )
        self._name = text.partition("=")[0]
        self._folder = folder
        self._place = place
        self._specs = specs
        self._provider, self._engine = provider, engine

    def steps(self) -> Iterator[CheckedStep]:
        for name, spec in self._specs.items():
            self.doing, self.contract = name, None
            if missing := stacks.missing_capabilities(spec, self._name):
                yield CheckedStep(name, "contract", skipped=missing)
                continue
            wanted = self._place.variables(spec)
            made = self.workspace.apply(wanted)
            reader = self._reader(made)
            self.contract = reader.apply(wanted)
            trouble = "" if self.contract == made else f"read {self.contract}, made {made}"
            yield CheckedStep(name, "contract", trouble=trouble)
            yield second_plan(name, reader.plan())
            trouble = f"{reader.created} resources were made" if reader.created else ""
            yield CheckedStep(name, "nothing made", trouble=trouble)
        self.workspace.destroy()
        yield CheckedStep("all", "destroy")
        left = Behind(self._place.aws).left(self._place.prefix, self._place.cluster)
        trouble = f"left: {', '.join(left)}" if left else ""
        yield CheckedStep("all", NOTHING_LEFT, trouble=trouble)

    def _reader(self, made: Contract) -> Workspace[Contract]:
        """Associations have to be named by their ARNs; all else is found by its name."""
        existing = self._folder / "existing.json"
        arns = {key: association.arn for key, association in made.associations.items()}
        existing.write_text(json.dumps({"associations": arns}), encoding="utf-8")
        return Workspace(
            self._folder / "read",
            stacks.stack(f"{self._name}={existing}"),
            aws=self._place.aws,
            provider=self._provider,
            engine=self._engine,
        )
