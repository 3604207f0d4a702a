import re
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from conformance.environment import Capability
from conformance.mutants.proving import Marked, marked_scenarios
from conformance.requirements import (
    THEMES,
    Level,
    Requirement,
    Targets,
    catalogue,
    requirements_of,
)
from conformance.targets import eks

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("requirement", catalogue().values(), ids=lambda r: r.id)
def test_requirement_is_complete(requirement: Requirement) -> None:
    assert all(getattr(requirement, field.name) for field in fields(requirement))
    assert requirement.promise.endswith(".")
    assert requirement.rationale.endswith(".")


@pytest.mark.parametrize("requirement", catalogue().values(), ids=lambda r: r.id)
def test_promise_says_how_much_it_binds(requirement: Requirement) -> None:
    # RFC 2119's words, capitals and all.
    assert re.search(r"\b(MUST|SHOULD|MAY)\b", requirement.promise)


VERSION = re.compile(
    r"\b[0-9a-f]{7,8}\b"  # a commit
    r"|\b20\d\d-\d\d(-\d\d)?\b"  # a date, or the version of an API
    r"|\bv?\d+\.\d+(\.\d+)?\b|\bv\d+\b"  # a release
    r"|#\d+"  # a thread, whose number stays its own
)
DOCUMENT = re.compile(r"\b(guide|practices|reference|API)\b", re.IGNORECASE)


@pytest.mark.parametrize("requirement", catalogue().values(), ids=lambda r: r.id)
def test_source_says_which_version_was_read(requirement: Requirement) -> None:
    parts = requirement.source.split(";")

    assert VERSION.search(requirement.source)
    assert [part for part in parts if DOCUMENT.search(part) and not VERSION.search(part)] == []


@pytest.mark.parametrize("source", ["IAM user guide, roles", "eks-pod-identity-agent: pkg/cache"])
def test_what_is_no_version_is_not_taken_for_one(source: str) -> None:
    assert not VERSION.search(source)


def test_id_that_is_there_twice_is_refused() -> None:
    theme = ModuleType("theme")
    first = next(iter(catalogue().values()))
    vars(theme).update(FIRST=first, SECOND=replace(first, title="another"))

    with pytest.raises(ValueError, match="twice"):
        catalogue((theme,))


def test_every_module_of_requirements_is_a_theme() -> None:
    folder = ROOT / "conformance" / "requirements"
    others = {"__init__", "marks", "model", "page", "profiles", "themes"}
    files = {path.stem for path in folder.glob("*.py")} - others

    assert {theme.__name__.rpartition(".")[2] for theme in THEMES} == files
    assert all(requirements_of(theme) for theme in THEMES)


@cache
def marked() -> tuple[Marked, ...]:
    """Every scenario under scenarios/, as pytest collects it."""
    return tuple(marked_scenarios())


def needs_of(id_: str) -> list[set[str]]:
    """What each scenario of a requirement needs."""
    return [set(one.needs) for one in marked() if id_ in one.requirements]


def test_every_requirement_is_proved_by_a_scenario() -> None:
    assert {id_ for one in marked() for id_ in one.requirements} == set(catalogue())


INSIDE = set(Capability) - eks.AT_MOST - {Capability.LOCAL_VALIDATION}
"""What only an emulation has; a release of the agent is a question of when."""


def test_targets_are_those_that_can_run_a_scenario_of_it() -> None:
    where: dict[str, set[Targets]] = {}
    for one in marked():
        inside = INSIDE & set(one.needs)
        here = Targets.REAL if one.gaps else Targets.EMULATED if inside else Targets.ALL
        for id_ in one.requirements:
            where.setdefault(id_, set()).add(here)

    # One that runs everywhere is enough.
    assert {id_ for id_, seen in where.items() if Targets.ALL in seen} == {
        id_ for id_, one in catalogue().items() if one.targets is Targets.ALL
    }
    assert {id_ for id_, seen in where.items() if seen == {Targets.REAL}} == {
        id_ for id_, one in catalogue().items() if one.targets is Targets.REAL
    }


def test_core_can_be_complete_on_a_real_account() -> None:
    """Or no run there could end with 0: a core promise that is skipped makes it partial."""
    core = {id_: one for id_, one in catalogue().items() if one.level is Level.CORE}

    assert {id_ for id_, one in core.items() if one.targets is Targets.EMULATED} == set()
    assert {id_ for id_ in core if not any(one <= eks.AT_MOST for one in needs_of(id_))} == set()
