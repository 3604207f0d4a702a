import asyncio
from typing import Any

import pytest

from conformance.cluster.nodes.variables import (
    ConfigurationError,
    environment_of,
    expand,
    field_of,
    quantity,
    resource_of,
)

POD: dict[str, Any] = {
    "metadata": {"name": "p", "namespace": "n", "uid": "u", "annotations": {"a/b": "c"}},
    "spec": {"nodeName": "node"},
    "status": {"podIPs": [{"ip": "1.2.3.4"}, {"ip": "::1"}]},
}


async def nothing(resource: str, name: str) -> None:
    return None


def test_a_variable_sees_only_those_before_it() -> None:
    container = {
        "env": [
            {"name": "A", "value": "$(B)"},
            {"name": "B", "value": "b$(PATH)"},
            {"name": "C", "value": "$(B)"},
        ]
    }
    found = asyncio.run(environment_of(container, POD, {"PATH": "/bin"}, nothing))
    assert found == {"PATH": "/bin", "A": "$(B)", "B": "b/bin", "C": "b/bin"}


def test_a_doubled_dollar_is_one() -> None:
    assert expand("$$(A) $(A) $A $(none)", {"A": "x"}) == "$(A) x $A $(none)"


def test_fields() -> None:
    assert field_of(POD, "metadata.annotations['a/b']") == "c"
    assert field_of(POD, "status.podIPs") == "1.2.3.4,::1"
    with pytest.raises(ConfigurationError, match=r"spec\.secret"):
        field_of(POD, "spec.secret")


def test_optional_references_may_point_nowhere() -> None:
    source = {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}
    container = {"env": [{"name": "A", "valueFrom": source}]}
    assert asyncio.run(environment_of(container, POD, {}, nothing)) == {}


@pytest.mark.parametrize(
    ("text", "number"), [("500m", 0.5), ("64Mi", 2**26), ("2", 2), ("1k", 1000)]
)
def test_quantities(text: str, number: float) -> None:
    assert quantity(text) == number


def test_resources_are_rounded_up_to_the_divisor() -> None:
    container = {"resources": {"limits": {"cpu": "1500m"}}}
    assert resource_of(container, {"resource": "limits.cpu"}) == "2"
    assert resource_of(container, {"resource": "limits.cpu", "divisor": "1m"}) == "1500"
