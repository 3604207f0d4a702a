"""
Label and field selectors: parsed with kube-apiserver's words of refusal, then matched.

A watch with a selector shows an object that begins to match as ADDED and one that
ceases to as DELETED, so matching is a plain function of one object.
Grammar: k8s.io/apimachinery/pkg/labels/selector.go and pkg/fields/selector.go.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conformance.cluster.apiserver import status
from conformance.cluster.apiserver.resources import Object, Resource, dig

_TOKEN = re.compile(r"\s*(==|!=|=|,|\(|\)|!|<|>|[^\s=!,()<>]+)")
LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
LABEL_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or "
    "'12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


@dataclass(frozen=True)
class Requirement:
    """One term of a label selector."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "in":
                return value in self.values
            case "notin":
                return value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
            case _:
                return _compares(value, self.operator, self.values[0])


def _compares(value: str | None, operator: str, bound: str) -> bool:
    try:
        left, right = int(value or ""), int(bound)
    except ValueError:
        return False
    return left > right if operator in {"gt", ">"} else left < right


LabelSelector = tuple[Requirement, ...]


class _Tokens:
    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(text)
        self._at = 0

    def peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self._at += 1
        return token


def parse_labels(text: str) -> LabelSelector:
    """Raises `ApiError` 400 with the words of kube-apiserver's parser."""
    tokens = _Tokens(text)
    terms: list[Requirement] = []
    while tokens.peek():
        terms.append(_term(tokens))
        after = tokens.take()
        if after == ",":
            if not tokens.peek():
                raise status.bad_request("found '', expected: identifier after ','")
        elif after:
            raise status.bad_request(f"found '{after}', expected: ',' or 'end of string'")
    return tuple(terms)


def _term(tokens: _Tokens) -> Requirement:
    if tokens.peek() == "!":
        tokens.take()
        return Requirement(tokens.take(), "!")
    key = tokens.take()
    operator = tokens.peek()
    if operator in {"", ","}:
        return Requirement(key, "exists")
    tokens.take()
    if operator in {"=", "==", "!="}:
        value = "" if tokens.peek() in {"", ","} else tokens.take()
        _check_value(key, value)
        return Requirement(key, "notin" if operator == "!=" else "in", (value,))
    if operator in {"in", "notin"}:
        return Requirement(key, operator, _values(key, tokens))
    if operator in {"<", ">"}:
        return Requirement(key, operator, (tokens.take(),))
    raise status.bad_request(
        f"unable to parse requirement: found '{operator}', expected: in, notin, =, ==, !=, gt, lt"
    )


def _values(key: str, tokens: _Tokens) -> tuple[str, ...]:
    opening = tokens.take()
    if opening != "(":
        raise status.bad_request(f"unable to parse requirement: found '{opening}', expected: '('")
    values: list[str] = []
    while (value := tokens.take()) != ")":
        if not value:
            raise status.bad_request("unable to parse requirement: found '', expected: ',' or ')'")
        if value != ",":
            _check_value(key, value)
            values.append(value)
    return tuple(values)


def _check_value(key: str, value: str) -> None:
    if not LABEL_VALUE.fullmatch(value):
        raise status.bad_request(
            f'unable to parse requirement: values[0][{key}]: Invalid value: "{value}": '
            + LABEL_VALUE_RULE
        )


def from_object(selector: Object | None) -> LabelSelector | None:
    """
    A LabelSelector object (`matchLabels`, `matchExpressions`) as terms.

    None matches nothing, as a null selector does; an empty one matches everything.
    """
    if selector is None:
        return None
    terms = [
        Requirement(key, "in", (value,))
        for key, value in (selector.get("matchLabels") or {}).items()
    ]
    operators = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}
    terms += [
        Requirement(
            term["key"],
            operators.get(term["operator"], term["operator"].lower()),
            tuple(term.get("values") or ()),
        )
        for term in selector.get("matchExpressions") or ()
    ]
    return tuple(terms)


def labels_match(selector: LabelSelector | None, labels: Mapping[str, str] | None) -> bool:
    return selector is not None and all(term.matches(labels or {}) for term in selector)


FieldSelector = tuple[tuple[str, bool, str], ...]
"""Path, whether it must be equal, value."""


def parse_fields(text: str, resource: Resource) -> FieldSelector:
    """Raises `ApiError` 400 for a field that this resource cannot be selected by."""
    terms: list[tuple[str, bool, str]] = []
    for term in filter(None, text.split(",")):
        found = re.fullmatch(r"(.+?)(==|!=|=)(.*)", term)
        if found is None:
            raise status.bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
        path, operator, value = found.groups()
        if path not in resource.selectable:
            raise _unsupported(path, resource)
        terms.append((path, operator != "!=", value))
    return tuple(terms)


def _unsupported(path: str, resource: Resource) -> status.ApiError:
    # Resources with selectors of their own convert field labels themselves; the others share
    # the generic words of runtime.DefaultMetaV1FieldSelectorConversion.
    if resource.fields:
        return status.bad_request(f"field label not supported: {path}")
    return status.bad_request(
        f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"'
    )


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


_WHEN_ABSENT = {"spec.hostNetwork": "false", "spec.unschedulable": "false"}


def fields_match(selector: FieldSelector, obj: Object) -> bool:
    for path, equal, wanted in selector:
        absent = _WHEN_ABSENT.get(path, "")
        if (_as_text(dig(obj, *path.split("."), default=absent)) == wanted) is not equal:
            return False
    return True


@dataclass(frozen=True)
class Selection:
    """What a list or watch is narrowed to."""

    labels: LabelSelector = ()
    fields: FieldSelector = ()

    def __bool__(self) -> bool:
        return bool(self.labels or self.fields)

    def matches(self, obj: Object) -> bool:
        return labels_match(self.labels, obj["metadata"].get("labels")) and fields_match(
            self.fields, obj
        )

    @classmethod
    def parse(cls, labels: str, fields: str, resource: Resource) -> "Selection":
        return cls(parse_labels(labels), parse_fields(fields, resource))
