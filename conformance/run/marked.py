"""
What makes a pytest item a scenario, and what a scenario says about itself.

The mark `proves` names requirements and needs. The trap is a scenario that counts for
nothing without anybody noticing: one that proves nothing, or whose failure is hidden
by `xfail`, is refused before the run starts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from conformance import fidelity
from conformance.environment import Capability
from conformance.errors import UsageError
from conformance.requirements import Requirement
from conformance.run.suite import DIVERGENCES_FILE, suite_of
from conformance.spec import Spec


@dataclass(frozen=True)
class Scenario:
    """What a pytest item says about itself by the mark `proves`."""

    id: str
    requirements: tuple[str, ...]
    needs: tuple[str, ...]
    suite: Path | None
    """The suite folder it lies in; None when it is a scenario by its mark alone."""
    spec: Spec | None = None
    """What its world holds; None when it has none."""
    gaps: tuple[str, ...] = ()
    """What it depends on that no emulation does."""


def has_own_environment(item: pytest.Item) -> bool:
    """Whether the item's file declares one, beside its Spec."""
    return getattr(getattr(item, "module", None), "OWN", None) is not None


def scenario_of(item: pytest.Item, catalogue: Mapping[str, Requirement]) -> Scenario | None:
    """
    The scenario that an item is; None when it is somebody else's test.

    Raises `UsageError` for a scenario that proves nothing, proves what nobody
    promised, or is marked `xfail`, which would hide a failure from the report.
    """
    marks = list(item.iter_markers("proves"))
    suite = suite_of(item.path)
    spec = getattr(getattr(item, "module", None), "SPEC", None)
    shares_world = "world" in getattr(item, "fixturenames", ()) and isinstance(spec, Spec)
    if not marks and not shares_world:
        return None
    proved = tuple(
        dict.fromkeys(
            one.id if isinstance(one, Requirement) else str(one)
            for mark in reversed(marks)
            for one in mark.args
        )
    )
    if not proved:
        raise UsageError(
            f"{item.nodeid} proves nothing",
            try_="@pytest.mark.proves(REQUIREMENT) above the scenario",
        )
    unknown = [one for one in proved if one not in catalogue]
    if unknown:
        raise UsageError(
            f"{item.nodeid} proves {unknown[0]!r}, which is not in the catalogue",
            try_="conformance requirements",
        )
    if item.get_closest_marker("xfail"):
        raise UsageError(
            f"{item.nodeid} is marked xfail, which would hide its failure",
            try_=f"list the requirement in {DIVERGENCES_FILE}, with its reason",
        )
    needs = tuple(
        dict.fromkeys(str(need) for mark in marks for need in mark.kwargs.get("needs", ()))
    )
    if shares_world and has_own_environment(item):
        needs = (*needs, str(Capability.OWN_ENVIRONMENT))
    needs = tuple(sorted(set(needs)))
    gaps = tuple(sorted({gap for mark in marks for gap in mark.kwargs.get("gaps", ())}))
    for gap in gaps:
        if gap not in fidelity.gaps():
            raise UsageError(
                f"{item.nodeid} depends on {gap!r}, which is no gap of the emulation",
                try_="conformance doctor --fidelity",
            )
    return Scenario(item.nodeid, proved, needs, suite, spec if shares_world else None, gaps)


_LACKS = {
    Capability.NODE_ISOLATION: "all nodes and pods share one network, "
    "so what a node keeps to itself cannot be proved",
    Capability.FAULTS: "its parts cannot be broken on purpose",
    Capability.RECORDS: "what EKS Auth and IAM recorded cannot be read back",
    Capability.SHORT_LIVES: "tokens and credentials live for hours, and no run waits so long",
    Capability.OWN_ENVIRONMENT: "no other environment can be started beside this one, and what "
    "everybody shares is left as it is",
    Capability.MINT_TOKENS: "the harness may not ask for service account tokens",
    Capability.CLUSTERS: "another cluster takes a quarter of an hour, and costs money",
    Capability.TRAIL: "CloudTrail takes up to a quarter of an hour, and no run waits so long",
    Capability.ORGANIZATION: "the account is in no organization, or may not ask which one it is "
    "(organizations:DescribeOrganization)",
    Capability.LOCAL_VALIDATION: "this release of the agent leaves every new token to EKS Auth; "
    "0.2.1 does not (--agent-version)",
    Capability.HAZARDS: "what is dangerous while it is there is planted only with --allow hazards",
    Capability.LOAD: "EKS Auth's limit is the whole account's, and unpublished, so it is asked "
    "hundreds of times within seconds only with --allow load",
    Capability.AWS_CLI: "the AWS CLI (awscli) is not installed here",
    Capability.KUBECTL: "kubectl is not on PATH here",
}


def why_skipped(needs: tuple[str, ...], has: frozenset[str], target: str) -> str | None:
    """One sentence when a target lacks something that a scenario needs."""
    lacking = [need for need in needs if need not in has]
    if not lacking:
        return None
    reasons = [
        _LACKS.get(Capability(need), "") if need in list(Capability) else "" for need in lacking
    ]
    reason = next((reason for reason in reasons if reason), "")
    sentence = f"needs {' and '.join(lacking)}, which target {target} does not have here"
    return f"{sentence}: {reason}" if reason else sentence


def why_not_emulated(gaps: tuple[str, ...], target: str) -> str | None:
    """The words of `docs/fidelity.md` when a scenario depends on what no emulation does."""
    if not gaps:
        return None
    sentences = " ".join(fidelity.not_emulated(gap) for gap in gaps)
    return f"target {target} does not emulate it ({', '.join(gaps)}): {sentences}"
