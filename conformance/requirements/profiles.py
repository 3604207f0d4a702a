"""
Profiles: which promises a run is about.

Somebody who upgrades the agent add-on, somebody who writes policies and somebody who
certifies a cluster ask different questions of one catalogue. A profile is a list of
first words of ids, so a new requirement is in the right ones by its name alone.
"""

from collections.abc import Mapping

from conformance.errors import UsageError
from conformance.requirements.model import Level, Requirement

ALL = "all"

PROFILES: Mapping[str, tuple[str, ...]] = {
    "application": (
        *("guide", "s3", "dynamodb", "sqs"),
        *("injection", "session", "separation", "precedence"),
    ),
    "cross-account": ("cross-account", "session", "trust"),
    "agent": ("agent", "eks-auth", "rotation", "outage", "addon"),
    "control-plane": ("injection", "association", "api", "trust"),
    "security": ("separation", "trust", "precedence", "audit", "posture"),
    "nightly": ("rotation", "outage", "addon", "association"),
}
"""
What each profile is made of, beside `all`, `core` and every single theme.

`application` is what a team sees whose pods use AWS; `cross-account` what two accounts
agree on; `agent` what an upgrade of the add-on can break; `control-plane` what EKS itself
decides; `security` what a review asks: who is kept apart, who did what, and what is open; `nightly`
what takes long, because it waits for changes, ends and outages.
"""


def themes_of(catalogue: Mapping[str, Requirement]) -> tuple[str, ...]:
    """The first words of the ids, in the order of the catalogue."""
    return tuple(dict.fromkeys(theme_of(id_) for id_ in catalogue))


def theme_of(id_: str) -> str:
    """What stands before the first dot of an id."""
    return id_.partition(".")[0]


def profile_of(name: str, catalogue: Mapping[str, Requirement]) -> list[str]:
    """
    The requirements of a profile, in the catalogue's order.

    `all` is all of them, `core` those without which a cluster is not conformant; others
    are `PROFILES` and the themes. Raises `UsageError` for a name that is none of these.
    """
    if name == ALL:
        return list(catalogue)
    if name == Level.CORE:
        return [one.id for one in catalogue.values() if one.level is Level.CORE]
    themes = themes_of(catalogue)
    wanted = PROFILES.get(name, (name,))
    chosen = [id_ for id_ in catalogue if theme_of(id_) in wanted]
    if not chosen:
        names = dict.fromkeys([ALL, str(Level.CORE), *PROFILES, *themes])
        raise UsageError(f"--profile {name}: no such profile", try_=f"one of: {', '.join(names)}")
    return chosen
