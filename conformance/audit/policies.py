"""
What policies say, as far as posture is concerned: wildcards, and how far a trust reaches.

This decides no request. A statement is too wide when its words are, whatever another
statement may deny: who reads the policy cannot see the other one.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

POD_IDENTITY = "pods.eks.amazonaws.com"

CLUSTER_KEYS = (
    "aws:sourcearn",
    "aws:requesttag/eks-cluster-arn",
    "aws:requesttag/eks-cluster-name",
)
NAMESPACE_KEYS = ("aws:requesttag/kubernetes-namespace",)
CALLER_KEYS = ("aws:principalarn",)
_ACCOUNT = re.compile(r"\*|(?:arn:[^:]*:iam::)?(?P<id>\d{12})(?::root)?")
_ONLY_LOOKS = ("list", "describe")
"""Actions that often know no resource; what begins so with `*` is not a finding."""


def many(value: Any) -> tuple[Any, ...]:
    """IAM lets a list of one be the one itself."""
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list) else (value,)


def statements(document: Mapping[str, Any], effect: str = "Allow") -> Iterator[Mapping[str, Any]]:
    """Those of one effect."""
    for statement in many(document.get("Statement")):
        if statement.get("Effect") == effect:
            yield statement


def too_wide(document: Mapping[str, Any]) -> Iterator[str]:
    """Each statement that allows by wildcard, in words."""
    for statement in statements(document):
        actions = many(statement.get("Action"))
        if "NotAction" in statement:
            yield f"NotAction {', '.join(many(statement['NotAction']))} allows all other actions"
        wide = [action for action in actions if action == "*" or action.endswith(":*")]
        if wide:
            yield f"Action {', '.join(wide)} on {', '.join(many(statement.get('Resource')))}"
        elif _everywhere(statement) and not all(map(_only_looks, actions)):
            yield f"Resource * for {', '.join(actions)}"


def _everywhere(statement: Mapping[str, Any]) -> bool:
    return "*" in many(statement.get("Resource")) and not statement.get("Condition")


def _only_looks(action: str) -> bool:
    return action.partition(":")[2].lower().startswith(_ONLY_LOOKS)


def trusts_pods(statement: Mapping[str, Any]) -> bool:
    """It lets EKS assume the role for pods."""
    principal = statement.get("Principal")
    if principal == "*":
        return True
    services = many((principal or {}).get("Service"))
    return POD_IDENTITY in services


def trusted_as_a_whole(statement: Mapping[str, Any]) -> list[str]:
    """Accounts of which the statement trusts everybody; `*` is all there are."""
    principal = statement.get("Principal")
    named = (principal,) if principal == "*" else many((principal or {}).get("AWS"))
    whole = (_ACCOUNT.fullmatch(one) for one in named)
    return ["any account" if one[0] == "*" else f"account {one['id']}" for one in whole if one]


def narrowed_by(statement: Mapping[str, Any], keys: tuple[str, ...]) -> bool:
    """
    A condition of the statement is on one of these keys, and lets not everything through.

    `...IfExists` does: a request without the key passes.
    """
    for operator, tested in (statement.get("Condition") or {}).items():
        if operator.lower().endswith("ifexists") or "not" in operator.lower():
            continue
        for key, values in tested.items():
            if key.lower() in keys and "*" not in many(values):
                return True
    return False


def denied_unless(document: Mapping[str, Any], keys: tuple[str, ...]) -> bool:
    """A Deny for whoever has another value narrows as well as a condition of the Allow."""
    for statement in statements(document, "Deny"):
        for operator, tested in (statement.get("Condition") or {}).items():
            differs = operator.lower().startswith(("stringnot", "arnnot"))
            if differs and any(key.lower() in keys for key in tested):
                return True
    return False
