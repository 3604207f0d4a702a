"""
Add-ons, and the associations that they own.

An add-on is ACTIVE when it runs on every node there is. What somebody else changed of
it is a conflict, which fails the call unless it says how to resolve it. With
`podIdentityAssociations` it makes associations of its own, which go with it; it
never adopts one that is there already.

Source: EKS user guide, add-ons-iam.
"""

import uuid
from typing import Any

from conformance.emulator.eks import associations, updates
from conformance.emulator.eks.addon_catalogue import CATALOGUE, AddonKind, checked
from conformance.emulator.eks.addon_configuration import parsed
from conformance.emulator.eks.call import Call
from conformance.emulator.eks.control import ConflictError, ControlError
from conformance.emulator.eks.errors import in_use, invalid_parameter
from conformance.emulator.eks.pages import page
from conformance.emulator.eks.propagation import announce
from conformance.emulator.eks.store import Addon, Association, Cluster, Issue


async def create(call: Call) -> dict[str, Any]:
    again = call.repeated(Addon)
    cluster = call.active_cluster()
    if again is not None:
        return {"addon": _told(cluster, again)}
    kind, version = checked(call["addonName"], call["addonVersion"])
    if kind.name in cluster.addons:
        raise in_use("Addon already exists.", clusterName=cluster.name, addonName=kind.name)
    configuration = call["configurationValues"] or ""
    parsed(kind.name, configuration)
    conflicts = call["resolveConflicts"] or "NONE"
    if conflicts == "PRESERVE":
        raise invalid_parameter(
            "Resolve conflicts option PRESERVE is not supported for operation CreateAddon",
            clusterName=cluster.name,
            addonName=kind.name,
        )
    addon = Addon(
        name=kind.name,
        arn=call.arn(f"addon/{cluster.name}/{kind.name}/{uuid.uuid4()}"),
        version=version,
        configuration=configuration,
        role_arn=call["serviceAccountRoleArn"],
        tags=dict(call["tags"] or {}),
    )
    owned = _make_owned(call, cluster, kind, addon, replaced=frozenset())
    cluster.addons[kind.name] = addon
    call.remember(addon)
    for association in owned:
        associations.store(cluster, association)
    if owned:
        await announce(call.world, cluster)
    call.store.spawn(_make(cluster, kind, addon, conflicts))
    return {"addon": _told(cluster, addon)}


def _make_owned(
    call: Call, cluster: Cluster, kind: AddonKind, addon: Addon, *, replaced: frozenset[str]
) -> list[Association]:
    """The associations asked for, made and not yet stored; those in `replaced` (ids) make room."""
    made: list[Association] = []
    if call["podIdentityAssociations"] and not kind.service_accounts:
        raise invalid_parameter(
            f"Pod Identity feature is not supported for addon version: {addon.version}",
            clusterName=cluster.name,
            addonName=kind.name,
        )
    for wanted in call["podIdentityAssociations"] or ():
        account = wanted["serviceAccount"]
        if account not in kind.service_accounts:
            raise invalid_parameter(
                f"Service account {account} in pod identity configuration is not supported "
                f"for addon {kind.name}",
                clusterName=cluster.name,
                addonName=kind.name,
            )
        others = [a for a in cluster.associations.values() if a.id not in replaced] + made
        made.append(
            associations.make(
                call,
                cluster,
                others,
                namespace=kind.namespace,
                service_account=account,
                role_arn=wanted["roleArn"],
                tags={},
                owner_arn=addon.arn,
            )
        )
    return made


async def _put(cluster: Cluster, kind: AddonKind, addon: Addon, conflicts: str) -> None:
    if kind.runs and cluster.process is not None:
        await cluster.process.control.put_addon(
            addon.name,
            version=addon.version,
            configuration=parsed(addon.name, addon.configuration),
            conflicts=conflicts,
        )


async def _make(cluster: Cluster, kind: AddonKind, addon: Addon, conflicts: str) -> None:
    try:
        await _put(cluster, kind, addon, conflicts)
    except ConflictError as error:
        addon.status = "CREATE_FAILED"
        addon.issues.append(Issue("ConfigurationConflict", str(error)))
    except ControlError as error:
        addon.status = "CREATE_FAILED"
        addon.issues.append(Issue("InternalFailure", str(error)))
    else:
        addon.status = "ACTIVE"


async def describe(call: Call) -> dict[str, Any]:
    return {"addon": _told(call.cluster(), call.addon())}


async def list_(call: Call) -> dict[str, Any]:
    here, token = page(call, call.cluster().addons, str)
    return {"addons": here, "nextToken": token}


async def update(call: Call) -> dict[str, Any]:
    """An empty list of associations takes all of them away; none at all leaves them."""
    cluster, addon = call.active_cluster(), call.addon()
    if again := updates.again(call):
        return again
    _check_idle(cluster, addon)
    kind, version = checked(addon.name, call["addonVersion"] or addon.version)
    configuration = call["configurationValues"]
    configuration = addon.configuration if configuration is None else configuration
    parsed(kind.name, configuration)
    conflicts = call["resolveConflicts"] or "NONE"
    if call["podIdentityAssociations"] is not None:
        before = _owned(cluster, addon)
        replaced = frozenset(association.id for association in before)
        owned = _make_owned(call, cluster, kind, addon, replaced=replaced)
        for association in before:
            associations.remove(call, cluster, association)
        for association in owned:
            associations.store(cluster, association)
        await announce(call.world, cluster)
    addon.version, addon.configuration = version, configuration
    addon.role_arn = call["serviceAccountRoleArn"] or addon.role_arn
    addon.status = "UPDATING"
    update_ = updates.begin(
        call,
        cluster,
        "AddonUpdate",
        {
            "AddonVersion": version,
            "ConfigurationValues": configuration,
            "ResolveConflicts": conflicts,
        },
        subject=f"addon/{addon.name}",
    )
    work = _put(cluster, kind, addon, conflicts)
    call.store.spawn(
        updates.carry_out(update_, addon, work, failed="UPDATE_FAILED", issue="InternalFailure")
    )
    return {"update": updates.told(update_)}


async def delete(call: Call) -> dict[str, Any]:
    """With `preserve` what runs stays, and so do its associations, nobody's from then on."""
    cluster, addon = call.cluster(), call.addon()
    _check_idle(cluster, addon)
    addon.status = "DELETING"
    told = _told(cluster, addon)
    owned = _owned(cluster, addon)
    if call["preserve"]:
        for association in owned:
            association.owner_arn = None
        _forget(call, cluster, addon)
        return {"addon": told}
    for association in owned:
        associations.remove(call, cluster, association)
    if owned:
        await announce(call.world, cluster)
    call.store.spawn(_remove(call, cluster, addon))
    return {"addon": told}


async def _remove(call: Call, cluster: Cluster, addon: Addon) -> None:
    process = cluster.process
    if CATALOGUE[addon.name].runs and process is not None and process.ended is None:
        try:
            await process.control.delete_addon(addon.name)
        except ControlError as error:
            addon.status = "DELETE_FAILED"
            addon.issues.append(Issue("InternalFailure", str(error)))
            return
    _forget(call, cluster, addon)


def _forget(call: Call, cluster: Cluster, addon: Addon) -> None:
    del cluster.addons[addon.name]
    call.store.forget_made(addon)


def _check_idle(cluster: Cluster, addon: Addon) -> None:
    if addon.status in ("CREATING", "UPDATING", "DELETING"):
        raise in_use(
            f"Addon {addon.name} cannot be updated as it is currently in {addon.status} state",
            clusterName=cluster.name,
            addonName=addon.name,
        )


def _owned(cluster: Cluster, addon: Addon) -> list[Association]:
    return [a for a in cluster.associations.values() if a.owner_arn == addon.arn]


def _told(cluster: Cluster, addon: Addon) -> dict[str, Any]:
    return {
        "addonName": addon.name,
        "clusterName": cluster.name,
        "status": addon.status,
        "addonVersion": addon.version,
        "health": {"issues": [issue.told(addon.name) for issue in addon.issues]},
        "addonArn": addon.arn,
        "createdAt": addon.created_at,
        "modifiedAt": addon.modified_at,
        "serviceAccountRoleArn": addon.role_arn,
        "tags": addon.tags,
        "owner": "aws",
        "publisher": "eks",
        "configurationValues": addon.configuration or None,
        "podIdentityAssociations": [association.arn for association in _owned(cluster, addon)],
        "namespaceConfig": {"namespace": CATALOGUE[addon.name].namespace},
    }
