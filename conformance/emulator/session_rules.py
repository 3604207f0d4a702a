"""
What STS accepts as a session, before any policy is asked.

ministack mints whatever it is asked for: any duration, any name, any number of tags,
and it forgets that tags are transitive (gaps 3, 5 and 18). Sources: STS API
reference, AssumeRole; IAM user guide, "Passing session tags in AWS STS" and
"Roles terms and concepts" (role chaining: at most one hour).
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from conformance.emulator.service import InvalidSession

SHORTEST = 900
LONGEST = 43200
LONGEST_CHAINED = 3600
MOST_TAGS = 50
POLICY_CHARACTERS = 2048
"""Of session policies: STS API reference, AssumeRole, Policy."""
TAG_CHARACTERS = 454
"""
Room for session tags. AWS packs them and does not say how; this many characters, and two
more a tag, is what three recorded sessions have in common: 6 tags of 240 characters are
55 to 56 %, 6 of 263 are 61 %, 2 of 4 are 2 % (CloudTrail, 2021 to 2024).
"""

_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_NO_SUCH_CHARACTERS = re.compile(r"[^\w\s.:/=+\-@]")


@dataclass(frozen=True)
class Wanted:
    """A session as it was asked for."""

    role_arn: str
    session_name: str
    duration_seconds: int
    tags: Mapping[str, str] = field(default_factory=dict)
    transitive: tuple[str, ...] = ()
    session_policy: str | None = None
    policy_arns: tuple[str, ...] = ()
    external_id: str | None = None
    source_identity: str | None = None


def packed_percent(wanted: Wanted, tags: Mapping[str, str]) -> int:
    """
    How much of the room for policies and tags is used; over 100 is refused.

    `tags` are the session's, those that came along a chain among them: a chained session
    of Pod Identity is fuller than the first one (containers-roadmap#2413).
    """
    policies = len(wanted.session_policy or "") + sum(map(len, wanted.policy_arns))
    packed = sum(len(key) + len(value) + 2 for key, value in tags.items())
    return math.ceil(100 * (policies / POLICY_CHARACTERS + packed / TAG_CHARACTERS))


def _constraint(value: object, member: str, rule: str) -> InvalidSession:
    return InvalidSession(
        "ValidationError",
        f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy "
        f"constraint: Member must {rule}",
    )


def check(wanted: Wanted) -> None:
    """Raises `InvalidSession` with STS's code and text."""
    if not _NAME.fullmatch(wanted.session_name):
        raise _constraint(
            wanted.session_name,
            "roleSessionName",
            "satisfy regular expression pattern: [\\w+=,.@-]* and have a length from 2 to 64",
        )
    if len(wanted.tags) > MOST_TAGS:
        raise _constraint(
            f"{len(wanted.tags)} tags", "tags", f"have length less than or equal to {MOST_TAGS}"
        )
    for key, value in wanted.tags.items():
        if not 1 <= len(key) <= 128 or _NO_SUCH_CHARACTERS.search(key):
            raise _constraint(key, "tags.member.key", "be a valid tag key of 1 to 128 characters")
        if len(value) > 256 or _NO_SUCH_CHARACTERS.search(value):
            raise _constraint(
                value, "tags.member.value", "be a valid tag value of at most 256 characters"
            )
    folded = [key.lower() for key in wanted.tags]
    if len(set(folded)) < len(folded):
        raise InvalidSession(
            "InvalidParameterValue",
            "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
        )
    unknown = [key for key in wanted.transitive if key.lower() not in folded]
    if unknown:
        raise InvalidSession(
            "InvalidParameterValue",
            "The specified transitive tag key must be included in the requested tags: "
            f"{unknown[0]}",
        )
    if len(wanted.policy_arns) > 10:
        raise _constraint(
            f"{len(wanted.policy_arns)} ARNs", "policyArns", "have length less than or equal to 10"
        )
    check_packed(wanted, wanted.tags)


def check_packed(wanted: Wanted, tags: Mapping[str, str]) -> None:
    """See `packed_percent`; raises `InvalidSession`."""
    percent = packed_percent(wanted, tags)
    if percent > 100:
        raise InvalidSession(
            "PackedPolicyTooLarge",
            f"Packed policy consumes {percent}% of allotted space, please use smaller policy.",
        )


def check_duration(
    seconds: int, *, role_allows: int, chained: bool, shortest: int = SHORTEST
) -> None:
    """The rules for callers; AWS services are not bound by them. Raises `InvalidSession`."""
    if seconds < shortest:
        raise _constraint(
            seconds, "durationSeconds", f"have value greater than or equal to {shortest}"
        )
    if seconds > LONGEST:
        raise _constraint(seconds, "durationSeconds", f"have value less than or equal to {LONGEST}")
    if chained and seconds > LONGEST_CHAINED:
        raise InvalidSession(
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by "
            "role chaining",
        )
    if seconds > role_allows:
        raise InvalidSession(
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        )


def inherited(
    wanted: Wanted, source_tags: Mapping[str, str], source_transitive: tuple[str, ...]
) -> dict[str, str]:
    """
    Transitive tags of the source session, which come along and cannot be overridden.

    Raises `InvalidSession` when the request sets one of them again.
    """
    asked = {key.lower() for key in wanted.tags}
    again = [key for key in source_transitive if key.lower() in asked]
    if again:
        raise InvalidSession(
            "InvalidParameterValue",
            "One of the specified transitive tag keys can't be set because it conflicts with a "
            f"transitive tag key from the calling session: {again[0]}",
        )
    return {key: source_tags[key] for key in source_transitive if key in source_tags}
