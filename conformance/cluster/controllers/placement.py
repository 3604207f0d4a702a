"""
Whether a pod may run on a node: selector, affinity, taints.

The rules of kube-scheduler's filters, without resources: nothing here measures CPU.
"""

import math
from collections.abc import Iterable, Mapping

from conformance.cluster.apiserver import selectors
from conformance.cluster.apiserver.resources import Object, dig, name_of

_REPELS = ("NoSchedule", "NoExecute")


def matches_node(spec: Object, node: Object) -> bool:
    """`nodeSelector` and the required node affinity of a pod's spec."""
    labels: Mapping[str, str] = node["metadata"].get("labels") or {}
    chosen = spec.get("nodeSelector") or {}
    if any(labels.get(key) != value for key, value in chosen.items()):
        return False
    required = dig(
        spec, "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"
    )
    if required is None:
        return True
    return any(_term(term, node, labels) for term in required["nodeSelectorTerms"])


def _term(term: Object, node: Object, labels: Mapping[str, str]) -> bool:
    expressions, fields = term.get("matchExpressions"), term.get("matchFields")
    if not expressions and not fields:
        return False  # an empty term matches nothing
    by_label = selectors.from_object({"matchExpressions": expressions or []})
    by_field = selectors.from_object({"matchExpressions": fields or []})
    return selectors.labels_match(by_label, labels) and selectors.labels_match(
        by_field, {"metadata.name": name_of(node)}
    )


def tolerates(tolerations: Iterable[Object], node: Object) -> bool:
    """Every taint that keeps pods away is tolerated."""
    tolerations = list(tolerations)
    return all(
        any(_covers(toleration, taint) for toleration in tolerations)
        for taint in node["spec"].get("taints") or ()
        if taint["effect"] in _REPELS
    )


def unwelcome(tolerations: Iterable[Object], node: Object) -> int:
    """How many taints the pod does not tolerate although it may be placed: `PreferNoSchedule`."""
    tolerations = list(tolerations)
    return sum(
        not any(_covers(toleration, taint) for toleration in tolerations)
        for taint in node["spec"].get("taints") or ()
        if taint["effect"] == "PreferNoSchedule"
    )


def patience(tolerations: Iterable[Object], node: Object) -> float:
    """Seconds that a pod may stay on a node with its `NoExecute` taints; without end, `inf`."""
    tolerations = list(tolerations)
    longest = math.inf
    for taint in node["spec"].get("taints") or ():
        if taint["effect"] != "NoExecute":
            continue
        covering = next((one for one in tolerations if _covers(one, taint)), None)
        if covering is None:
            return 0
        longest = min(longest, max(covering.get("tolerationSeconds", math.inf), 0))
    return longest


def _covers(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    key = toleration.get("key") or ""
    if key and key != taint["key"]:
        return False
    if toleration.get("operator") == "Exists":
        return True
    return bool(key) and (toleration.get("value") or "") == (taint.get("value") or "")
