import re
from pathlib import Path

import pytest

from conformance.faults import EKS_AUTH_SKIPS_SIGNATURE
from conformance.mutants import MUTANTS
from conformance.mutants.faults import expectations
from conformance.requirements import catalogue
from conformance.requirements.profiles import themes_of

PAGE = (Path(__file__).parents[2] / "docs" / "field-problems.md").read_text(encoding="utf-8")
PROBLEMS, CLAIMS = (
    [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines()
     if re.match(r"\| \d+ \|", line)]
    for part in PAGE.split("## Claims that are wrong")
)  # fmt: skip


def named(cell: str) -> set[str]:
    return set(re.findall(rf"`((?:{'|'.join(themes_of(catalogue()))})\.[a-z0-9.-]+)`", cell))


def test_every_problem_and_claim_is_there_once() -> None:
    assert [row[0] for row in PROBLEMS] == [str(number) for number in range(1, 33)]
    assert [row[0] for row in CLAIMS] == [str(number) for number in range(1, 19)]


@pytest.mark.parametrize("row", [*PROBLEMS, *CLAIMS], ids=lambda row: row[1][:40])
def test_ids_that_are_named_are_in_the_catalogue(row: list[str]) -> None:
    written = set(re.findall(r"`([a-z0-9-]+\.[a-z0-9.-]+)`", row[3]))

    assert written - set(catalogue()) == set()


@pytest.mark.parametrize("row", PROBLEMS, ids=lambda row: row[1][:40])
def test_problem_has_a_requirement_or_a_reason(row: list[str]) -> None:
    assert named(row[3]) or row[3].startswith("none: ")


@pytest.mark.parametrize("row", CLAIMS, ids=lambda row: row[1][:40])
def test_claim_is_among_the_clusters_that_are_broken(row: list[str]) -> None:
    noticed = {mutant.broken for mutant in MUTANTS}
    noticed |= set(expectations()[EKS_AUTH_SKIPS_SIGNATURE.name].named)

    assert named(row[3]) & noticed


@pytest.mark.parametrize("row", CLAIMS, ids=lambda row: row[1][:40])
def test_claim_has_a_scenario_that_fails_for_it(row: list[str]) -> None:
    assert named(row[3])
