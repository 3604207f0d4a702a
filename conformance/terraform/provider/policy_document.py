"""
`aws_iam_policy_document`, to the byte.

The text ends up in states, plans and policies that people compare, so the embedded
provider writes what the real one writes: Go's JSON (two spaces, `<`, `>` and `&`
escaped, map keys sorted, empty members left out), a list of one as its element,
other lists in reverse order, conditions merged by test and variable, and the CRC-32
of the text as id (hashicorp/terraform-provider-aws, internal/service/iam/
policy_document_data_source.go and policy_model.go).
"""

import json
import zlib
from collections.abc import Mapping
from typing import Any

from conformance.terraform.provider.connection import Connection
from conformance.terraform.provider.resource import DataSource
from conformance.terraform.provider.values import Values

_LISTS = {
    "Action": "actions",
    "NotAction": "not_actions",
    "Resource": "resources",
    "NotResource": "not_resources",
}
_ORDER = ("Sid", "Effect", *_LISTS, "Principal", "NotPrincipal", "Condition")


class PolicyDocument(DataSource):
    name = "aws_iam_policy_document"
    accepts = frozenset(
        {
            "override_policy_documents",
            "policy_id",
            "source_policy_documents",
            "statement",
            "version",
        }
    )

    def read(self, _aws: Connection, config: Values) -> Values:
        document: Values = {}
        for source in config["source_policy_documents"] or ():
            _merge(document, _restated(source))
        version = config["version"] or "2012-10-17"
        written = {
            "Version": version,
            "Id": config["policy_id"],
            "Statement": [_statement(statement, version) for statement in config["statement"]],
        }
        _merge(document, written)
        for override in config["override_policy_documents"] or ():
            _merge(document, _restated(override))
        text = go_json(
            {name: document[name] for name in ("Version", "Id", "Statement") if document.get(name)},
            2,
        )
        return {
            "id": _code(text),
            "json": text,
            "minified_json": go_json(json.loads(text), None),
            "version": version,
        }


def go_json(value: Any, indent: int | None) -> str:
    """JSON as Go's encoding/json writes it."""
    text = json.dumps(
        value,
        indent=indent,
        ensure_ascii=False,
        separators=(",", ":") if indent is None else (",", ": "),
    )
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _statement(written: Mapping[str, Any], version: str) -> Values:
    made: Values = {"Sid": written["sid"], "Effect": written["effect"] or "Allow"}
    for member, argument in _LISTS.items():
        # Actions hold no policy variables, so the real provider leaves `&{` in them alone.
        as_is = argument.endswith("actions")
        ordered = sorted(written[argument] or (), reverse=True)
        made[member] = _one([v if as_is else _variables(v, version) for v in ordered])
    made["Principal"] = _principals(written["principals"], version)
    made["NotPrincipal"] = _principals(written["not_principals"], version)
    made["Condition"] = _conditions(written["condition"], version)
    return {member: made[member] for member in _ORDER if made[member]}


def _variables(text: str, version: str) -> str:
    if version == "2008-10-17" and "&{" in text:
        raise ValueError(
            f"found &{{ sequence in ({text}), which is not supported in document version {version}"
        )
    return text.replace("&{", "${")


def _one(values: list[str]) -> Any:
    return values[0] if len(values) == 1 else values


def _principals(written: list[Values], version: str) -> Any:
    by_type: dict[str, list[str]] = {}
    for principal in sorted(written, key=_place_in_set):
        identifiers = [_variables(each, version) for each in principal["identifiers"]]
        by_type.setdefault(principal["type"], []).extend(sorted(identifiers, reverse=True))
    if by_type == {"*": ["*"]}:
        return "*"
    return {kind: _one(names) for kind, names in sorted(by_type.items())}


def _conditions(written: list[Values], version: str) -> Values:
    by_test: dict[str, dict[str, list[str]]] = {}
    for condition in sorted(written, key=_place_in_set):
        values = by_test.setdefault(condition["test"], {}).setdefault(condition["variable"], [])
        values.extend(_variables(value or "", version) for value in condition["values"])
    return {
        test: {variable: _one(values) for variable, values in sorted(variables.items())}
        for test, variables in sorted(by_test.items())
    }


def _place_in_set(block: Mapping[str, Any]) -> str:
    """
    By what the SDK orders the blocks of a set: the CRC-32 of their text, as a string.

    It shows where two blocks of one statement are merged (terraform-plugin-sdk,
    helper/schema/serialize.go and set.go).
    """
    text = ""
    for name, value in sorted(block.items()):
        if name == "identifiers":  # a set itself
            inner = sorted((f"{each};" for each in value), key=_code)
            text += f"{name}:{{{''.join(inner)}}};"
        elif isinstance(value, list):
            text += f"{name}:({''.join(f'{each};' for each in value)});"
        else:
            text += f"{name}:{value};"
    return _code(text)


def _code(text: str) -> str:
    return str(zlib.crc32(text.encode()))


def _merge(document: Values, other: Mapping[str, Any]) -> None:
    """Take in another document: its id, a newer version, its statements by Sid."""
    document["Id"] = other.get("Id") or document.get("Id")
    document["Version"] = max(other.get("Version") or "", document.get("Version") or "")
    statements = document.setdefault("Statement", [])
    for statement in other.get("Statement") or ():
        sids = [each.get("Sid") for each in statements]
        sid = statement.get("Sid")
        place = sids.index(sid) if sid and sid in sids else len(statements)
        statements[place : place + 1] = [statement]


def _restated(text: str) -> Values:
    """A JSON document as the real provider writes it again."""
    document: Values = json.loads(text)
    return document | {"Statement": list(map(_restated_statement, document.get("Statement") or ()))}


def _restated_statement(statement: Mapping[str, Any]) -> Values:
    made: Values = dict(statement)
    for member in ("Principal", "NotPrincipal"):
        if isinstance(named := made.get(member), dict):
            made[member] = {
                kind: sorted(names, reverse=True) if isinstance(names, list) else names
                for kind, names in sorted(named.items())
            }
    made["Condition"] = {
        test: {variable: _words(values) for variable, values in sorted(variables.items())}
        for test, variables in sorted((made.get("Condition") or {}).items())
    }
    return {member: made[member] for member in _ORDER if made.get(member)}


def _words(values: Any) -> Any:
    if isinstance(values, bool):
        return json.dumps(values)
    return values[0] if isinstance(values, list) and len(values) == 1 else values
