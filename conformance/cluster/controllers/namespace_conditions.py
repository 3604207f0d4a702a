"""
What a namespace that ends says about itself: why it is still there.

`kubectl describe namespace` shows these five conditions, and on a real cluster they are
all that tells a stuck namespace from a slow one. While pods end, nothing is told of what
else remains: it is not looked at before the last pod is gone.
Source: kubernetes pkg/controller/namespace/deletion/status_condition_utils.go, and the
recorded timeline of a namespace.
"""

from collections import Counter
from collections.abc import Iterable

from conformance.cluster.apiserver.resources import Object, Resource

_FINE = {
    "NamespaceDeletionDiscoveryFailure": (
        "ResourcesDiscovered",
        "All resources successfully discovered",
    ),
    "NamespaceDeletionGroupVersionParsingFailure": (
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    "NamespaceDeletionContentFailure": (
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    "NamespaceContentRemaining": ("ContentRemoved", "All content successfully removed"),
    "NamespaceFinalizersRemaining": (
        "ContentHasNoFinalizers",
        "All content-preserving finalizers finished",
    ),
}


def conditions(
    remaining: Iterable[tuple[Resource, Object]], before: Iterable[Object], now: str
) -> list[Object]:
    """All five; one whose status is as `before` keeps its time."""
    held = {one["type"]: one for one in before}
    trouble = _trouble(list(remaining))
    said = []
    for kind, fine in _FINE.items():
        status = "True" if kind in trouble else "False"
        reason, message = trouble.get(kind, fine)
        same = kind in held and held[kind]["status"] == status
        since = held[kind]["lastTransitionTime"] if same else now
        said.append(
            {
                "type": kind,
                "status": status,
                "lastTransitionTime": since,
                "reason": reason,
                "message": message,
            }
        )
    return said


def _trouble(remaining: list[tuple[Resource, Object]]) -> dict[str, tuple[str, str]]:
    """Reason and message of each condition that holds."""
    resources = Counter(f"{row.plural}.{row.group}" for row, _ in remaining)
    finalizers = Counter(
        name for _, obj in remaining for name in obj["metadata"].get("finalizers") or ()
    )
    trouble = {}
    if resources:
        trouble["NamespaceContentRemaining"] = (
            "SomeResourcesRemain",
            f"Some resources are remaining: {_counted(resources, 'has')}",
        )
    if finalizers:
        counted = _counted(finalizers, "in")
        trouble["NamespaceFinalizersRemaining"] = (
            "SomeFinalizersRemain",
            f"Some content in the namespace has finalizers remaining: {counted}",
        )
    return trouble


def _counted(number: Counter[str], word: str) -> str:
    return ", ".join(f"{name} {word} {number[name]} resource instances" for name in sorted(number))
