"""
What hashicorp/aws 6.x has and the schema that was cut from 5.100.0 has not.

No 6.x was at hand, so this follows its sources and documentation: attributes of
associations since 6.2.0 (internal/service/eks/pod_identity_association.go: target
role, session tags, external id) and later (`policy`, in the bindings of 6.62.0),
and `region`, which every regional resource has since 6.0.0 (guide "Enhanced
multi-region support"). Here a `region` other than the provider's own is refused.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any, Final

from conformance.terraform.provider.schema import Attribute, Schema, Schemas, cut_schemas


def attribute(name: str, kind: Any = "string", *marks: str) -> Attribute:
    """One attribute; marks are `required`, `optional` and `computed`."""
    return Attribute(
        name,
        kind,
        required="required" in marks,
        optional="optional" in marks,
        computed="computed" in marks,
        sensitive=False,
    )


def _named(*attributes: Attribute) -> dict[str, Attribute]:
    return {each.name: each for each in attributes}


_REGION: Final = attribute("region", "string", "optional", "computed")

ATTRIBUTES: Final[Mapping[str, Mapping[str, Attribute]]] = {
    "aws_eks_pod_identity_association": _named(
        attribute("disable_session_tags", "bool", "optional", "computed"),
        attribute("external_id", "string", "computed"),
        attribute("policy", "string", "optional"),
        attribute("target_role_arn", "string", "optional"),
        _REGION,
    ),
}
"""By resource type, what lies over the cut."""


@cache
def schemas() -> Schemas:
    """The schemas that the embedded hashicorp/aws serves."""
    cut = cut_schemas()
    laid: dict[str, Schema] = {
        name: cut.resources[name].overlaid(more) for name, more in ATTRIBUTES.items()
    }
    return replace(cut, resources={**cut.resources, **laid})
