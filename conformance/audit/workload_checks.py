"""
Service accounts, pods and nodes: what makes an association without effect, or too much.

Source: EKS best practices guide, security/iam (dc0243a); botocore 1.43: credentials.py,
the order of the chain.
"""

import re
from collections.abc import Iterator

from conformance.audit.findings import Found
from conformance.audit.snapshot import Object, Snapshot, role_name
from conformance.probes.injected import ADDRESS_VARIABLE, ANNOTATION_PREFIX, TOKEN_VARIABLE

ROLE_ARN = f"{ANNOTATION_PREFIX}role-arn"
SKIPPED_CONTAINERS = f"{ANNOTATION_PREFIX}skip-containers"
OPTED_OUT = f"{ANNOTATION_PREFIX}skip-pod-identity-webhook"
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_FILES = ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE")
_NAME_LABELS = ("app.kubernetes.io/name", "app", "k8s-app")
_GENERATED = {"ReplicaSet": re.compile(r"-[a-z0-9]+$"), "Job": re.compile(r"-\d+$")}
"""What a Deployment and a CronJob add to their names."""


def one_purpose(snapshot: Snapshot) -> Iterator[Found]:
    for association in snapshot.associations:
        workloads = {
            workload
            for pod in snapshot.live_pods()
            if _subject(pod) == association.subject and (workload := _workload(pod))
        }
        if len(workloads) > 1:
            yield Found(
                f"ServiceAccount {association.subject}",
                f"{len(workloads)} workloads act as {role_name(association.roles[-1])} by it: "
                f"{', '.join(sorted(workloads))}",
                "a service account and an association for each, with what that one needs",
            )


def irsa_left_over(snapshot: Snapshot) -> Iterator[Found]:
    associated = {each.subject: each for each in snapshot.associations}
    for account in snapshot.service_accounts:
        metadata = account["metadata"]
        subject = f"{metadata['namespace']}/{metadata['name']}"
        role = (metadata.get("annotations") or {}).get(ROLE_ARN)
        if role and subject in associated:
            yield Found(
                f"ServiceAccount {subject}",
                f"annotation {ROLE_ARN} names {role_name(role)}, without effect beside the "
                f"association with {role_name(associated[subject].role_arn)}, and comes back when "
                "that goes",
                f"kubectl -n {metadata['namespace']} annotate serviceaccount {metadata['name']} "
                f"{ROLE_ARN}-",
            )


def static_keys(snapshot: Snapshot) -> Iterator[Found]:
    for pod in snapshot.live_pods():
        for container in _containers(pod):
            names = [entry["name"] for entry in container.get("env") or ()]
            found = [name for name in names if name in (*_KEYS, *_FILES)]
            if found:
                yield Found(
                    _of_pod(pod),
                    f"container {container['name']} sets {', '.join(found)}, which SDKs take "
                    "before Pod Identity",
                    "take them out of the pod's template and of the Secret, and deactivate the key",
                )


def not_injected(snapshot: Snapshot) -> Iterator[Found]:
    associated = {each.subject: each for each in snapshot.associations}
    for pod in snapshot.live_pods():
        association = associated.get(_subject(pod))
        metadata = pod["metadata"]
        if association is None or OPTED_OUT in (metadata.get("labels") or {}):
            continue
        skipped = (metadata.get("annotations") or {}).get(SKIPPED_CONTAINERS, "").split(",")
        without = [
            container["name"]
            for container in _containers(pod)
            if container["name"] not in map(str.strip, skipped)
            and not {ADDRESS_VARIABLE, TOKEN_VARIABLE}
            <= {entry["name"] for entry in container.get("env") or ()}
        ]
        if without:
            yield Found(
                _of_pod(pod),
                f"{association.subject} has association {association.id}, and container "
                f"{', '.join(without)} was not injected: the pod is older than it, or the webhook "
                "was away",
                f"make it again: kubectl -n {metadata['namespace']} delete pod {metadata['name']}",
            )


def open_imds(snapshot: Snapshot) -> Iterator[Found]:
    for node in snapshot.nodes:
        if node.hop_limit is None:
            continue
        if node.hop_limit > 1 or not node.tokens_required:
            so = [
                *([f"hop limit {node.hop_limit}"] if node.hop_limit > 1 else []),
                *([] if node.tokens_required else ["IMDSv1 is answered"]),
            ]
            yield Found(
                f"Node {node.name}",
                f"pods reach its instance metadata, and with it the node role: {', '.join(so)}",
                "in the node group's launch template: HttpTokens required, "
                "HttpPutResponseHopLimit 1",
            )


def no_agent(snapshot: Snapshot) -> Iterator[Found]:
    for node in snapshot.nodes:
        if node.needs_agent and not node.agent:
            yield Found(
                f"Node {node.name}",
                "no agent is Ready on it, so that its pods get no credentials",
                "aws eks create-addon --addon-name eks-pod-identity-agent --cluster-name "
                f"{snapshot.cluster_name}; where it is there: kubectl -n kube-system describe "
                "daemonset eks-pod-identity-agent",
            )


def _subject(pod: Object) -> str:
    return f"{pod['metadata']['namespace']}/{pod['spec'].get('serviceAccountName', 'default')}"


def _of_pod(pod: Object) -> str:
    return f"Pod {pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _containers(pod: Object) -> list[Object]:
    spec = pod["spec"]
    return [*spec["containers"], *(spec.get("initContainers") or ())]


def _workload(pod: Object) -> str:
    """What the pod is one of; empty when nothing says."""
    metadata = pod["metadata"]
    for owner in metadata.get("ownerReferences") or ():
        if owner.get("controller"):
            kind, name = owner["kind"], owner["name"]
            return f"{kind} {_GENERATED[kind].sub('', name) if kind in _GENERATED else name}"
    labels = metadata.get("labels") or {}
    return next((labels[name] for name in _NAME_LABELS if name in labels), "")
