"""
What associations give, and to whom their roles are open.

Source: EKS user guide, pod-id-role (2edffcb1) and pod-id-assign-target-role (06e01eb0); EKS
best practices guide, security/iam (dc0243a).
"""

import json
from collections.abc import Iterator
from typing import Any

from conformance.audit import policies
from conformance.audit.findings import Found
from conformance.audit.snapshot import Association, Role, Snapshot, role_name


def default_association(snapshot: Snapshot) -> Iterator[Found]:
    for association in snapshot.associations:
        if association.service_account == "default":
            yield Found(
                f"Association {association.subject}",
                f"{association.id} gives {role_name(association.roles[-1])} to every pod of "
                f"namespace {association.namespace} that names no service account",
                "make a service account for the workload, associate that one, then: aws eks "
                f"delete-pod-identity-association --cluster-name {snapshot.cluster_name} "
                f"--association-id {association.id}",
            )


def wildcards(snapshot: Snapshot) -> Iterator[Found]:
    for role in _roles(snapshot):
        for name, document in role.policies.items():
            for words in policies.too_wide(document):
                yield Found(
                    f"Role {role.name}",
                    f"policy {name}: {words}",
                    "name the actions that the pods call, and the ARNs that they call them on",
                )


def wide_trust(snapshot: Snapshot) -> Iterator[Found]:
    yield from _open_to_pods(snapshot)
    yield from _open_to_accounts(snapshot)


def _open_to_pods(snapshot: Snapshot) -> Iterator[Found]:
    for role in _roles(snapshot):
        its = [each for each in snapshot.associations if role.arn in each.roles]
        for statement in policies.statements(role.trust):
            if not policies.trusts_pods(statement):
                continue
            missing = [
                what
                for what, keys in (
                    ("cluster", policies.CLUSTER_KEYS),
                    ("namespace", policies.NAMESPACE_KEYS),
                )
                if not policies.narrowed_by(statement, keys)
                and not policies.denied_unless(role.trust, keys)
                # Without session tags there is no tag of the request to ask for.
                and (what == "cluster" or all(each.session_tags for each in its))
            ]
            if missing:
                yield Found(
                    f"Role {role.name}",
                    f"its trust policy lets EKS assume it for any {' and any '.join(missing)}",
                    f"add to the trust's conditions: {_conditions(snapshot, its, missing)}",
                )


def _open_to_accounts(snapshot: Snapshot) -> Iterator[Found]:
    """Target roles: their trust names accounts and, by a condition, who of them."""
    for role in _roles(snapshot):
        its = sorted(
            {each.role_arn for each in snapshot.associations if role.arn in each.roles[1:]}
        )
        for statement in policies.statements(role.trust):
            accounts = policies.trusted_as_a_whole(statement)
            if not its or not accounts or policies.narrowed_by(statement, policies.CALLER_KEYS):
                continue
            wanted = {"ArnEquals": {"aws:PrincipalArn": its[0] if len(its) == 1 else its}}
            yield Found(
                f"Role {role.name}",
                f"its trust policy lets anybody of {' and '.join(accounts)} assume it, and it is a "
                f"target role for {', '.join(map(role_name, its))} only",
                f"add to the trust's conditions: {json.dumps(wanted)}",
            )


def _conditions(snapshot: Snapshot, its: list[Association], missing: list[str]) -> str:
    namespaces = sorted({each.namespace for each in its})
    one = namespaces[0] if len(namespaces) == 1 else namespaces
    wanted: dict[str, Any] = {}
    if "cluster" in missing:
        wanted["ArnEquals"] = {"aws:SourceArn": snapshot.cluster}
    if "namespace" in missing:
        wanted["StringEquals"] = {"aws:RequestTag/kubernetes-namespace": one}
    return json.dumps(wanted)


def _roles(snapshot: Snapshot) -> Iterator[Role]:
    """Those that could be read, each once; target roles, too."""
    for arn in dict.fromkeys(arn for each in snapshot.associations for arn in each.roles):
        if arn in snapshot.roles:
            yield snapshot.roles[arn]
