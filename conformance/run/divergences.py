"""
Divergences that are known, each with its target and its reason.

    ["agent.token.expired"]
    target = "kind"
    because = "the pinned agent image predates the claim check"

The file is strict both ways: a listed promise that is kept after all breaks the
run (see `reports.judge`), and so does an id that nobody knows. Otherwise the list
would outlive its reasons.
"""

import tomllib
from collections.abc import Collection
from pathlib import Path

from conformance.errors import HarnessError
from conformance.run.suite import DIVERGENCES_FILE

TARGET_NAMES = ("embedded", "kube", "kind", "eks")
"""Also those that are not built in yet: a list may be ahead of this version."""

_FIELDS = {"target", "because"}


def known_divergences(suite: Path, *, target: str, requirements: Collection[str]) -> dict[str, str]:
    """
    Requirement id to reason, for one target.

    Raises `HarnessError` that names file and entry for an unknown id or target, a
    missing or unknown field, an empty reason, or a file that is not TOML.
    """
    file = suite / DIVERGENCES_FILE
    try:
        entries = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise HarnessError(f"{file} cannot be read", saw=str(error)) from error
    listed: dict[str, str] = {}
    for id_, entry in entries.items():
        if id_ not in requirements:
            raise HarnessError(
                f"{file}: {id_!r} is not in the catalogue of requirements",
                saw=f'["{id_}"]',
                try_="conformance requirements; take the entry out when the requirement is gone",
            )
        if not isinstance(entry, dict) or set(entry) != _FIELDS or not all(entry.values()):
            raise HarnessError(
                f"{file}: entry {id_!r} wants exactly the fields target and because",
                saw=repr(entry),
            )
        if entry["target"] not in TARGET_NAMES:
            raise HarnessError(
                f"{file}: entry {id_!r} names a target that is none",
                saw=repr(entry["target"]),
                try_=f"one of: {', '.join(TARGET_NAMES)}",
            )
        if entry["target"] == target:
            listed[id_] = str(entry["because"])
    return listed
