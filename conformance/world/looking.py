"""
What a scenario looked at that is no call: a pod as it was admitted, a log, records.

It goes into the report beside what pods saw, in the same form, so that a verdict that
came from looking alone still shows what there was to see. Names and numbers only: what a
log says is not repeated, for it might hold what it must not.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from conformance.emulator.admin import Recorded
from conformance.probes.injected import (
    LABEL,
    containers,
    injected_parts,
    token_sources,
    variable_names,
)
from conformance.stages import Stage
from conformance.world.agents import AgentLine

Seen = dict[str, Any]

MOST_EVENTS = 20
"""Of CloudTrail, in one piece of evidence; how many there are is always said."""


def seen(what: str, operation: str, stage: Stage, outcome: str, **more: Any) -> Seen:
    """In the form of what a call saw: who decided, and what came of it."""
    return {"call": what, "operation": operation, "stage": stage, "outcome": outcome, **more}


def admitted_pod(manifest: Mapping[str, Any]) -> Seen:
    """What the webhook made of a pod."""
    spec = manifest["spec"]
    found = containers(manifest)
    return seen(
        "admitted",
        "kubernetes: create, dry run",
        Stage.INJECTION,
        "injected" if injected_parts(manifest) else "left alone",
        label=(manifest["metadata"].get("labels") or {}).get(LABEL, ""),
        volumes=[volume["name"] for volume in spec.get("volumes", [])],
        tokens=token_sources(manifest),
        variables={name: variable_names(container) for name, container in found.items()},
        mounts={
            name: [mount["mountPath"] for mount in container.get("volumeMounts", [])]
            for name, container in found.items()
        },
    )


def admitted_deployment(manifest: Mapping[str, Any]) -> Seen:
    """What the webhook made of its template, which should be nothing."""
    return admitted_pod(manifest["spec"]["template"])


def registered(webhook: Mapping[str, Any]) -> Seen:
    """When the API server asks the webhook, and what it does when nobody answers."""
    shown = ("failurePolicy", "sideEffects", "reinvocationPolicy", "timeoutSeconds", "rules")
    fields = {name: webhook[name] for name in shown if name in webhook}
    return seen("webhook", "kubernetes: get", Stage.INJECTION, "registered", **fields)


def agents_lines(lines: Iterable[AgentLine]) -> Seen:
    """How many lines the agents wrote about a pod, by node and level."""
    counted = Counter(f"{line.node} {line.level}" for line in lines)
    outcome = f"{counted.total()} lines" if counted else "never asked"
    return seen("log about a pod", "kubernetes: logs", Stage.AGENT, outcome, lines=dict(counted))


def agents_logs(logs: Mapping[str, str]) -> Seen:
    """How much each node's agent has logged."""
    counted = {node: len(text.splitlines()) for node, text in logs.items()}
    return seen("logs", "kubernetes: logs", Stage.AGENT, f"{len(logs)} agents", lines=counted)


def trail_events(found: str, events: Sequence[Mapping[str, Any]]) -> Seen:
    """What CloudTrail has; who, what and when, and none of the parameters."""
    members = ("eventTime", "eventName", "errorCode", "requestID", "sharedEventID")
    shown = [
        {member: event[member] for member in members if event.get(member)}
        | {"by": (event.get("userIdentity") or {}).get("arn", "")}
        for event in events[:MOST_EVENTS]
    ]
    outcome = f"{len(events)} events"
    return seen(found, "cloudtrail:lookup_events", Stage.SERVICE, outcome, events=shown)


def printed(words: Sequence[str], text: str) -> Seen:
    """Which command was typed into kubectl, and how much it printed."""
    lines = len(text.splitlines())
    return seen(f"kubectl {' '.join(words)}", "kubectl", Stage.SERVICE, f"{lines} lines")


def recorded(records: Recorded) -> Seen:
    """How many calls of EKS Auth by outcome, sessions by tags, and decisions by kind of policy."""
    return seen(
        "records",
        "emulator: records",
        Stage.EKS_AUTH,
        f"{len(records.eks_auth)} calls of EKS Auth",
        eks_auth=dict(Counter(call.outcome for call in records.eks_auth)),
        sessions=len(records.sessions),
        decisions=dict(Counter(str(one.decided_by) for one in records.decisions)),
    )
