"""
The checks of one stack, a step at a time.

First every Spec that the stack can realise: applied, the Contract compared, planned
again, and AWS asked what it has. Then the life of one association: changed, replaced,
imported, changed and deleted behind Terraform's back. At last everything is destroyed
and looked for.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from conformance.contract import Contract
from conformance.environment import Aws
from conformance.errors import HarnessError
from conformance.spec import Association, Role, Spec, StackCapability
from conformance.terraform import stacks
from conformance.terraform.checking.behind import Behind
from conformance.terraform.checking.expected import Place, differences
from conformance.terraform.checking.reading import Reading
from conformance.terraform.checking.realised import unlike
from conformance.terraform.checking.specs import ONE, SPECS
from conformance.terraform.checking.steps import (
    AS_AWS_HAS_IT,
    NOTHING_LEFT,
    CheckedStep,
    second_plan,
)
from conformance.terraform.finding import EngineBinary
from conformance.terraform.workspace import Workspace

PREFIX: Final = "pi-checked"
_KEY: Final = "shop/reader"
_IMPORT_FILE: Final = "zz_import.tf.json"
_IMPORT_IDS: Final[Mapping[str, str]] = {
    "aws_eks_pod_identity_association": "{cluster},{id}",
    "awscc_eks_pod_identity_association": "{arn}",
}
"""What `terraform import` wants for an association, by resource type."""


def check_stack(
    text: str,
    *,
    aws: Aws,
    cluster: str,
    folder: Path,
    provider: str = "embedded",
    engine: EngineBinary | None = None,
    prefix: str = PREFIX,
    specs: Mapping[str, Spec] = SPECS,
    seen: Callable[[CheckedStep, Contract | None], None] = lambda _step, _contract: None,
) -> list[CheckedStep]:
    """
    Check the stack that `text` names, on an emulated AWS with this cluster.

    One that reads what is there already is given what another stack made. `seen` hears
    of each step, with the Contract where one was made. After trouble with Terraform
    itself the rest is not tried. Raises `UsageError` when it is no stack.
    """
    root, place = stacks.stack(text), Place(aws, cluster, prefix)
    check: _Check | Reading
    if root.description.variable:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        check = Reading(text, folder, place, specs, provider=provider, engine=engine)
    else:
        workspace = Workspace(folder, root, aws=aws, provider=provider, engine=engine)
        check = _Check(text, workspace, place, specs)
    steps: list[CheckedStep] = []
    try:
        for step in check.steps():
            steps.append(step)
            seen(step, check.contract)
    except HarnessError as error:
        steps.append(CheckedStep(check.doing, "Terraform", trouble=str(error)))
        seen(steps[-1], None)
        check.workspace.destroy()
    return steps


class _Check:
    def __init__(
        self,
        text: str,
        workspace: Workspace[Contract],
        place: Place,
        specs: Mapping[str, Spec],
    ) -> None:
        self.contract: Contract | None = None
        self.doing = ""
        self._text = text
        self.workspace = workspace
        self._place = place
        self._specs = specs
        self._behind = Behind(place.aws)
        self._has = workspace.root.description.capabilities

    def steps(self) -> Iterator[CheckedStep]:
        for name, spec in self._specs.items():
            self.doing, self.contract = name, None
            if missing := self._missing(spec):
                yield CheckedStep(name, "contract", skipped=missing)
                continue
            self.contract = self.workspace.apply(self._place.variables(spec))
            found = differences(spec, self.contract, self._place)
            yield CheckedStep(name, "contract", trouble="\n".join(found))
            yield second_plan(name, self.workspace.plan())
            found = unlike(spec, self._place, self._behind)
            yield CheckedStep(name, AS_AWS_HAS_IT, trouble="\n".join(found))
            for bucket in self.contract.buckets.values():
                self._behind.write_into(bucket.name)
        self.doing = "one association"
        yield from self._life(self.workspace.apply(self._place.variables(ONE)))
        self.workspace.destroy()
        yield CheckedStep("all", "destroy")
        left = self._behind.left(self._place.prefix, self._place.cluster)
        trouble = f"left: {', '.join(left)}" if left else ""
        yield CheckedStep("all", NOTHING_LEFT, trouble=trouble)

    def _missing(self, spec: Spec) -> str:
        if StackCapability.OTHER_ACCOUNT in spec.needs and self._place.aws.other is None:
            return "there is no second account here"
        return stacks.missing_capabilities(spec, self._text) or ""

    def _life(self, contract: Contract) -> Iterator[CheckedStep]:
        association, cluster = contract.associations[_KEY], self._place.cluster
        other_role = contract.roles["writer"].arn

        changed = ONE.having(
            Association(namespace="shop", service_account="reader", role="writer"),
            Role(name="writer", statements=ONE.roles[0].statements),
        )
        if StackCapability.ROLE_UPDATE in self._has:
            yield self._step("update in place", "update", self._plan(changed))
        else:
            yield CheckedStep(self.doing, "update in place", skipped="no capability role_update")

        elsewhere: Any = self._place.variables(ONE)
        elsewhere["associations"][_KEY]["namespace"] += "2"
        yield self._step("replacement", "replace", self._plan(elsewhere))

        self._plan(ONE)
        self._behind.use_role(cluster, association, other_role)
        yield self._step("drift", "update", self._plan())
        self._behind.use_role(cluster, association, association.role_arn)

        if StackCapability.IMPORT in self._has:
            yield self._import(association.model_dump() | {"cluster": cluster})

        self._behind.take_away(cluster, association)
        yield self._step("deleted behind its back", "create", self._plan())

    def _import(self, association: Mapping[str, Any]) -> CheckedStep:
        address, kind = self._find_association()
        if kind not in _IMPORT_IDS:
            return CheckedStep(self.doing, "import", skipped=f"nobody knows the id of {kind}")
        code, _, said = self.workspace.engine.cmd("state rm", address)
        if code != 0:
            return CheckedStep(self.doing, "import", trouble=said)
        wanted = {"to": address, "id": _IMPORT_IDS[kind].format(**association)}
        file = self.workspace.folder / _IMPORT_FILE
        file.write_text(json.dumps({"import": [wanted]}), encoding="utf-8")
        step = self._step("import", "import", self._plan())
        # For what follows it has to be in the state again.
        self.workspace.apply(self._place.variables(ONE))
        file.unlink()
        return step

    def _find_association(self) -> tuple[str, str]:
        """Address and type of the one association in the state."""
        code, listed, said = self.workspace.engine.cmd("state list")
        found = [each for each in listed.split() if "pod_identity_association" in each]
        managed = [each for each in found if not each.startswith("data.")]
        if code != 0 or len(managed) != 1:
            raise HarnessError("the state has not one association", saw=said or listed)
        kind = next(
            part for part in managed[0].split(".") if part.endswith("_pod_identity_association")
        )
        return managed[0], kind

    def _plan(self, wanted: Spec | Mapping[str, Any] | None = None) -> dict[str, str]:
        """Address to action."""
        workspace = self.workspace
        if wanted is not None:
            values = self._place.variables(wanted) if isinstance(wanted, Spec) else wanted
            workspace.root.assemble(workspace.folder, values, workspace.aws)
        return {change.address: change.action for change in workspace.plan()}

    def _step(self, what: str, action: str, plan: Mapping[str, str]) -> CheckedStep:
        """The association, and only that, is to meet this action; roles may be updated."""
        associations = {a: done for a, done in plan.items() if "pod_identity_association" in a}
        rest = {address: done for address, done in plan.items() if address not in associations}
        trouble = _unwanted(associations, action)
        if not associations:
            trouble = f"{action} of the association is not planned"
        elif bad := {a: done for a, done in rest.items() if done not in ("update", "create")}:
            trouble = f"also planned: {bad}"
        return CheckedStep(self.doing, what, trouble=trouble)


def _unwanted(plan: Mapping[str, str], wanted: str) -> str:
    return ", ".join(f"{done} {address}" for address, done in plan.items() if done != wanted)
