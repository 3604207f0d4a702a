"""
The agent's DaemonSet as AWS's chart renders it, with the add-on's configuration as its values.

Values are laid over the chart's own as Helm does: maps are merged, lists replaced, and
null takes a value away.
Source: eks-pod-identity-agent charts/eks-pod-identity-agent at 0.1.37, and at 0.2.1,
whose agent asks the API server for keys and so has a token.
"""

from collections.abc import Mapping
from typing import Any

from conformance.cluster.agent.profiles import profile_of
from conformance.cluster.nodes.api import Object

AGENT = "eks-pod-identity-agent"
NAMESPACE = "kube-system"
_COMMAND = ["/go-runner", "/eks-pod-identity-agent"]

VALUES: Mapping[str, Any] = {
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {
                        "matchExpressions": [
                            {"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]},
                            {
                                "key": "kubernetes.io/arch",
                                "operator": "In",
                                "values": ["amd64", "arm64"],
                            },
                            {
                                "key": "eks.amazonaws.com/compute-type",
                                "operator": "NotIn",
                                "values": ["fargate", "hybrid", "auto"],
                            },
                        ]
                    }
                ]
            }
        }
    },
    "agent": {"additionalArgs": {}},
    "daemonsets": {"cloud": {"create": True}},
    "imagePullSecrets": [],
    "nodeSelector": {},
    "podAnnotations": {},
    "podLabels": {},
    "priorityClassName": "system-node-critical",
    "resources": {},
    "tolerations": [{"operator": "Exists"}],
    "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "10%"}},
}
"""The chart's own values; of those that the add-on's schema has, the ones that are read."""


def labels() -> dict[str, str]:
    """Those of everything that the chart makes, by which pods are found."""
    return {"app.kubernetes.io/name": AGENT, "app.kubernetes.io/instance": AGENT}


def metadata() -> Object:
    return {"name": AGENT, "namespace": NAMESPACE, "labels": labels()}


def agent_daemon_set(
    *, cluster: str, region: str, agent_version: str, configuration: Mapping[str, Any]
) -> Object | None:
    """The DaemonSet; None when the configuration wants none on nodes of EC2."""
    values = _laid_over(VALUES, configuration)
    if not ((values.get("daemonsets") or {}).get("cloud") or {}).get("create"):
        return None
    image = f"602401143452.dkr.ecr.{region}.amazonaws.com/eks/{AGENT}:v{agent_version}"
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": metadata(),
        "spec": {
            "selector": {"matchLabels": labels()},
            "updateStrategy": values.get("updateStrategy"),
            "template": {
                "metadata": {
                    "labels": labels() | values.get("podLabels", {}),
                    **_with(values, annotations="podAnnotations"),
                },
                "spec": {
                    "serviceAccountName": AGENT,
                    "automountServiceAccountToken": profile_of(agent_version).checks_rotated_tokens,
                    "hostNetwork": True,
                    "terminationGracePeriodSeconds": 30,
                    **_with(
                        values,
                        affinity="affinity",
                        imagePullSecrets="imagePullSecrets",
                        nodeSelector="nodeSelector",
                        priorityClassName="priorityClassName",
                        tolerations="tolerations",
                    ),
                    "initContainers": [_initialize(image)],
                    "containers": [_server(image, cluster, region, values)],
                },
            },
        },
    }


def _initialize(image: str) -> Object:
    return {
        "name": f"{AGENT}-init",
        "image": image,
        "imagePullPolicy": "Always",
        "command": [*_COMMAND, "initialize"],
        "securityContext": {"privileged": True},
    }


def _server(image: str, cluster: str, region: str, values: Mapping[str, Any]) -> Object:
    flags = ["--port", "80", "--cluster-name", cluster, "--probe-port", "2703"]
    for flag, value in ((values.get("agent") or {}).get("additionalArgs") or {}).items():
        flags += [str(flag), str(value)]
    return {
        "name": AGENT,
        "image": image,
        "imagePullPolicy": "Always",
        "command": [*_COMMAND, "server"],
        "args": flags,
        "ports": [
            {"containerPort": 80, "protocol": "TCP", "name": "proxy"},
            {"containerPort": 2703, "protocol": "TCP", "name": "probes-port"},
        ],
        "env": [{"name": "AWS_REGION", "value": region}],
        "securityContext": {"capabilities": {"add": ["CAP_NET_BIND_SERVICE"]}},
        **_with(values, resources="resources"),
    }


def _with(values: Mapping[str, Any], **fields: str) -> Object:
    """Fields of the values that say something; the others are left out, as by `with`."""
    return {field: values[name] for field, name in fields.items() if values.get(name)}


def _laid_over(own: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    laid = dict(own)
    for name, value in given.items():
        if value is None:
            laid.pop(name, None)
        elif isinstance(value, dict) and isinstance(laid.get(name), dict):
            laid[name] = _laid_over(laid[name], value)
        else:
            laid[name] = value
    return laid
