"""
Where the suite lies, and which folder is one.

In a checkout the scenarios are `./scenarios`; in a wheel they travel inside the
package. A suite folder is known by its `known_divergences.toml`: so a broken
scenario file is trouble of the suite even when nothing in it could be collected,
while other people's tests are left alone. Every pytest imports this file, so it
imports next to nothing.
"""

from functools import cache
from pathlib import Path

from conformance.errors import HarnessError

DIVERGENCES_FILE = "known_divergences.toml"

_PACKAGE = Path(__file__).resolve().parent.parent


def suite_root() -> Path:
    """
    The folder that holds `scenarios/` and `fixtures/`.

    Raises `HarnessError` when neither the checkout's nor the wheel's is there.
    """
    places = (_PACKAGE.parent, _PACKAGE / "_suite")
    for place in places:
        if (place / "scenarios" / DIVERGENCES_FILE).is_file():
            return place
    raise HarnessError(
        "the scenarios of the suite are not where they should be",
        saw=" and ".join(f"no {place / 'scenarios' / DIVERGENCES_FILE}" for place in places),
        try_="install the wheel, or work in a complete checkout",
    )


@cache
def suite_of(path: Path) -> Path | None:
    """The suite folder that a file belongs to; None for anybody else's tests."""
    for folder in path.parents:
        if (folder / DIVERGENCES_FILE).is_file():
            return folder
    return None
