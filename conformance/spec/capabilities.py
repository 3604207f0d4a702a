"""
What a Spec may ask of a stack beyond roles, buckets and associations.

A provider that cannot do something is no broken promise of Pod Identity: the
scenario is skipped, with the sentence that its stack lacks the capability. So the
Spec itself says what it needs, and nobody can forget to.
"""

from collections.abc import Mapping
from enum import StrEnum


class StackCapability(StrEnum):
    """What `stack.json` may list under `capabilities`."""

    TARGET_ROLE = "target_role"
    DISABLE_SESSION_TAGS = "disable_session_tags"
    SESSION_POLICY = "session_policy"
    ADDON = "addon"
    ADDON_ASSOCIATION = "addon_association"
    TAGS = "tags"
    TABLES = "tables"
    QUEUES = "queues"
    RESOURCE_POLICIES = "resource_policies"
    OWN_POLICIES = "own_policies"
    OTHER_ACCOUNT = "other_account"
    TRUST = "trust"
    ROLE_UPDATE = "role_update"
    """An association gets another role in place; what a scenario that changes one needs."""
    IMPORT = "import"
    """An association that is there already can be taken into the state; no Spec asks for it."""


WORDS: Mapping[StackCapability, str] = {
    StackCapability.TARGET_ROLE: "an association with a target role",
    StackCapability.DISABLE_SESSION_TAGS: "an association without session tags",
    StackCapability.SESSION_POLICY: "an association with a policy of its own",
    StackCapability.ADDON: "an add-on",
    StackCapability.ADDON_ASSOCIATION: "an association that an add-on owns",
    StackCapability.TAGS: "tags of its own",
    StackCapability.TABLES: "a DynamoDB table",
    StackCapability.QUEUES: "an SQS queue",
    StackCapability.RESOURCE_POLICIES: "a policy of a bucket or queue",
    StackCapability.OWN_POLICIES: "a managed policy of its own",
    StackCapability.OTHER_ACCOUNT: "a second account",
    StackCapability.TRUST: "a trust policy other than the one that Pod Identity asks for",
    StackCapability.ROLE_UPDATE: "another role for an association that is there",
    StackCapability.IMPORT: "the import of an association",
}
"""What each means to someone who reads why a scenario was skipped."""
