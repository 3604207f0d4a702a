"""
The checks, each a pure function from what was read to what was found.

A finding has to be worth getting up for: what cannot be told for sure from the objects
(a pod without owner or name label, a role that could not be read) is no finding.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from conformance.audit import role_checks, workload_checks
from conformance.audit.findings import Finding, Found
from conformance.audit.snapshot import Snapshot


@dataclass(frozen=True)
class Check:
    """One question about a cluster; `id` is what findings, options and scenarios call it."""

    id: str
    title: str
    why: str
    find: Callable[[Snapshot], Iterator[Found]]


def audit(snapshot: Snapshot, checks: "tuple[Check, ...] | None" = None) -> list[Finding]:
    """All findings, check by check."""
    return [
        Finding(check=check.id, **found._asdict())
        for check in checks or CHECKS
        for found in check.find(snapshot)
    ]


CHECKS = (
    Check(
        "default-account",
        "No association for the service account `default`",
        "it is whom every pod runs as whose author did not think about it",
        role_checks.default_association,
    ),
    Check(
        "one-purpose",
        "One service account, one purpose",
        "two workloads of one service account have the sum of what both need",
        workload_checks.one_purpose,
    ),
    Check(
        "wildcard",
        "No wildcard permission",
        "what is allowed by a wildcard grows with every service that AWS adds",
        role_checks.wildcards,
    ),
    Check(
        "wide-trust",
        "Trust narrowed to cluster and namespace",
        "without, whoever may make associations in any cluster of the account has the role",
        role_checks.wide_trust,
    ),
    Check(
        "irsa-left-over",
        "No annotation of IRSA beside an association",
        "it is without effect until the association is gone, and then it is back",
        workload_checks.irsa_left_over,
    ),
    Check(
        "static-keys",
        "No static keys in pods",
        "SDKs take them first, so they outlive every migration",
        workload_checks.static_keys,
    ),
    Check(
        "not-injected",
        "Every pod with an association was injected",
        "injection fails open and is never made up for",
        workload_checks.not_injected,
    ),
    Check(
        "open-imds",
        "Pods do not reach the instance metadata",
        "a pod that was not injected is the node, and nothing says so",
        workload_checks.open_imds,
    ),
    Check(
        "no-agent",
        "An agent on every node",
        "pods that land on a node without one get nothing",
        workload_checks.no_agent,
    ),
)
"""In the order of reports."""
