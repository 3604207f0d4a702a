"""
Which groups, versions and resources there are: all of it from the table of resources.

Old clients walk `/api`, `/apis` and each group version; kubectl since 1.26 asks for
everything at once with the media type of aggregated discovery. Both are answered, and
just enough OpenAPI that kubectl leaves validation to the server.
"""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from conformance.cluster.apiserver.resources import (
    RESOURCES,
    SUBRESOURCE_KINDS,
    SUBRESOURCE_VERBS,
    Object,
    Resource,
)

AGGREGATED = "g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
VERSION: Object = {
    "major": "1",
    "minor": "37",
    "emulationMajor": "1",
    "emulationMinor": "37",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "36",
    "gitVersion": "v1.37.2-conformance",
    "gitCommit": "",
    "gitTreeState": "",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "none",
    "compiler": "python",
    "platform": "linux/amd64",
}


def _groups() -> list[tuple[tuple[str, str], list[Resource]]]:
    ordered = sorted(RESOURCES, key=lambda row: (row.group, row.version))
    return [
        (key, list(rows))
        for key, rows in groupby(ordered, key=lambda row: (row.group, row.version))
    ]


def _resource_list(group: str, version: str, rows: Iterable[Resource]) -> Object:
    entries: list[Object] = []
    for row in rows:
        entry: Object = {
            "name": row.plural,
            "singularName": row.singular,
            "namespaced": row.namespaced,
            "kind": row.kind,
            "verbs": list(row.verbs),
        }
        if row.short:
            entry["shortNames"] = list(row.short)
        if row.categories:
            entry["categories"] = list(row.categories)
        entries.append(entry)
        entries += [_subresource(row, sub) for sub in row.subresources]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": entries,
    }


def _subresource(row: Resource, sub: str) -> Object:
    entry: Object = {
        "name": f"{row.plural}/{sub}",
        "singularName": "",
        "namespaced": row.namespaced,
        "kind": row.kind,
        "verbs": list(SUBRESOURCE_VERBS[sub]),
    }
    if other := SUBRESOURCE_KINDS.get((row.plural, sub)):
        entry |= dict(zip(("group", "version", "kind"), other, strict=True))
    return entry


def _group_entry(group: str, version: str) -> Object:
    served = {"groupVersion": f"{group}/{version}", "version": version}
    return {"name": group, "versions": [served], "preferredVersion": served}


def _aggregated(core: bool) -> Object:
    items = []
    for (group, version), rows in _groups():
        if (group == "") is not core:
            continue
        served = {
            "version": version,
            "freshness": "Current",
            "resources": [_aggregated_resource(row) for row in rows],
        }
        items.append(
            {
                "metadata": {"name": group, "creationTimestamp": None},
                "versions": [served],
            }
        )
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def _aggregated_resource(row: Resource) -> Object:
    kind = {"group": row.group, "version": row.version, "kind": row.kind}
    entry: Object = {
        "resource": row.plural,
        "responseKind": kind,
        "scope": "Namespaced" if row.namespaced else "Cluster",
        "singularResource": row.singular,
        "verbs": list(row.verbs),
    }
    if row.short:
        entry["shortNames"] = list(row.short)
    if row.categories:
        entry["categories"] = list(row.categories)
    if row.subresources:
        entry["subresources"] = []
    for sub in row.subresources:
        other = SUBRESOURCE_KINDS.get((row.plural, sub))
        answered = dict(zip(("group", "version", "kind"), other, strict=True)) if other else kind
        entry["subresources"].append(
            {"subresource": sub, "responseKind": answered, "verbs": list(SUBRESOURCE_VERBS[sub])}
        )
    return entry


def _openapi_v3(group: str, version: str, rows: Iterable[Resource]) -> Object:
    """
    Paths without schemas.

    kubectl looks here whether PATCH knows `fieldValidation`; if so it sends objects as
    they are instead of checking them against schemas of its own.
    """
    paths: Object = {}
    for row in rows:
        scope = "/namespaces/{namespace}" if row.namespaced else ""
        kind = {"group": group, "version": version, "kind": row.kind}
        names = ("dryRun", "fieldManager", "fieldValidation", "force")
        operation: Object = {
            "parameters": [
                {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
                for name in names
            ],
            "responses": {"200": {"description": "OK"}},
            "x-kubernetes-group-version-kind": kind,
        }
        acted = operation | {"x-kubernetes-action": "patch"}
        paths[f"{row.root}{scope}/{row.plural}/{{name}}"] = {"patch": acted}
        paths[f"{row.root}{scope}/{row.plural}"] = {
            "post": operation | {"x-kubernetes-action": "post"}
        }
    info = {"title": "Kubernetes", "version": str(VERSION["gitVersion"])}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": {}}}


def documents(endpoint: str) -> dict[str, Any]:
    """Every discovery document by its path, and by `path;aggregated` in the other form."""
    address = endpoint.removeprefix("https://")
    found: dict[str, Any] = {
        "/api": {
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
        },
        "/apis": {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [_group_entry(*key) for key, _ in _groups() if key[0]],
        },
        "/api;aggregated": _aggregated(core=True),
        "/apis;aggregated": _aggregated(core=False),
        "/version": VERSION,
        "/openapi/v2": {
            "swagger": "2.0",
            "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]},
            "paths": {},
            "definitions": {},
        },
    }
    v3: dict[str, Any] = {}
    for (group, version), rows in _groups():
        root = rows[0].root
        found[root] = _resource_list(group, version, rows)
        found[f"/openapi/v3{root}"] = _openapi_v3(group, version, rows)
        v3[root.removeprefix("/")] = {"serverRelativeURL": f"/openapi/v3{root}?hash=1"}
        if group:
            found[f"/apis/{group}"] = _group_entry(group, version) | {
                "kind": "APIGroup",
                "apiVersion": "v1",
            }
    found["/openapi/v3"] = {"paths": v3}
    return found
