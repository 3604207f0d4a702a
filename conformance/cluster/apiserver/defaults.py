"""
What the API fills in where a request left it out.

Nodes and webhooks see objects with these values, never without, so they are part of
the contract: `defaultMode` 420 of projected volumes, 3600 s for a projected token
without a life, `Always` for an image without a tag.
Sources: pkg/apis/*/v1/defaults.go of kubernetes, and the recorded objects.
"""

import base64
import re
from collections.abc import Callable
from typing import Any

from conformance.cluster.apiserver.resources import (
    DAEMON_SETS,
    DEPLOYMENTS,
    JOBS,
    MUTATING_WEBHOOKS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICA_SETS,
    SECRETS,
    SERVICES,
    VALIDATING_WEBHOOKS,
    Object,
    Resource,
    dig,
)

_FILE_MODE = 420
"""0644."""
_POD_SPEC: Object = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "securityContext": {},
    "schedulerName": "default-scheduler",
}
_CONTAINER: Object = {
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
_PROBE: Object = {
    "timeoutSeconds": 1,
    "periodSeconds": 10,
    "successThreshold": 1,
    "failureThreshold": 3,
}
_WEBHOOK: Object = {
    "failurePolicy": "Fail",
    "matchPolicy": "Equivalent",
    "namespaceSelector": {},
    "objectSelector": {},
    "timeoutSeconds": 10,
}
_NODE_INFO = (
    "machineID",
    "systemUUID",
    "bootID",
    "kernelVersion",
    "osImage",
    "containerRuntimeVersion",
    "kubeletVersion",
    "kubeProxyVersion",
    "operatingSystem",
    "architecture",
)


def apply(resource: Resource, obj: Object) -> Object:
    """The object with its defaults; the one that was given stays as it is."""
    fill = _FILLERS.get(resource)
    return fill(obj) if fill else obj


def pod_spec(spec: Object) -> Object:
    filled = _POD_SPEC | spec
    if account := spec.get("serviceAccountName") or spec.get("serviceAccount"):
        filled |= {"serviceAccountName": account, "serviceAccount": account}
    for group in ("initContainers", "containers"):
        if spec.get(group):
            filled[group] = [_container(container) for container in spec[group]]
    if spec.get("volumes"):
        filled["volumes"] = [_volume(volume) for volume in spec["volumes"]]
    if filled.get("hostNetwork"):
        # SetDefaults_PodSpec: ports of the host are the container's own.
        filled["containers"] = [_host_ports(one) for one in filled.get("containers") or ()]
    return filled


def _container(container: Object) -> Object:
    filled = _CONTAINER | container
    if "imagePullPolicy" not in filled:
        filled["imagePullPolicy"] = _pull_policy(container.get("image", ""))
    if container.get("ports"):
        filled["ports"] = [{"protocol": "TCP"} | port for port in container["ports"]]
    if container.get("env"):
        filled["env"] = [_variable(env) for env in container["env"]]
    limits = dig(container, "resources", "limits")
    if limits:
        requests = dig(container, "resources", "requests", default={})
        filled["resources"] = container["resources"] | {"requests": limits | requests}
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(probe):
            filled[probe] = _probe(container[probe])
    return filled


def _pull_policy(image: str) -> str:
    if "@" in image:
        return "IfNotPresent"
    tag = re.search(r":([^:/]+)$", image)
    return "IfNotPresent" if tag and tag[1] != "latest" else "Always"


def _variable(env: Object) -> Object:
    field = dig(env, "valueFrom", "fieldRef")
    if field is None:
        return env
    return env | {"valueFrom": env["valueFrom"] | {"fieldRef": {"apiVersion": "v1"} | field}}


def _probe(probe: Object) -> Object:
    filled = _PROBE | probe
    if "httpGet" in probe:
        filled["httpGet"] = {"path": "/", "scheme": "HTTP"} | probe["httpGet"]
    return filled


def _host_ports(container: Object) -> Object:
    if not container.get("ports"):
        return container
    ports = [{"hostPort": port["containerPort"]} | port for port in container["ports"]]
    return container | {"ports": ports}


def _volume(volume: Object) -> Object:
    if set(volume) == {"name"}:
        return volume | {"emptyDir": {}}
    filled = dict(volume)
    for kind in ("configMap", "secret", "downwardAPI", "projected"):
        if kind in volume:
            filled[kind] = {"defaultMode": _FILE_MODE} | (volume[kind] or {})
    if "hostPath" in volume:
        filled["hostPath"] = {"type": ""} | volume["hostPath"]
    if sources := dig(volume, "projected", "sources"):
        filled["projected"]["sources"] = [_source(source) for source in sources]
    return filled


def _source(source: Object) -> Object:
    if "serviceAccountToken" in source:
        token = {"expirationSeconds": 3600} | source["serviceAccountToken"]
        return source | {"serviceAccountToken": token}
    if items := dig(source, "downwardAPI", "items"):
        return source | {"downwardAPI": {"items": [_downward(item) for item in items]}}
    return source


def _downward(item: Object) -> Object:
    if "fieldRef" not in item:
        return item
    return item | {"fieldRef": {"apiVersion": "v1"} | item["fieldRef"]}


def _pod(obj: Object) -> Object:
    spec = {"enableServiceLinks": True} | (obj.get("spec") or {})
    return obj | {"spec": pod_spec(spec)}


def _with_template(obj: Object, defaults: Object) -> Object:
    spec = defaults | (obj.get("spec") or {})
    template = spec.get("template") or {}
    meta = template.get("metadata") or {}
    spec["template"] = {"metadata": meta, "spec": pod_spec(template.get("spec") or {})}
    return obj | {"spec": spec}


def _daemon_set(obj: Object) -> Object:
    meta = obj["metadata"]
    generation = {"deprecated.daemonset.template.generation": "1"}
    annotated = meta | {"annotations": generation | (meta.get("annotations") or {})}
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}
    filled = _with_template(
        obj | {"metadata": annotated}, {"updateStrategy": strategy, "revisionHistoryLimit": 10}
    )
    counts = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled")
    zeros = dict.fromkeys((*counts, "numberReady"), 0)
    return filled | {"status": zeros | (obj.get("status") or {})}


def _deployment(obj: Object) -> Object:
    rolling = {"maxUnavailable": "25%", "maxSurge": "25%"}
    return _with_template(
        obj,
        {
            "replicas": 1,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling},
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
        },
    ) | {"status": obj.get("status") or {}}


def _replica_set(obj: Object) -> Object:
    filled = _with_template(obj, {"replicas": 1})
    return filled | {"status": {"replicas": 0} | (obj.get("status") or {})}


def _job(obj: Object) -> Object:
    filled = _with_template(
        obj,
        {
            "parallelism": 1,
            "completions": 1,
            "backoffLimit": 6,
            "completionMode": "NonIndexed",
            "suspend": False,
            "podReplacementPolicy": "TerminatingOrFailed",
            "manualSelector": False,
        },
    )
    uid = obj["metadata"].get("uid")
    if uid and "selector" not in filled["spec"]:
        # The strategy's PrepareForCreate: a job knows its pods by its own uid.
        own = {"batch.kubernetes.io/controller-uid": uid}
        named = own | {
            "batch.kubernetes.io/job-name": obj["metadata"]["name"],
            "controller-uid": uid,
            "job-name": obj["metadata"]["name"],
        }
        template = filled["spec"]["template"]
        labels = (template["metadata"].get("labels") or {}) | named
        filled["spec"]["selector"] = {"matchLabels": own}
        filled["spec"]["template"] = template | {
            "metadata": template["metadata"] | {"labels": labels}
        }
    return filled | {"status": obj.get("status") or {}}


def _namespace(obj: Object) -> Object:
    meta = obj["metadata"]
    labels = meta.get("labels") or {}
    if name := meta.get("name"):
        labels = labels | {"kubernetes.io/metadata.name": name}
    return obj | {
        "metadata": meta | {"labels": labels},
        "spec": {"finalizers": ["kubernetes"]} | (obj.get("spec") or {}),
        "status": {"phase": "Active"} | (obj.get("status") or {}),
    }


def _node(obj: Object) -> Object:
    status = {"daemonEndpoints": {"kubeletEndpoint": {"Port": 0}}} | (obj.get("status") or {})
    status["nodeInfo"] = dict.fromkeys(_NODE_INFO, "") | (status.get("nodeInfo") or {})
    return obj | {"spec": obj.get("spec") or {}, "status": status}


def _secret(obj: Object) -> Object:
    filled: Object = {"type": "Opaque"} | obj
    plain: dict[str, Any] = filled.pop("stringData", None) or {}
    if plain:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}
        filled["data"] = (filled.get("data") or {}) | encoded
    return filled


def _service(obj: Object) -> Object:
    spec = {
        "type": "ClusterIP",
        "sessionAffinity": "None",
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
    } | (obj.get("spec") or {})
    if spec.get("ports"):
        spec["ports"] = [
            {"protocol": "TCP", "targetPort": port.get("port")} | port for port in spec["ports"]
        ]
    return obj | {"spec": spec, "status": {"loadBalancer": {}} | (obj.get("status") or {})}


def _webhooks(obj: Object) -> Object:
    own = {"reinvocationPolicy": "Never"} if obj.get("kind") == MUTATING_WEBHOOKS.kind else {}
    filled = []
    for webhook in obj.get("webhooks") or ():
        rules = [{"scope": "*"} | rule for rule in webhook.get("rules") or ()]
        filled.append(_WEBHOOK | own | webhook | ({"rules": rules} if rules else {}))
    return obj | {"webhooks": filled}


_FILLERS: dict[Resource, Callable[[Object], Object]] = {
    PODS: _pod,
    DAEMON_SETS: _daemon_set,
    DEPLOYMENTS: _deployment,
    REPLICA_SETS: _replica_set,
    JOBS: _job,
    NAMESPACES: _namespace,
    NODES: _node,
    SECRETS: _secret,
    SERVICES: _service,
    MUTATING_WEBHOOKS: _webhooks,
    VALIDATING_WEBHOOKS: _webhooks,
}


def qos_class(spec: Object) -> str:
    """`Guaranteed` when every container limits what it requests, `BestEffort` when none asks."""
    containers = [*(spec.get("initContainers") or ()), *spec["containers"]]
    asked = [container.get("resources") or {} for container in containers]
    if not any(one.get("requests") or one.get("limits") for one in asked):
        return "BestEffort"
    for one in asked:
        limits = one.get("limits") or {}
        if not {"cpu", "memory"} <= set(limits) or limits != (one.get("requests") or {}):
            return "Burstable"
    return "Guaranteed"
