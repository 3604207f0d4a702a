"""All mutants, joined from the modules of the parts."""

from collections.abc import Sequence

from conformance.errors import UsageError
from conformance.mutants import (
    addons,
    agent,
    agent_keeping,
    api_server,
    associations,
    bad_days,
    changes,
    cloudtrail,
    eks_auth,
    iam,
    node,
    other_credentials,
    permissions,
    posture,
    sts,
    webhook,
)
from conformance.mutants.model import Mutant

MUTANTS: tuple[Mutant, ...] = tuple(
    mutant
    for part in (
        webhook,
        agent,
        agent_keeping,
        eks_auth,
        associations,
        sts,
        iam,
        cloudtrail,
        api_server,
        node,
        addons,
        changes,
        permissions,
        other_credentials,
        bad_days,
        posture,
    )
    for mutant in part.MUTANTS
)
"""In the order of a credential's way, and then what several parts have to do with."""


def mutants_with(words: Sequence[str], *, or_none: bool = False) -> tuple[Mutant, ...]:
    """
    Those whose name, part or requirement contains one of the words; all without a word.

    Raises `UsageError` when there is none, unless there may be `or_none`.
    """
    chosen = tuple(
        mutant
        for mutant in MUTANTS
        if not words
        or any(word in f"{mutant.name} {mutant.part} {mutant.broken}" for word in words)
    )
    if not chosen and not or_none:
        raise UsageError(f"-k {' '.join(words)}: no such mutant", try_="conformance mutants --list")
    return chosen
