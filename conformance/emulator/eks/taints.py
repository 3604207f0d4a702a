"""
Taints of node groups, in EKS's words and in Kubernetes'.

A taint is known by key and effect; the same again with another value replaces it.
Source: EKS user guide, node-taints-managed-node-groups.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from conformance.emulator.eks.errors import invalid_parameter

Taint = dict[str, str]

_EFFECTS = {
    "NO_SCHEDULE": "NoSchedule",
    "PREFER_NO_SCHEDULE": "PreferNoSchedule",
    "NO_EXECUTE": "NoExecute",
}


def changed(before: Iterable[Taint], wanted: Mapping[str, Any]) -> list[Taint]:
    """
    The taints after `addOrUpdateTaints` and `removeTaints`.

    Raises InvalidParameterException for one without key or effect.
    """
    taints = {_identity(taint): taint for taint in before}
    for taint in wanted.get("removeTaints", ()):
        taints.pop(_identity(taint), None)
    taints |= {_identity(taint): taint for taint in wanted.get("addOrUpdateTaints", ())}
    return list(taints.values())


def _identity(taint: Taint) -> tuple[str, str]:
    if not taint.get("key") or not taint.get("effect"):
        raise invalid_parameter("A taint needs a key and an effect.")
    return taint["key"], taint["effect"]


def of_nodes(taints: Iterable[Taint]) -> list[Taint]:
    """As Kubernetes spells them."""
    return [
        {
            "key": taint["key"],
            "value": taint.get("value", ""),
            "effect": _EFFECTS[taint["effect"]],
        }
        for taint in taints
    ]
