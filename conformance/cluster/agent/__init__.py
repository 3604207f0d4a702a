"""The EKS Pod Identity agent of one node: `Agent`, its behaviour profiles and what it is given."""

from conformance.cluster.agent.agent import Agent
from conformance.cluster.agent.clock import Clock, SystemClock
from conformance.cluster.agent.interface import (
    IPV4_HOST,
    IPV6_HOST,
    ConnectSocket,
    KeySet,
    Listener,
    LogLine,
    NodeCredentials,
    NodeCredentialsError,
    NodeCredentialsProvider,
    Settings,
)
from conformance.cluster.agent.profiles import (
    DEFAULT_VERSION,
    PROFILES,
    AgentProfile,
    profile_of,
)

__all__ = [
    "DEFAULT_VERSION",
    "IPV4_HOST",
    "IPV6_HOST",
    "PROFILES",
    "Agent",
    "AgentProfile",
    "Clock",
    "ConnectSocket",
    "KeySet",
    "Listener",
    "LogLine",
    "NodeCredentials",
    "NodeCredentialsError",
    "NodeCredentialsProvider",
    "Settings",
    "SystemClock",
    "profile_of",
]
