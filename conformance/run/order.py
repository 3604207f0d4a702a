"""
In which order scenarios run.

Files that wait most begin first: nobody is left alone with them in the end. No verdict may
depend on it, inside a file as little as between files, and so any other order can be had
(`--order`), by which `benchmarks.order` looks for one that does.
"""

import random
from pathlib import Path

import pytest

from conformance.run.marked import has_own_environment
from conformance.run.options import REVERSED


def arranged(items: list[pytest.Item], order: str) -> list[pytest.Item]:
    """
    The items in an order: the usual one, the other way round, or shuffled with a seed.

    Files stay together, for each has a world of its own. Every worker of xdist gets the same.
    """
    usual = sorted(items, key=lambda item: (not has_own_environment(item), not _takes_long(item)))
    if order in ("", REVERSED):
        return usual[::-1] if order else usual
    files: dict[Path, list[pytest.Item]] = {}
    for item in usual:
        files.setdefault(item.path, []).append(item)
    chance = random.Random(int(order))  # noqa: S311 - an order, not a secret
    whole = list(files.values())
    chance.shuffle(whole)
    for each in whole:
        chance.shuffle(each)
    return [item for each in whole for item in each]


def _takes_long(item: pytest.Item) -> bool:
    """Whether the item's file says so, beside its Spec: no promise depends on it."""
    return bool(getattr(getattr(item, "module", None), "TAKES_LONG", False))
