"""
Probe pods: what they are asked to do, and what they then say they saw.

`plan` is what a scenario writes, `runner` what runs in the pod, `evidence` what
comes back, and `blame` says which stage an answer was decided at.
"""

from conformance.probes.blame import Outcome
from conformance.probes.evidence import Evidence, PromiseBroken, blaming
from conformance.probes.plan import (
    OWN_TOKEN,
    AgentCall,
    Call,
    Repeated,
    ServiceCall,
    answer_of,
    ask_agent,
    ask_node,
    by_url,
    call,
    presented,
    repeated,
)

__all__ = [
    "OWN_TOKEN",
    "AgentCall",
    "Call",
    "Evidence",
    "Outcome",
    "PromiseBroken",
    "Repeated",
    "ServiceCall",
    "answer_of",
    "ask_agent",
    "ask_node",
    "blaming",
    "by_url",
    "call",
    "presented",
    "repeated",
]
