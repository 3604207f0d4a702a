import re
import subprocess
from dataclasses import replace
from itertools import groupby

import pytest

from conformance.requirements import Level, catalogue
from tests.requirements.published import (
    FILE,
    ROOT,
    UNRELEASED,
    Line,
    brought_up_to_date,
    read,
    released,
    unsaid,
    version,
)

LINES = read()
LAST = {line.id: line for line in LINES}
RETIRED = {id_ for id_, line in LAST.items() if line.retired}


def test_no_id_was_renamed_or_dropped() -> None:
    assert set(LAST) - RETIRED <= set(catalogue()), "a retired id stays: 'retired unreleased'"


def test_what_is_promised_is_written_down_as_it_is() -> None:
    written = {id_: line for id_, line in LAST.items() if id_ not in RETIRED}
    changed = [
        one.id
        for one in catalogue().values()
        if one.id not in written or not written[one.id].means(Line.of(one))
    ]

    assert changed == [], "python -m tests.requirements.published"


def test_retired_id_is_never_used_again() -> None:
    assert not RETIRED & set(catalogue())


def test_ids_are_sorted_and_only_the_last_line_of_each_is_unreleased() -> None:
    ids = [line.id for line in LINES]

    assert sorted(ids) == ids
    for _, group in groupby(LINES, key=lambda line: line.id):
        assert all(line.released and not line.retired for line in list(group)[:-1])


def test_who_was_certified_hears_of_every_changed_meaning() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert unsaid(LINES, changelog, version()) == []


WHOLE = re.compile(r"\S+ (core|extended|provisional) [0-9a-f]{8} \S+")
"""A line of the file; comments, and ids as they stood alone in its first form, are not."""


def test_no_released_line_was_ever_changed() -> None:
    """One commit may rename an id here and there; what the history had released it cannot."""
    if not (ROOT / ".git").exists():
        pytest.skip("no history here")
    log = subprocess.run(
        ["git", "log", "-p", "--format=", "--", str(FILE)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    removed = [line[1:] for line in log.splitlines() if line.startswith("-") and line[1:2] != "-"]
    was_released = [line for line in removed if WHOLE.match(line) and UNRELEASED not in line]
    now = [str(line) for line in LINES]

    assert [line for line in was_released if not any(n.startswith(line) for n in now)] == []


OLD = replace(Line.of(catalogue()["s3.read.write"]), since="1.0.0")
OTHER = replace(OLD, promise="00000000", since=UNRELEASED)
EXTENDED = replace(OLD, level=str(Level.EXTENDED))
SAID = "### Changed meaning\n\n- `s3.read.write`: another\n\n### Fixed\n"


@pytest.mark.parametrize(
    ("lines", "changelog", "next_version", "sentences"),
    [
        ([OLD], "", "1.1.0", 0),
        ([OLD, OTHER], "", "1.1.0", 2),
        ([OLD, OTHER], "### Fixed\n\n- `s3.read.write`\n", "2.0.0", 1),
        ([OLD, OTHER], SAID, "1.1.0", 1),
        ([OLD, OTHER], SAID, "2.0.0", 0),
        ([OLD, replace(OTHER, since="2.0.0")], SAID, "2.1.0", 0),
        ([EXTENDED, replace(OLD, since=UNRELEASED)], "", "1.1.0", 2),
        ([OLD, replace(EXTENDED, since=UNRELEASED)], "", "1.1.0", 0),
        ([replace(OLD, retired=UNRELEASED)], "", "2.0.0", 1),
        ([replace(OLD, retired="2.0.0")], SAID, "2.1.0", 0),
    ],
)
def test_changed_meaning_is_a_major_version_and_is_said(
    lines: list[Line], changelog: str, next_version: str, sentences: int
) -> None:
    assert len(unsaid(lines, changelog, next_version)) == sentences


def test_a_released_line_stays_and_an_unreleased_one_is_replaced() -> None:
    promised = [catalogue()["s3.read.write"]]
    changed = replace(OLD, promise="00000000")

    assert brought_up_to_date([OLD], promised) == [OLD]
    assert brought_up_to_date([changed], promised) == [changed, Line.of(promised[0])]
    assert brought_up_to_date([OTHER], promised) == [Line.of(promised[0])]
    assert brought_up_to_date([replace(OLD, id="s3.gone")], []) == [replace(OLD, id="s3.gone")]


def test_a_release_is_written_behind_what_was_unreleased() -> None:
    given = [OTHER, replace(OLD, retired=UNRELEASED)]

    assert [(line.since, line.retired) for line in released(given, "2.0.0")] == [
        ("2.0.0", ""),
        ("1.0.0", "2.0.0"),
    ]
    assert all(Line.read(str(line)) == line for line in [OLD, *given])
