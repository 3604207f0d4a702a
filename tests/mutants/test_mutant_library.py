import ast
from collections import Counter

import pytest

from conformance.errors import HarnessError, UsageError
from conformance.mutants import MUTANTS, Mutant, Part, mutants_with
from conformance.mutants.patching import PACKAGE, broken_copy, mutated
from conformance.requirements import catalogue
from conformance.stages import Stage


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_applies_and_is_another_program(mutant: Mutant) -> None:
    before = (PACKAGE / mutant.path).read_text(encoding="utf-8")

    assert ast.dump(ast.parse(mutated(mutant))) != ast.dump(ast.parse(before))
    assert mutant.broken in catalogue()
    assert mutant.stage in ("", *Stage)
    assert mutant.because


def test_there_are_sixty_and_each_is_another() -> None:
    assert len(MUTANTS) >= 60
    assert Counter(m.name for m in MUTANTS).most_common(1)[0][1] == 1
    assert len({(m.module, m.old, m.new) for m in MUTANTS}) == len(MUTANTS)


def test_only_the_emulation_is_broken_and_every_part_of_it() -> None:
    of_audit = [m for m in MUTANTS if m.module.startswith("audit.")]
    modules = {m.module.partition(".")[0] for m in MUTANTS if m not in of_audit}

    assert modules == {"cluster", "emulator"}
    # Of the harness the audit alone: that it finds things is what posture promises.
    assert {m.broken.partition(".")[0] for m in of_audit} == {"posture"}
    assert {m.part for m in MUTANTS} == set(Part)


def test_words_choose_by_name_part_and_requirement() -> None:
    assert {m.broken for m in mutants_with(["agent.cache.per-pod"])} == {"agent.cache.per-pod"}
    assert {m.part for m in mutants_with(["eks-auth-"])} == {Part.EKS_AUTH}
    with pytest.raises(UsageError, match="no such mutant"):
        mutants_with(["nothing is called so"])


def example(**fields: str) -> Mutant:
    known = {"old": "HTTP_RESPONSE = ", "new": "RESPONSES = "}
    return Mutant(
        "example",
        part=Part.AGENT,
        module="cluster.agent.metrics",
        broken="agent.metrics",
        because="for this test",
        **known | fields,
    )


@pytest.mark.parametrize("old", ["not there at all", "\n"])
def test_text_that_is_not_there_exactly_once_is_refused(old: str) -> None:
    with pytest.raises(HarnessError, match="does not fit"):
        mutated(example(old=old))


def test_what_is_no_python_is_refused() -> None:
    with pytest.raises(SyntaxError):
        mutated(example(new="class "))


def test_copy_differs_in_one_file_and_has_no_old_byte_code_of_it() -> None:
    mutant = example()
    with broken_copy(mutant) as root:
        different = [
            path.relative_to(PACKAGE).as_posix()
            for path in PACKAGE.rglob("*.py")
            if path.read_bytes() != (root / "conformance" / path.relative_to(PACKAGE)).read_bytes()
        ]
        compiled = list((root / "conformance").glob("cluster/agent/__pycache__/metrics.*"))
        assert (root / "scenarios").is_dir()

    assert different == [mutant.path]
    assert compiled == []
    assert not root.exists()
