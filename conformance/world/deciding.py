"""
Which policy decided a call of a pod, as IAM recorded it.

A refusal says of what kind the policy was that refused, and an answer says nothing. Where
AWS is emulated IAM's own record is at hand, so a report can name policy and statement. It
is for whoever reads the report: scenarios assert on what a pod was told, on every target.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import cache

from conformance.emulator.admin import AdminClient
from conformance.emulator.records import IamDecision
from conformance.environment import Environment
from conformance.errors import HarnessError
from conformance.probes import Outcome
from conformance.probes.evidence import Evidence

Told = Mapping[str, object]
"""What evidence has more when it is filed; empty when nothing is known."""


def decided(
    environment: Environment, calls: Iterable[Evidence], *, since: datetime
) -> Callable[[Evidence], Told]:
    """Says of each of a pod's calls who decided it; IAM is asked when the first is looked at."""
    keys = sorted({call.access_key for call in calls if call.access_key})
    socket = environment.admin_socket
    if socket is None or not keys:
        return lambda _: {}

    @cache
    def decisions() -> list[IamDecision]:
        # Whoever judges the scenario notices when AWS has ended.
        with suppress(HarnessError):
            return AdminClient(socket).records(since, keys).decisions
        return []

    return lambda call: told_by(call, decisions())


def told_by(call: Evidence, decisions: Iterable[IamDecision]) -> Told:
    """
    The policy that decided a call, where it is only one.

    A refusal is found by its own words, which name action and resource; an answer by the
    action, so of several that other statements allowed none is told.
    """
    found = {
        (str(one.decided_by), one.policy, one.sid)
        for one in decisions
        if one.access_key_fingerprint == call.access_key and _about(one, call)
    }
    if len(found) != 1:
        return {}
    by, policy, statement = found.pop()
    named = {"by": by, "policy": policy, "statement": statement}
    return {"decided": {name: value for name, value in named.items() if value}}


def _about(decision: IamDecision, call: Evidence) -> bool:
    if call.outcome is Outcome.DENIED:
        return bool(decision.reason) and decision.reason in call.message
    _, _, operation = call.operation.partition(":")
    name = decision.action.partition(":")[2].lower()
    return decision.allowed and operation.replace("_", "") == name
