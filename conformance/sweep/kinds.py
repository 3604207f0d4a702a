"""
Every kind of thing that a run makes in an account: how to find it, how to take it away.

Data, in the order in which things depend on each other: what uses goes before what is
used. A kind finds everything that AWS lists, with its tags, and decides nothing; whether
a thing is ours is said in `finds` only. Taking away counts as Terraform does: an inline
policy, an attachment, an object are one each.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from conformance.sweep import eks, iam, stores
from conformance.sweep.calls import Clients
from conformance.sweep.finds import Each, Found


@dataclass(frozen=True)
class Kind:
    """`find` lists all there are, ours or not; `remove` returns how many things went."""

    name: str
    wave: int
    """Lower ones are gone before higher ones are tried."""
    find: Callable[[Clients, Each], Iterator[Found]]
    remove: Callable[[Clients, Found], int]


KINDS = (
    Kind("association", 1, eks.find_associations, eks.remove_association),
    Kind("access entry", 1, eks.find_access_entries, eks.remove_access_entry),
    Kind("add-on", 2, eks.find_addons, eks.remove_addon),
    Kind("node group", 3, eks.find_nodegroups, eks.remove_nodegroup),
    Kind("cluster", 4, eks.find_clusters, eks.remove_cluster),
    Kind("bucket", 5, stores.find_buckets, stores.remove_bucket),
    Kind("table", 5, stores.find_tables, stores.remove_table),
    Kind("queue", 5, stores.find_queues, stores.remove_queue),
    Kind("role", 5, iam.find_roles, iam.remove_role),
    Kind("instance profile", 6, iam.find_instance_profiles, iam.remove_instance_profile),
    Kind("policy", 6, iam.find_policies, iam.remove_policy),
)
"""Every kind there is."""
