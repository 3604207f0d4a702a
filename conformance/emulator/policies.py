"""
Policy documents, read and matched as IAM does.

ministack 1.5.33 never expands policy variables (gap 1 of our survey of it):
`${aws:PrincipalTag/kubernetes-namespace}` stays a literal, so every ABAC policy
of Pod Identity denies. It also forgets a document's Version, which decides whether
there are variables at all, and takes `Resource: []` for everything (gap 20).
So statements are read and matched here; wildcards and condition operators are
ministack's.

Sources: IAM user guide, "Policy elements: Variables and tags", "Version",
"Principal", "Condition operators".
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ministack.core import iam_evaluator as ministack
from ministack.services import tagging

from conformance.emulator.condition_keys import supports_key, supports_operator

VARIABLES_SINCE = "2012-10-17"
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_RESOURCE_TAG = "aws:resourcetag/"
_SPECIAL = ("*", "?", "$")
# Stand-ins for wildcard characters that are meant literally: `${*}`, and values of variables.
_LITERAL = str.maketrans({"*": "\ue000", "?": "\ue001"})


class Unresolved(Exception):  # noqa: N818 -- a state of the request, not a mistake
    """A variable without value and without default."""


def words(value: object) -> tuple[str, ...]:
    """A policy element that may be one value or a list of them."""
    if value is None:
        return ()
    return tuple(str(v) for v in value) if isinstance(value, list) else (str(value),)


@dataclass(frozen=True)
class Statement:
    """One statement; `variables` says whether `${...}` means anything in it."""

    body: Mapping[str, Any]
    variables: bool
    policy: str = ""
    """Name or ARN of its policy; what a resource, a role's trust or a session has bears none."""

    @property
    def sid(self) -> str:
        return str(self.body.get("Sid", ""))

    @property
    def allows(self) -> bool:
        return self.body.get("Effect") == "Allow"

    @property
    def denies(self) -> bool:
        return self.body.get("Effect") == "Deny"


def read(document: str | Mapping[str, Any] | None, policy: str = "") -> tuple[Statement, ...]:
    """Statements of a policy of that name; an unreadable one has none, so it allows nothing."""
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except ValueError:
            return ()
    if not isinstance(document, Mapping):
        return ()
    found = document.get("Statement") or []
    return tuple(
        Statement(body, document.get("Version") == VARIABLES_SINCE, policy)
        for body in ([found] if isinstance(found, Mapping) else found)
        if isinstance(body, Mapping)
    )


@dataclass(frozen=True)
class Asked:
    """What is asked of IAM: action, resource, and every condition key's value."""

    action: str
    resource: str
    keys: Mapping[str, Any]
    """By lower-case name; wins over what ministack works out from `context`."""
    context: Any
    """ministack's EvalContext."""
    unsupported: set[str] = field(default_factory=set, compare=False)
    """Conditions that had a say and mean nothing here; see `condition_keys`."""

    def value(self, key: str) -> Any:
        lower = key.lower()
        if lower in self.keys:
            return self.keys[lower]
        if lower.startswith(_RESOURCE_TAG):
            tags = tagging.resource_tags(self.resource) or {}
            return {name.lower(): tag for name, tag in tags.items()}.get(
                lower.removeprefix(_RESOURCE_TAG)
            )
        return ministack._resolve_condition_key(key, self.context)


def expand(text: str, asked: Asked) -> str:
    """
    Replace variables; wildcards in values are literal ("${*}" is the way to write one).

    Raises `Unresolved` where a key has no single value and there is no default.
    """

    def value(match: re.Match[str]) -> str:
        name, _, default = match[1].partition(",")
        if name in _SPECIAL:
            return name.translate(_LITERAL)
        found = asked.value(name.strip())
        if isinstance(found, str | int | bool):
            return str(found).translate(_LITERAL)
        default = default.strip()
        if len(default) > 1 and default[0] == default[-1] == "'":
            return default[1:-1].translate(_LITERAL)
        raise Unresolved(name)

    return _VARIABLE.sub(value, text)


def _matches_resource(pattern: str, statement: Statement, asked: Asked) -> bool:
    """An unresolved variable matches no resource; raises `Unresolved`."""
    resource = asked.resource.translate(_LITERAL)
    if asked.resource == "*":
        # An action without resource types is only allowed on "*".
        return set(pattern) == {"*"}
    expanded = expand(pattern, asked) if statement.variables else pattern
    return bool(ministack.fnmatch_iam_cs(resource, expanded))


def _resource_applies(statement: Statement, asked: Asked) -> bool:
    body = statement.body
    if "Resource" in body:
        for pattern in words(body["Resource"]):
            try:
                if _matches_resource(pattern, statement, asked):
                    return True
            except Unresolved:
                continue
        return False
    if "NotResource" in body:
        try:
            return not any(
                _matches_resource(pattern, statement, asked)
                for pattern in words(body["NotResource"])
            )
        except Unresolved:
            return False
    # Trust policies have neither: the role is the resource.
    return True


def _action_applies(statement: Statement, asked: Asked) -> bool:
    body = statement.body
    if "Action" in body:
        return any(ministack.fnmatch_iam(asked.action, p) for p in words(body["Action"]))
    if "NotAction" in body:
        return not any(ministack.fnmatch_iam(asked.action, p) for p in words(body["NotAction"]))
    return False


def _conditions(statement: Statement) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for operator, block in (statement.body.get("Condition") or {}).items():
        for key, expected in (block or {}).items():
            values = expected if isinstance(expected, list) else [expected]
            yield operator, key, tuple(_spelt(value) for value in values)


def _spelt(value: object) -> str:
    """JSON's true is the string "true" in a condition."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _kind_of(operator: str) -> str:
    """`ForAllValues:StringLikeIfExists` is a stringlike."""
    return operator.lower().rpartition(":")[2].removesuffix("ifexists")


def _condition_met(
    statement: Statement, asked: Asked, operator: str, key: str, expected: tuple[str, ...]
) -> bool:
    kind = _kind_of(operator)
    actual = asked.value(key)
    patterns = kind.startswith(("stringlike", "stringnotlike", "arn"))
    values = []
    for value in expected:
        try:
            # Variables mean something to string and ARN operators only.
            text = expand(value, asked) if statement.variables and _takes_variables(kind) else value
        except Unresolved:
            if kind in ministack._NEGATED_OPS:
                return False
            continue
        values.append(text if patterns else text.translate(_LITERAL))
    if kind != "null":
        many = actual if isinstance(actual, list) else None
        literal = [str(v).translate(_LITERAL) for v in (many if many is not None else [actual])]
        actual = literal if many is not None else (None if actual is None else literal[0])
    return bool(ministack._evaluate_single_condition(operator, actual, values))


def _takes_variables(kind: str) -> bool:
    return kind.startswith(("string", "arn"))


def applies(statement: Statement, asked: Asked) -> bool:
    """
    Action, resource and every condition match; principals are another matter.

    With a condition that is not supported an Allow does not apply, and a Deny does if
    the rest of it may: nobody gets in because we do not understand a policy.
    """
    if not _action_applies(statement, asked):
        return False
    unsupported = frozenset(_unsupported(statement, asked))
    rest = _without_unsupported(statement, asked) if unsupported else statement
    if not _resource_applies(rest, asked) or not _conditions_met(rest, asked):
        return False
    asked.unsupported.update(unsupported)
    return statement.denies or not unsupported


def _conditions_met(statement: Statement, asked: Asked) -> bool:
    return all(_condition_met(statement, asked, *condition) for condition in _conditions(statement))


def _supported(key: str, asked: Asked) -> bool:
    """A key with a value needs no table."""
    return supports_key(key) or asked.value(key) is not None


def _unsupported(statement: Statement, asked: Asked) -> Iterator[str]:
    """Operators, condition keys and variables of a statement that mean nothing here."""
    for operator, key, expected in _conditions(statement):
        if not supports_operator(operator):
            yield f"condition operator {operator}"
        if not _supported(key, asked):
            yield f"condition key {key}"
        if statement.variables and _takes_variables(_kind_of(operator)):
            yield from _unsupported_variables(expected, asked)
    if statement.variables:
        for element in ("Resource", "NotResource"):
            yield from _unsupported_variables(words(statement.body.get(element)), asked)


def _unsupported_variables(texts: tuple[str, ...], asked: Asked) -> Iterator[str]:
    for text in texts:
        for inside in _VARIABLE.findall(text):
            name = inside.partition(",")[0].strip()
            if name not in _SPECIAL and not _supported(name, asked):
                yield f"policy variable {name}"


def _without_unsupported(statement: Statement, asked: Asked) -> Statement:
    """What can be decided of a statement; the rest counts as met."""
    body = dict(statement.body)
    body["Condition"] = {
        operator: {
            key: expected
            for key, expected in block.items()
            if _supported(key, asked) and not any(_unsupported_variables(words(expected), asked))
        }
        for operator, block in (body.get("Condition") or {}).items()
        if supports_operator(operator)
    }
    for element in ("Resource", "NotResource"):
        if any(_unsupported_variables(words(body.get(element)), asked)):
            del body[element]
    return Statement(body, statement.variables)


def arn_like(actual: str, expected: str) -> bool:
    """
    ArnLike and ArnEquals: wildcards stay within one of an ARN's six parts.

    "Each of the six colon-delimited components of the ARN is checked separately"
    (IAM user guide, condition operators); ministack matches across them (gap 12).
    """
    found, wanted = actual.split(":", 5), expected.split(":", 5)
    return len(found) == len(wanted) and all(
        ministack.fnmatch_iam_cs(f, w) for f, w in zip(found, wanted, strict=True)
    )


def correct_arn_operators() -> None:
    """Put `arn_like` behind the four ARN operators."""
    for name in ("arnlike", "arnequals"):
        ministack._CONDITION_OPS[name] = arn_like
    for name in ("arnnotlike", "arnnotequals"):
        ministack._CONDITION_OPS[name] = lambda actual, expected: not arn_like(actual, expected)
