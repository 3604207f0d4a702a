"""
The posture of a cluster: what is not wrong yet, and will be.

`reading` asks EKS, IAM and the cluster and creates nothing; `snapshot` is what was read;
`checks` are pure functions from that to findings, each of which names an object and its
fix. Used by `conformance audit` and by the scenarios that plant one of each bad thing.
"""

from conformance.audit.checks import CHECKS, Check, audit
from conformance.audit.findings import Finding
from conformance.audit.snapshot import Association, Node, Role, Snapshot

__all__ = ["CHECKS", "Association", "Check", "Finding", "Node", "Role", "Snapshot", "audit"]
