"""
IAM policy documents, compared by what they say.

One stack splits statements, another joins them or writes `*` in another way; all of that
grants the same. So a document is taken apart into sayings of one effect, one action, one
resource and one principal each, as lines that people can read.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_NEGATIONS = ("", "Not")


def sayings(document: str | Mapping[str, Any] | None) -> frozenset[str]:
    """All that a document says; nothing when there is none."""
    if not document:
        return frozenset()
    told = json.loads(document) if isinstance(document, str) else document
    return frozenset(line for each in _many(told["Statement"]) for line in _of_statement(each))


def document(statements: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """
    As AWS has it what a Spec says (`spec.variables`, with real names).

    `principals` of a statement is a mapping as in IAM, or `*`.
    """
    return {"Statement": [_statement(each) for each in statements]}


def _statement(it: Mapping[str, Any]) -> dict[str, Any]:
    conditions: dict[str, dict[str, list[str]]] = {}
    for one in it["conditions"]:
        values = conditions.setdefault(one["test"], {}).setdefault(one["variable"], [])
        values.extend(one["values"])
    made = {"Effect": it["effect"], "Action": it["actions"], "Condition": conditions}
    for key, name in (("Resource", "resources"), ("Principal", "principals")):
        if it.get(name):
            made[key] = it[name]
    return made


def _of_statement(it: Mapping[str, Any]) -> Iterator[str]:
    provided = "".join(
        f" if {test} {variable} {', '.join(sorted(_many(values)))}"
        for test, variables in sorted(it.get("Condition", {}).items())
        for variable, values in sorted(variables.items())
    )
    for action in _each(it, "Action"):
        for resource in _each(it, "Resource") or [""]:
            for whom in _principals(it) or [""]:
                on, to = (f" on {resource}" if resource else ""), (f" to {whom}" if whom else "")
                yield f"{it['Effect']} {action}{on}{to}{provided}"


def _each(it: Mapping[str, Any], key: str) -> list[str]:
    return [
        f"{'anything but ' if negation else ''}{value}"
        for negation in _NEGATIONS
        for value in _many(it.get(f"{negation}{key}", ()))
    ]


def _principals(it: Mapping[str, Any]) -> list[str]:
    found = []
    for negation in _NEGATIONS:
        told = it.get(f"{negation}Principal", {})
        kinds = {"AWS": told} if isinstance(told, str) else told
        but = "anybody but " if negation else ""
        found += [f"{but}{_named(p)}" for of in kinds.values() for p in _many(of)]
    return found


def _named(principal: str) -> str:
    """An account's number means the account (IAM user guide, "Principal")."""
    return f"arn:aws:iam::{principal}:root" if principal.isdecimal() else principal


def _many(value: Any) -> list[Any]:
    return [value] if isinstance(value, str | Mapping | bool) else list(value)
