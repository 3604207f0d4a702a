from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from conformance.terraform.provider.emptying import delete_versions

REFUSED = {"Key": "a", "Code": "AccessDenied", "Message": "no s3:DeleteObjectVersion for you"}


def versions(count: int) -> list[dict[str, str]]:
    return [{"Key": str(number), "VersionId": "null"} for number in range(count)]


def test_a_refusal_inside_of_an_answer_is_one() -> None:
    s3 = SimpleNamespace(delete_objects=lambda **_: {"Errors": [REFUSED]})

    with pytest.raises(ClientError, match=r"AccessDenied.*a in b: no s3:DeleteObjectVersion"):
        delete_versions(s3, "b", versions(1))


def test_a_thousand_go_at_once() -> None:
    asked: list[int] = []

    def delete_objects(**given: Any) -> dict[str, Any]:
        asked.append(len(given["Delete"]["Objects"]))
        return {}

    delete_versions(SimpleNamespace(delete_objects=delete_objects), "b", versions(2001))
    assert asked == [1000, 1000, 1]
