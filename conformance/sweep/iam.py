"""
What runs leave in IAM.

ListRoles tells no tags (API reference, ListRoles), so each role is asked for its own.
A policy that is still attached to somebody's role stays: to detach it would change
what is not ours.
"""

from collections.abc import Iterator
from typing import Any, Final

from conformance.sweep.calls import Clients, ask, pages, pairs
from conformance.sweep.finds import Each, Found

_OF_AWS: Final = ("/aws-service-role/", "/aws-reserved/")
"""Paths of roles that AWS makes and nobody else may delete."""


def find_roles(clients: Clients, each: Each) -> Iterator[Found]:
    iam = clients("iam")

    def look(role: dict[str, Any]) -> Found | None:
        handle = {"RoleName": role["RoleName"]}
        answer = ask(iam.list_role_tags, **handle)
        if answer is None:
            return None
        return Found("role", role["RoleName"], pairs(answer["Tags"]), role["CreateDate"], handle)

    roles = pages(iam, "list_roles", "Roles")
    yield from each(look, (role for role in roles if not role["Path"].startswith(_OF_AWS)))


def remove_role(clients: Clients, found: Found) -> int:
    """With its inline policies; managed policies and instance profiles only let go of it."""
    iam, role = clients("iam"), found.handle
    gone = 0
    for name in list(pages(iam, "list_role_policies", "PolicyNames", **role)):
        gone += ask(iam.delete_role_policy, PolicyName=name, **role) is not None
    for policy in list(pages(iam, "list_attached_role_policies", "AttachedPolicies", **role)):
        gone += ask(iam.detach_role_policy, PolicyArn=policy["PolicyArn"], **role) is not None
    profiles = pages(iam, "list_instance_profiles_for_role", "InstanceProfiles", **role)
    for profile in list(profiles):
        name = profile["InstanceProfileName"]
        ask(iam.remove_role_from_instance_profile, InstanceProfileName=name, **role)
    return gone + (ask(iam.delete_role, **role) is not None)


def find_instance_profiles(clients: Clients, each: Each) -> Iterator[Found]:
    iam = clients("iam")

    def look(profile: dict[str, Any]) -> Found | None:
        name, made = profile["InstanceProfileName"], profile["CreateDate"]
        handle = {"InstanceProfileName": name}
        answer = ask(iam.list_instance_profile_tags, **handle)
        tags = profile.get("Tags") if answer is None else answer["Tags"]
        return Found("instance profile", name, pairs(tags), made, handle)

    yield from each(look, pages(iam, "list_instance_profiles", "InstanceProfiles"))


def remove_instance_profile(clients: Clients, found: Found) -> int:
    iam = clients("iam")
    answer = ask(iam.get_instance_profile, **found.handle)
    for role in answer["InstanceProfile"]["Roles"] if answer else ():
        ask(iam.remove_role_from_instance_profile, RoleName=role["RoleName"], **found.handle)
    return int(ask(iam.delete_instance_profile, **found.handle) is not None)


def find_policies(clients: Clients, each: Each) -> Iterator[Found]:
    """Customer managed ones."""
    iam = clients("iam")

    def look(policy: dict[str, Any]) -> Found | None:
        handle = {"PolicyArn": policy["Arn"]}
        answer = ask(iam.list_policy_tags, **handle)
        if answer is None:
            return None
        tags = pairs(answer["Tags"])
        return Found("policy", policy["PolicyName"], tags, policy["CreateDate"], handle)

    yield from each(look, pages(iam, "list_policies", "Policies", Scope="Local"))


def remove_policy(clients: Clients, found: Found) -> int:
    """With its other versions: IAM deletes no policy that has any."""
    iam = clients("iam")
    for version in list(pages(iam, "list_policy_versions", "Versions", **found.handle)):
        if not version["IsDefaultVersion"]:
            ask(iam.delete_policy_version, VersionId=version["VersionId"], **found.handle)
    return int(ask(iam.delete_policy, **found.handle) is not None)
