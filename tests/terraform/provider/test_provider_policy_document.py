from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.terraform.provider.connection import Connection, Settings
from conformance.terraform.provider.overlay import schemas
from conformance.terraform.provider.policy_document import PolicyDocument, go_json
from conformance.terraform.provider.values import Values, complete

HERE = Path(__file__).parent
NOWHERE = Connection(Settings())


def document(**config: Any) -> Values:
    block = schemas().data_sources["aws_iam_policy_document"].block
    return PolicyDocument().read(NOWHERE, complete(block, config))


def test_documents_are_the_real_providers_to_the_byte(
    golden: Callable[[str], Any], applied: Callable[[str, str], dict[str, Any]]
) -> None:
    made = applied("policy_documents.tf", "embedded")
    assert made["documents"] == golden("policy_documents.json")


def test_go_escapes_what_html_would_read() -> None:
    assert go_json({"a": "<&>ä"}, None) == '{"a":"\\u003c\\u0026\\u003eä"}'


def test_old_documents_have_no_variables() -> None:
    statement = {"actions": ["s3:*"], "resources": ["&{aws:username}"]}

    with pytest.raises(ValueError, match="not supported in document version 2008-10-17"):
        document(version="2008-10-17", statement=[statement])


def test_the_same_statement_id_is_replaced_and_others_are_added() -> None:
    text = document(
        source_policy_documents=['{"Statement": [{"Sid": "A", "Effect": "Deny"}, {"Sid": "B"}]}'],
        statement=[{"sid": "A", "actions": ["s3:*"]}],
    )["minified_json"]

    assert text == (
        '{"Version":"2012-10-17","Statement":'
        '[{"Sid":"A","Effect":"Allow","Action":"s3:*"},{"Sid":"B"}]}'
    )
