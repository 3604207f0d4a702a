"""
Ties a scenario to the promises it proves.

Lies here and not beside the scenarios, because those are found by path and may be
anywhere (inside the wheel, in a user's own folder), where no import reaches them.
"""

from collections.abc import Iterable
from enum import StrEnum

import pytest

from conformance.requirements.model import Requirement


def proves(
    first: Requirement,
    *others: Requirement,
    needs: Iterable[StrEnum] = (),
    gaps: Iterable[str] = (),
) -> pytest.MarkDecorator:
    """
    The decorated scenario proves these requirements.

    Its marker `proves` has the requirements as `args` and, as `kwargs["needs"]`, a
    frozenset of the capabilities (`environment.Capability`; this layer may not import
    it) without which it is skipped. `kwargs["gaps"]` are ids of what the emulation does not
    do (`conformance doctor --fidelity`): where AWS is emulated it is skipped with those words.
    """
    return pytest.mark.proves(first, *others, needs=frozenset(needs), gaps=frozenset(gaps))
