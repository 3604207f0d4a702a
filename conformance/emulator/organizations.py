"""
The organization of an account: its id for trust policies, its SCPs for everybody's calls.

The account of an environment manages one from the beginning, as most companies' accounts
belong to one; the second account stays outside. ministack has organizations and asks
nobody's policies about them (gap 11). It gives every account that asks about organizations
one of its own, so being somebody's member comes first.
"""

from collections.abc import Iterator
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import organizations

from conformance.emulator.policies import Statement, read


def founded(account: str, region: str) -> str:
    """The id of an organization that the account manages from now on."""
    with request_scope(account, region):
        organizations._ensure_org()
        return str(organizations._orgs["self"]["Id"])


def organization(account: str) -> str | None:
    """The organization that an account belongs to, `o-...`; None for one in none."""
    managements = [
        owner for owner, member in organizations._accounts.to_dict() if member == account
    ]
    for management in sorted(managements, key=lambda owner: owner == account):
        found = organizations._orgs.get_scoped(management, None, "self")
        if found:
            return str(found["Id"])
    return None


def service_control_policies(account: str) -> Iterator[tuple[Statement, ...]]:
    """
    The SCPs over a member account, one tuple a level; nothing for an account in no organization.

    Every level has to allow (AWS Organizations user guide, "SCP evaluation"); the
    management account is exempt.
    """
    for (management, member), record in organizations._accounts.to_dict().items():
        if member != account or management == account:
            continue
        target: str | None = account
        parent = record.get("_ParentId")
        while target:
            policies = _scps_of(management, target)
            yield tuple(s for name, document in policies for s in read(document, name))
            target = parent
            unit = organizations._ous.get_scoped(management, None, target) if target else None
            parent = unit.get("ParentId") if unit else None
        return


def _scps_of(management: str, target: str) -> Iterator[tuple[str, Any]]:
    """Name and document of each."""
    for (owner, policy_id), targets in organizations._attachments.to_dict().items():
        if owner == management and target in targets:
            policy = organizations._policies.get_scoped(management, None, policy_id)
            if policy and policy.get("Type") == "SERVICE_CONTROL_POLICY":
                yield str(policy.get("Name", "")), policy.get("_Content")
