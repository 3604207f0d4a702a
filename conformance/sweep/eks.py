"""What runs leave in EKS; the names of things inside a cluster begin with the cluster's."""

from collections.abc import Iterator
from typing import Any

from conformance.sweep.calls import Clients, ask, pages
from conformance.sweep.finds import Each, Found


def find_associations(clients: Clients, each: Each) -> Iterator[Found]:
    """Those that an add-on owns are left out: they go with it."""
    eks = clients("eks")

    def look(listed: dict[str, Any]) -> Found | None:
        cluster = listed["clusterName"]
        handle = {"clusterName": cluster, "associationId": listed["associationId"]}
        answer = ask(eks.describe_pod_identity_association, **handle)
        if answer is None or answer["association"].get("ownerArn"):
            return None
        of = answer["association"]
        name = f"{cluster}/{of['namespace']}/{of['serviceAccount']}"
        return Found("association", name, of.get("tags", {}), of["createdAt"], handle)

    for cluster in pages(eks, "list_clusters", "clusters"):
        yield from each(
            look,
            pages(eks, "list_pod_identity_associations", "associations", clusterName=cluster),
        )


def remove_association(clients: Clients, found: Found) -> int:
    return _gone(clients("eks").delete_pod_identity_association, found)


def find_access_entries(clients: Clients, each: Each) -> Iterator[Found]:
    """A cluster that authenticates by its ConfigMap alone has none, and refuses to list them."""
    eks = clients("eks")
    for cluster in pages(eks, "list_clusters", "clusters"):
        answer = ask(eks.describe_cluster, name=cluster)
        access = answer["cluster"].get("accessConfig", {}) if answer else {}
        if access.get("authenticationMode", "CONFIG_MAP") == "CONFIG_MAP":
            continue

        def look(principal: str, cluster: str = cluster) -> Found | None:
            handle = {"clusterName": cluster, "principalArn": principal}
            answer = ask(eks.describe_access_entry, **handle)
            if answer is None:
                return None
            of = answer["accessEntry"]
            name = f"{cluster}/{principal}"
            return Found("access entry", name, of.get("tags", {}), of["createdAt"], handle)

        yield from each(
            look, pages(eks, "list_access_entries", "accessEntries", clusterName=cluster)
        )


def remove_access_entry(clients: Clients, found: Found) -> int:
    return _gone(clients("eks").delete_access_entry, found)


def find_addons(clients: Clients, each: Each) -> Iterator[Found]:
    eks = clients("eks")
    for cluster in pages(eks, "list_clusters", "clusters"):

        def look(addon: str, cluster: str = cluster) -> Found | None:
            handle = {"clusterName": cluster, "addonName": addon}
            answer = ask(eks.describe_addon, **handle)
            if answer is None:
                return None
            of = answer["addon"]
            return Found(
                "add-on", f"{cluster}/{addon}", of.get("tags", {}), of["createdAt"], handle
            )

        yield from each(look, pages(eks, "list_addons", "addons", clusterName=cluster))


def remove_addon(clients: Clients, found: Found) -> int:
    return _gone(clients("eks").delete_addon, found)


def find_nodegroups(clients: Clients, each: Each) -> Iterator[Found]:
    eks = clients("eks")
    for cluster in pages(eks, "list_clusters", "clusters"):

        def look(group: str, cluster: str = cluster) -> Found | None:
            handle = {"clusterName": cluster, "nodegroupName": group}
            answer = ask(eks.describe_nodegroup, **handle)
            if answer is None:
                return None
            of = answer["nodegroup"]
            name = f"{cluster}/{group}"
            return Found("node group", name, of.get("tags", {}), of["createdAt"], handle)

        yield from each(look, pages(eks, "list_nodegroups", "nodegroups", clusterName=cluster))


def remove_nodegroup(clients: Clients, found: Found) -> int:
    return _gone(clients("eks").delete_nodegroup, found)


def find_clusters(clients: Clients, each: Each) -> Iterator[Found]:
    eks = clients("eks")

    def look(name: str) -> Found | None:
        answer = ask(eks.describe_cluster, name=name)
        if answer is None:
            return None
        of = answer["cluster"]
        return Found("cluster", name, of.get("tags", {}), of["createdAt"], {"name": name})

    yield from each(look, pages(eks, "list_clusters", "clusters"))


def remove_cluster(clients: Clients, found: Found) -> int:
    return _gone(clients("eks").delete_cluster, found)


def _gone(delete: Any, found: Found) -> int:
    return int(ask(delete, **found.handle) is not None)
