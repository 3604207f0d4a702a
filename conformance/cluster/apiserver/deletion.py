"""
What deletion means for an object: preconditions, grace, and when it is really gone.

Only pods have a grace, and only once a node runs them: the node ends the processes and
then deletes again with grace 0. Everything else goes at once unless finalizers hold it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from conformance.cluster.apiserver import status
from conformance.cluster.apiserver.resources import NAMESPACES, PODS, Object, Resource, dig


def timestamp(moment: datetime) -> str:
    """RFC 3339 with seconds, as metav1.Time."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Deletion:
    """DeleteOptions; `grace` in seconds, None for the object's own."""

    grace: int | None = None
    uid: str = ""
    resource_version: str = ""
    policy: str = ""
    dry_run: bool = False


def check_preconditions(resource: Resource, old: Object, options: Deletion) -> None:
    """Raises `ApiError` 409 when the object is not the one that was meant."""
    meta = old["metadata"]
    for wanted, found, what, why in (
        (options.uid, meta["uid"], "UID", "deleted and then recreated"),
        (options.resource_version, meta["resourceVersion"], "ResourceVersion", "modified"),
    ):
        if wanted and wanted != found:
            # Recorded: the Kind here, where other conflicts name the resource.
            raise status.conflict(
                resource.kind,
                meta["name"],
                f"the {what} in the precondition ({wanted}) does not match the {what} in "
                f"record ({found}). The object might have been {why}",
            )


def marked(resource: Resource, old: Object, grace: int, now: datetime) -> Object:
    """The object as being deleted; a second deletion can only shorten the first."""
    meta = dict(old["metadata"])
    already = meta.get("deletionGracePeriodSeconds")
    if "deletionTimestamp" in meta and (already is None or already <= grace):
        return old | {"metadata": meta}
    if resource.generation and "deletionTimestamp" not in meta:
        meta["generation"] = meta.get("generation", 0) + 1
    meta["deletionTimestamp"] = timestamp(now + timedelta(seconds=grace))
    if resource is NAMESPACES:
        return old | {"metadata": meta, "status": old["status"] | {"phase": "Terminating"}}
    meta["deletionGracePeriodSeconds"] = grace
    return old | {"metadata": meta}


def grace_of(resource: Resource, obj: Object, options: Deletion) -> int:
    """Seconds that the object's processes get."""
    if resource is not PODS:
        return 0
    scheduled = bool(dig(obj, "spec", "nodeName"))
    if not scheduled or dig(obj, "status", "phase") in {"Succeeded", "Failed"}:
        return 0  # no process has to be told
    if options.grace is not None:
        return max(options.grace, 0)
    return int(obj["spec"].get("terminationGracePeriodSeconds", 30))


def is_finished(resource: Resource, obj: Object) -> bool:
    """Whether a deletion is complete: nothing holds the object any more."""
    meta = obj["metadata"]
    if "deletionTimestamp" not in meta or meta.get("finalizers"):
        return False
    if resource is NAMESPACES:
        return not dig(obj, "spec", "finalizers", default=[])
    return not meta.get("deletionGracePeriodSeconds")
