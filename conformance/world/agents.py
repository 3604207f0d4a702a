"""
What the agents on the nodes say they did, read from their logs.

The agent of EKS is a DaemonSet whose pods write JSON lines, so "the agent was
never called" can be read on every target in the same way, without asking the
pod that claims it.
"""

import json
from dataclasses import dataclass
from datetime import datetime

from conformance.world.kube import Kube

AGENT_PODS = "/api/v1/namespaces/kube-system/pods"
AGENT_SELECTOR = "app.kubernetes.io/name=eks-pod-identity-agent"


@dataclass(frozen=True)
class AgentLine:
    """One line of an agent's log that names a client."""

    node: str
    client: str
    """Address of the pod that asked."""
    level: str
    message: str


def agent_lines(kube: Kube, *, client: str, since: datetime) -> list[AgentLine]:
    """
    Every line logged at or after `since` about requests from `client`, an IP address.

    Addresses are used again, so the time keeps another pod's lines out. Keys as the
    agent's logrus writes them: client-addr, level, msg, time (source:
    eks-pod-identity-agent, internal/middleware/logger).
    """
    lines: list[AgentLine] = []
    for node, text in agent_logs(kube).items():
        for line in text.splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue
            address = str(entry.get("client-addr", ""))
            logged = datetime.fromisoformat(entry.get("time", "1970-01-01T00:00:00Z"))
            if address.rpartition(":")[0].strip("[]") == client and logged >= since:
                lines.append(
                    AgentLine(
                        node=node,
                        client=client,
                        level=str(entry.get("level", "")),
                        message=str(entry.get("msg", "")),
                    )
                )
    return lines


def agent_logs(kube: Kube) -> dict[str, str]:
    """Everything that each node's agent has logged, by node."""
    pods = kube.get(AGENT_PODS, labelSelector=AGENT_SELECTOR)["items"]
    return {
        pod["spec"]["nodeName"]: kube.text(f"{AGENT_PODS}/{pod['metadata']['name']}/log")
        for pod in pods
    }
