"""
Updates: what a caller of UpdateX waits for.

An update is InProgress until the cluster did what was asked; then it is
Successful or Failed, and stays to be looked at.
"""

import json
import uuid
from collections.abc import Awaitable, Mapping
from typing import Any

from conformance.emulator.eks.call import Call
from conformance.emulator.eks.control import ConflictError, ControlError
from conformance.emulator.eks.errors import not_found
from conformance.emulator.eks.pages import page
from conformance.emulator.eks.store import Addon, Cluster, Issue, NodeGroup, Update, now


def again(call: Call) -> dict[str, Any] | None:
    """The answer to an update that was asked for before, with the same clientRequestToken."""
    update = call.repeated(Update)
    return None if update is None else {"update": told(update)}


def begin(
    call: Call, cluster: Cluster, type_: str, params: Mapping[str, object], *, subject: str = ""
) -> Update:
    """Note an update; values of `params` that are not text are told as JSON."""
    told = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in params.items()
        if value is not None
    }
    update = Update(type_, told, id=str(uuid.uuid4()), subject=subject)
    cluster.updates[update.id] = update
    call.remember(update)
    return update


async def carry_out(
    update: Update, subject: NodeGroup | Addon, work: Awaitable[None], *, failed: str, issue: str
) -> None:
    """Do the work; afterwards the subject is ACTIVE or `failed`, with its issue."""
    try:
        await work
    except ControlError as error:
        update.status, update.error = "Failed", str(error)
        if isinstance(error, ConflictError):
            issue = update.error_code = "ConfigurationConflict"
        subject.status = failed
        subject.issues = [Issue(issue, str(error))]
    else:
        update.status, subject.status = "Successful", "ACTIVE"
        subject.issues = []
    subject.modified_at = now()


async def describe(call: Call) -> dict[str, Any]:
    cluster = call.cluster()
    update = cluster.updates.get(call["updateId"])
    if update is None or update.subject != _subject(call):
        raise not_found(f"No update found for ID: {call['updateId']}", clusterName=cluster.name)
    return {"update": told(update)}


async def list_(call: Call) -> dict[str, Any]:
    subject = _subject(call)
    updates = [u for u in call.cluster().updates.values() if u.subject == subject]
    here, token = page(call, updates, lambda u: f"{u.created_at.isoformat()} {u.id}")
    return {"updateIds": [update.id for update in here], "nextToken": token}


def told(update: Update) -> dict[str, Any]:
    error = {"errorCode": update.error_code, "errorMessage": update.error}
    return {
        "id": update.id,
        "status": update.status,
        "type": update.type,
        "params": [{"type": name, "value": value} for name, value in update.params.items()],
        "createdAt": update.created_at,
        "errors": [error] if update.error else [],
    }


def _subject(call: Call) -> str:
    if call["nodegroupName"]:
        return f"nodegroup/{call.nodegroup().name}"
    return f"addon/{call.addon().name}" if call["addonName"] else ""
