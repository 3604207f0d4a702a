"""
A node as the API server shows it: the Node object and its lease.

The official client checks objects strictly, so every field that the API calls
required is there, whether or not anybody reads it.
"""

import platform
from dataclasses import dataclass, field

from conformance.cluster.nodes.api import Object
from conformance.cluster.nodes.containers import now

INSTANCE_TYPE = "m7i.large"
_TYPE_LABEL = "node.kubernetes.io/instance-type"
LEASE_SECONDS = 40
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class NodeIdentity:
    """Who a node is, for Kubernetes and for AWS."""

    name: str
    address: str
    instance_id: str
    region: str
    node_group: str
    role_arn: str
    labels: dict[str, str] = field(default_factory=dict)
    taints: tuple[Object, ...] = ()
    """As the Node has them."""

    @property
    def instance_type(self) -> str:
        return self.labels.get(_TYPE_LABEL, INSTANCE_TYPE)

    @property
    def zone(self) -> str:
        return f"{self.region}a"


def node_object(identity: NodeIdentity, version: str) -> Object:
    """The Node that a kubelet registers; `version` is the cluster's, such as 1.33."""
    machine = _MACHINES.get(platform.machine(), platform.machine())
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": identity.name,
            "labels": {
                "beta.kubernetes.io/arch": machine,
                "beta.kubernetes.io/os": "linux",
                "kubernetes.io/arch": machine,
                "kubernetes.io/hostname": identity.name,
                "kubernetes.io/os": "linux",
                _TYPE_LABEL: INSTANCE_TYPE,
                "topology.kubernetes.io/region": identity.region,
                "topology.kubernetes.io/zone": identity.zone,
                "eks.amazonaws.com/nodegroup": identity.node_group,
                "eks.amazonaws.com/capacityType": "ON_DEMAND",
                **identity.labels,
            },
        },
        "spec": {
            "providerID": f"aws:///{identity.zone}/{identity.instance_id}",
            **({"taints": list(identity.taints)} if identity.taints else {}),
        },
        "status": node_status(identity, version),
    }


def node_status(identity: NodeIdentity, version: str) -> Object:
    """A node that is ready and has room for 110 pods."""
    machine = _MACHINES.get(platform.machine(), platform.machine())
    resources = {"cpu": "2", "memory": "8Gi", "pods": "110", "ephemeral-storage": "20Gi"}
    system_id = f"ec2{identity.instance_id.removeprefix('i-')[:29]:0<29}"
    moment = now()
    conditions = [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ]
    return {
        "addresses": [
            {"type": "InternalIP", "address": identity.address},
            {"type": "Hostname", "address": identity.name},
        ],
        "allocatable": resources,
        "capacity": resources,
        "conditions": [
            {
                "type": kind,
                "status": status,
                "reason": reason,
                "message": message,
                "lastHeartbeatTime": moment,
                "lastTransitionTime": moment,
            }
            for kind, status, reason, message in conditions
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "nodeInfo": {
            "architecture": machine,
            "bootID": system_id,
            "containerRuntimeVersion": "bubblewrap://0.11",
            "kernelVersion": platform.release(),
            "kubeProxyVersion": f"v{version}.0",
            "kubeletVersion": f"v{version}.0",
            "machineID": system_id,
            "operatingSystem": "linux",
            "osImage": "eks-pod-identity-conformance",
            "systemUUID": system_id,
        },
        "images": [],
    }


def lease(name: str, moment: str) -> Object:
    """The heartbeat; `moment` is a MicroTime."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": "kube-node-lease"},
        "spec": {
            "holderIdentity": name,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": moment,
        },
    }
