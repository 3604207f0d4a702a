"""What nothing can break is not proved: each promise has a mutant, or a fault at its stage."""

from collections.abc import Mapping

from conformance.mutants import MUTANTS
from conformance.mutants.faults import expectations
from conformance.requirements import catalogue

KNOWN: Mapping[str, tuple[str, ...]] = {
    "docs/mutants.md, what cannot be killed: parsing and the signature refuse it as well": (
        "eks-auth.issuer",
    ),
    "a grant and nothing else: what refuses it breaks the denials' controls first": (
        "sqs.consume",
        "guide.role",
        "guide.s3",
        "guide.dynamodb",
        "guide.sqs",
    ),
    "a mutant can be written, and nobody has yet": (
        "sqs.queue-policy.session-tag",
        "sqs.sessions",
        "sqs.sessions.ended",
        "injection.no-long-lived-keys",
        "agent.cache.rotated",
        "separation.account-again",
        "association.updated.kept",
        "association.updated.target-role",
        "association.deleted.sessions",
        "association.created-again.role",
        "rotation.token.read-again",
        "rotation.load",
        "rotation.session-name",
        "rotation.presigned",
        "outage.running",
        "outage.shorter",
        "outage.longer",
        "outage.agent-restart",
        "outage.agent-restart.running",
        "outage.new-node",
    ),
}
"""Reason to the promises that nothing breaks at their own stage; the table only gets shorter."""
UNBROKEN = {id_ for ids in KNOWN.values() for id_ in ids}


def broken() -> set[str]:
    """What a mutant breaks, or a fault at the stage where the promise is decided."""
    by_faults = {
        id_
        for row in expectations().values()
        for stage, ids in row.fails.items()
        for id_ in ids
        if catalogue()[id_].stage == stage
    }
    return {mutant.broken for mutant in MUTANTS} | by_faults


def test_every_promise_is_broken_by_a_mutant_or_at_its_stage_by_a_fault() -> None:
    assert set(catalogue()) - broken() - UNBROKEN == set(), "write a mutant: docs/mutants.md"


def test_what_is_broken_by_now_is_not_in_the_table_any_more() -> None:
    assert UNBROKEN & broken() == set(), "take it out of KNOWN"
    assert set(catalogue()) >= UNBROKEN
