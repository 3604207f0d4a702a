"""
All requirements, joined from the themes.

A requirement is found by being a constant of a theme's module; there is no second
list to forget it in. The first word of its id is what `--profile` selects by.
"""

from functools import cache
from types import MappingProxyType, ModuleType

from conformance.requirements import (
    addon,
    agent,
    agent_tokens,
    association_api,
    audit,
    best_practices,
    cross_account,
    dynamodb_write,
    eks_auth,
    guide,
    injected_pod,
    injection,
    lifecycle,
    outages,
    precedence,
    rotation,
    s3_read,
    separation,
    session,
    sqs_consume,
    trust_policy,
)
from conformance.requirements.model import Requirement

THEMES: tuple[ModuleType, ...] = (
    s3_read,
    dynamodb_write,
    sqs_consume,
    cross_account,
    guide,
    injection,
    injected_pod,
    agent,
    agent_tokens,
    eks_auth,
    session,
    separation,
    precedence,
    trust_policy,
    lifecycle,
    rotation,
    outages,
    association_api,
    addon,
    audit,
    best_practices,
)
"""In the order that reports show them."""


def requirements_of(theme: ModuleType) -> tuple[Requirement, ...]:
    """The requirements of one theme, in the order of its module."""
    return tuple(value for value in vars(theme).values() if isinstance(value, Requirement))


@cache
def catalogue(themes: tuple[ModuleType, ...] = THEMES) -> MappingProxyType[str, Requirement]:
    """Every requirement by its id, in the order of reports; an id that is there twice is a bug."""
    found: dict[str, Requirement] = {}
    for requirement in (r for theme in themes for r in requirements_of(theme)):
        if requirement.id in found:
            raise ValueError(f"requirement id {requirement.id!r} is there twice")
        found[requirement.id] = requirement
    return MappingProxyType(found)
