"""
What was published of the catalogue: `published_ids.txt`, a line for each meaning of each id.

    id level hash-of-the-promise version
    id level hash-of-the-promise version retired version

A line of a version that was released is never changed or taken away: reports of years ago must
stay readable, and who was certified by them must hear when a promise became another one. So a
changed promise is another line, below the old one. What is `unreleased` may still change.

    python -m tests.requirements.published              brings the file up to date
    python -m tests.requirements.published --release    what is unreleased is of this version now
"""

import hashlib
import re
import sys
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from pathlib import Path

from conformance.requirements import Level, Requirement, catalogue

ROOT = Path(__file__).parents[2]
FILE = Path(__file__).parent / "published_ids.txt"
UNRELEASED = "unreleased"
HEAD = """\
# Every id that was ever published, with level, hash of the promise, and the version that first had
# it so. Made by `python -m tests.requirements.published`, which says more; a retired id stays.
"""


@dataclass(frozen=True)
class Line:
    """One meaning of an id."""

    id: str
    level: str
    promise: str
    """A short hash of it."""
    since: str
    retired: str = ""
    """The version in which it was given up; empty when it is promised still."""

    def __str__(self) -> str:
        end = ("retired", self.retired) if self.retired else ()
        return " ".join((self.id, self.level, self.promise, self.since, *end))

    @classmethod
    def read(cls, text: str) -> "Line":
        id_, level, promise, since, *end = text.split()
        return cls(id_, level, promise, since, end[1] if end else "")

    @classmethod
    def of(cls, one: Requirement) -> "Line":
        promise = hashlib.sha256(one.promise.encode()).hexdigest()[:8]
        return cls(one.id, str(one.level), promise, UNRELEASED)

    @property
    def released(self) -> bool:
        return self.since != UNRELEASED

    def means(self, other: "Line") -> bool:
        return (self.level, self.promise) == (other.level, other.promise)


def read() -> list[Line]:
    text = FILE.read_text(encoding="utf-8")
    return [Line.read(line) for line in text.splitlines() if line and not line.startswith("#")]


def version() -> str:
    """Of the suite, as it will be released next."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return str(project["project"]["version"])


def brought_up_to_date(lines: Iterable[Line], promised: Iterable[Requirement]) -> list[Line]:
    """Released lines as they are; behind them what is promised now, where that is another."""
    history: dict[str, list[Line]] = {}
    for line in lines:
        history.setdefault(line.id, []).append(line)
    for now in map(Line.of, promised):
        kept = [line for line in history.get(now.id, []) if line.released]
        history[now.id] = kept if kept and kept[-1].means(now) else [*kept, now]
    return [line for id_ in sorted(history) for line in history[id_]]


def released(lines: Iterable[Line], as_: str) -> list[Line]:
    """With this version instead of `unreleased`."""
    return [
        replace(
            line,
            since=line.since.replace(UNRELEASED, as_),
            retired=line.retired.replace(UNRELEASED, as_),
        )
        for line in lines
    ]


def unsaid(lines: Sequence[Line], changelog: str, next_version: str) -> list[str]:
    """What changed for those who were certified, and was not said; a sentence for each id."""
    told = set(re.findall(r"`([a-z0-9.-]+)`", _changed_meaning(changelog)))
    sentences = []
    for id_, group in groupby(lines, key=lambda line: line.id):
        meanings = list(group)
        last = meanings[-1]
        changes = [
            (before, after.since)
            for before, after in pairwise(meanings)
            if before.promise != after.promise
            or (after.level == Level.CORE and before.level != Level.CORE)
        ]
        if last.retired and last.released:
            changes.append((last, last.retired))
        for before, since in changes:
            after = next_version if since == UNRELEASED else since
            if id_ not in told:
                sentences.append(
                    f"{id_} is not what {before.since} promised: say so in CHANGELOG.md, "
                    "below '### Changed meaning'"
                )
            if _major(after) <= _major(before.since):
                sentences.append(
                    f"{id_} is not what {before.since} promised: {after} must be a major version"
                )
    return sentences


def _changed_meaning(changelog: str) -> str:
    """All sections of that name."""
    sections = re.split(r"^(?=##)", changelog, flags=re.MULTILINE)
    return "".join(one for one in sections if one.startswith("### Changed meaning"))


def _major(text: str) -> int:
    return int(text.partition(".")[0])


def main() -> None:
    lines = brought_up_to_date(read(), catalogue().values())
    if "--release" in sys.argv:
        lines = released(lines, version())
    FILE.write_text(HEAD + "".join(f"{line}\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()
