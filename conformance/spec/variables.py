"""
A Spec as the value of Terraform's variable `spec`; see fixtures/terraform/interface.

What the world knows (real namespaces) is put in here; everything that AWS names is
left symbolic, for Terraform to resolve.
"""

from collections.abc import Callable, Iterable
from typing import Any

from conformance.spec.parts import (
    Addon,
    Association,
    Bucket,
    Condition,
    Queue,
    ResourceStatement,
    Role,
    Statement,
    Table,
    Trust,
)

Real = Callable[[str], str]
"""Replaces `{namespace:NAME}` and `{organization}`."""
Values = dict[str, Any]


def role(it: Role, real: Real) -> Values:
    return {
        "account": it.account,
        "trust": [
            {
                "effect": one.effect,
                "services": list(one.services),
                "roles": list(one.roles),
                "accounts": list(one.accounts),
                "actions": list(one.actions),
                "conditions": _conditions(one, real),
            }
            for one in it.trust
        ],
        "statements": statements(it.statements, real),
        "managed_policies": list(it.managed_policies),
        "policies": list(it.policies),
        "path": it.path,
        "tags": dict(it.tags),
    }


def statements(of: Iterable[Statement], real: Real) -> list[Values]:
    return [
        {
            "effect": one.effect,
            "actions": list(one.actions),
            "resources": [real(resource) for resource in one.resources],
            "conditions": _conditions(one, real),
        }
        for one in of
    ]


def bucket(it: Bucket, real: Real) -> Values:
    whole = (f"bucket:{it.name}", f"bucket:{it.name}/*")
    return {
        "account": it.account,
        "objects": {real(key): content for key, content in it.objects.items()},
        "statements": _resource_statements(it.statements, whole, real),
        "tags": dict(it.tags),
    }


def table(it: Table) -> Values:
    return it.model_dump(exclude={"name"})


def queue(it: Queue, real: Real) -> Values:
    return {
        "account": it.account,
        "visibility_seconds": it.visibility_seconds,
        "statements": _resource_statements(it.statements, (f"queue:{it.name}",), real),
        "tags": dict(it.tags),
    }


def addon(it: Addon) -> Values:
    return it.model_dump(exclude={"name"})


def association(it: Association, real: Real) -> Values:
    return {
        "namespace": real(f"{{namespace:{it.namespace}}}"),
        "service_account": it.service_account,
        "role": it.role,
        "target_role": it.target_role,
        "disable_session_tags": it.disable_session_tags,
        "policy": statements(it.policy, real),
        "tags": dict(it.tags),
    }


def _resource_statements(
    of: Iterable[ResourceStatement], whole: tuple[str, ...], real: Real
) -> list[Values]:
    return [
        {
            "effect": one.effect,
            "actions": list(one.actions),
            "roles": list(one.roles),
            "accounts": list(one.accounts),
            "anyone": one.anyone,
            "resources": [real(resource) for resource in one.resources or whole],
            "conditions": _conditions(one, real),
        }
        for one in of
    ]


def _conditions(of: Trust | Statement | ResourceStatement, real: Real) -> list[Values]:
    def told(one: Condition) -> Values:
        values = [real(value) for value in one.values]
        return {"test": one.test, "variable": one.variable, "values": values}

    return [told(one) for one in of.conditions]
