"""The examples of docs/adding-a-stack.md, run as a reader would run them."""

import re
from pathlib import Path

import pytest

from conformance.environment import Aws
from conformance.terraform.checking import SPECS, check_stack
from conformance.terraform.engine import Engine
from conformance.terraform.finding import EngineBinary
from conformance.terraform.provider.mirror import write_mirror
from conformance.terraform.surroundings import aws_environment, child_environment

PAGE = Path(__file__).parents[3] / "docs" / "adding-a-stack.md"


def examples(heading: str) -> list[str]:
    section = PAGE.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"```(?:hcl|json)\n(.*?)```", section, flags=re.DOTALL)


@pytest.mark.long
def test_the_stack_of_the_page_keeps_the_agreement(
    tmp_path: Path, checked_aws: Aws, cluster: str
) -> None:
    mine = tmp_path / "my-stack"
    mine.mkdir()
    for name, text in zip(
        ("main.tf", "stack.json"), examples("A folder with two files"), strict=True
    ):
        (mine / name).write_text(text)

    steps = check_stack(
        str(mine),
        aws=checked_aws,
        cluster=cluster,
        folder=tmp_path / "w",
        prefix="pi-page",
        specs={name: SPECS[name] for name in ("one association", "target roles")},
    )

    assert [step for step in steps if step.trouble] == []
    assert [step.spec for step in steps if step.what == "contract" and step.skipped] == [
        "target roles"
    ]


def test_terraforms_native_tests_work_with_real_hcl(
    tmp_path: Path, engine_binary: EngineBinary, checked_aws: Aws, cluster: str
) -> None:
    module = tmp_path / "module"
    module.mkdir()
    for name, text in zip(
        ("main.tf", "reader.tftest.hcl"), examples("`terraform test`"), strict=True
    ):
        (module / name).write_text(text)
    # What `. .conformance/env` sets.
    surroundings = child_environment(module, write_mirror(tmp_path / "home"))
    engine = Engine(module, engine_binary, surroundings | aws_environment(checked_aws))

    engine.init()
    code, said, errors = engine.cmd("test", var={"cluster": cluster})
    assert (code, errors) == (0, ""), said + errors
    assert "1 passed, 0 failed" in said
