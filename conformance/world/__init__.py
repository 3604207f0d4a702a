"""
A Spec made real: Contract, cluster and probe pods, shared by the scenarios of a file.

Everything that a scenario may touch hangs on the `World`; it never talks to
Terraform, boto3 or kubernetes, and it never learns which target it runs on.
"""

from conformance.world.opening import open_world
from conformance.world.probing import Pod, Probe
from conformance.world.requests import CliRequest, ProbeRequest
from conformance.world.running import Running
from conformance.world.waiting import ONCE
from conformance.world.world import World

__all__ = ["ONCE", "CliRequest", "Pod", "Probe", "ProbeRequest", "Running", "World", "open_world"]
