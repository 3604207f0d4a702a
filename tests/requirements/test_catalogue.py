import ast
import re
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from types import ModuleType

import pytest

from conformance.requirements import THEMES, Requirement, Targets, catalogue, requirements_of

ROOT = Path(__file__).parents[2]
NAMES = {
    name: value.id
    for theme in THEMES
    for name, value in vars(theme).items()
    if isinstance(value, Requirement)
}


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


def test_constants_have_names_of_their_own() -> None:
    names = [
        name
        for theme in THEMES
        for name, value in vars(theme).items()
        if isinstance(value, Requirement)
    ]

    # A scenario is found to prove a requirement by the constant's name.
    assert [name for name in names if names.count(name) > 1] == []


def marks() -> Iterator[tuple[set[str], set[str], bool]]:
    """Requirement ids and capabilities of every `proves` under scenarios/, and whether gaps."""
    for path in (ROOT / "scenarios").glob("test_*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        # A file with an environment of its own says so once, and not at each scenario.
        own = {"OWN_ENVIRONMENT"} if "OWN" in map(ast.unparse, _assigned(tree)) else set()
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or ast.unparse(node.func) != "proves":
                continue
            ids = {NAMES[ast.unparse(argument)] for argument in node.args}
            words = {word.arg: word.value for word in node.keywords}
            needs = {ast.unparse(part) for value in words.values() for part in ast.walk(value)}
            capabilities = {
                need.partition(".")[2] for need in needs if need.startswith("Capability.")
            }
            yield ids, capabilities | own, "gaps" in words


def _assigned(tree: ast.Module) -> Iterator[ast.expr]:
    for statement in tree.body:
        yield from statement.targets if isinstance(statement, ast.Assign) else ()


def test_every_requirement_is_proved_by_a_scenario() -> None:
    proved = {id_ for ids, *_ in marks() for id_ in ids}

    assert proved == set(catalogue())


def test_targets_are_those_that_can_run_a_scenario_of_it() -> None:
    inside = {"RECORDS", "FAULTS", "SHORT_LIVES", "CLUSTERS", "TRAIL", "OWN_ENVIRONMENT"}
    where: dict[str, set[Targets]] = {}
    for ids, needs, gaps in marks():
        here = Targets.REAL if gaps else Targets.EMULATED if needs & inside else Targets.ALL
        for id_ in ids:
            where.setdefault(id_, set()).add(here)

    # One that runs everywhere is enough.
    assert {id_ for id_, seen in where.items() if Targets.ALL in seen} == {
        id_ for id_, one in catalogue().items() if one.targets is Targets.ALL
    }
    assert {id_ for id_, seen in where.items() if seen == {Targets.REAL}} == {
        id_ for id_, one in catalogue().items() if one.targets is Targets.REAL
    }
