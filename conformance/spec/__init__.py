"""
What a scenario wants to exist, before anybody knows under which name.

A Spec is symbolic: roles, buckets and namespaces have short names that mean
something in the scenario ("reader", "data", "dev"). The world makes them unique,
Terraform makes them real, and the Contract says what they became. References are
written `bucket:data/*` (resolved by Terraform, which knows ARNs; see `references`)
and `{namespace:dev}` or `{organization}` (resolved here, because only the world knows).

A Spec is checked completely when it is made: a mistake is one error that names
the field and the value, before Terraform starts.
"""

from conformance.spec.capabilities import StackCapability
from conformance.spec.parts import (
    POD_IDENTITY_SERVICE,
    Account,
    Addon,
    Association,
    Bucket,
    Condition,
    Policy,
    Queue,
    ResourceStatement,
    Role,
    Statement,
    Table,
    Trust,
)
from conformance.spec.spec import Spec

__all__ = [
    "POD_IDENTITY_SERVICE",
    "Account",
    "Addon",
    "Association",
    "Bucket",
    "Condition",
    "Policy",
    "Queue",
    "ResourceStatement",
    "Role",
    "Spec",
    "StackCapability",
    "Statement",
    "Table",
    "Trust",
]
