"""Every ask of authorization/*.toml against policies that lie in IAM; see the README there."""

import json
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.emulator.decisions import ResourcePolicy
from conformance.emulator.policies import read
from conformance.emulator.principals import Principal, principal
from conformance.emulator.service import InvalidSession, TrustRefused
from conformance.emulator.session_rules import Wanted

CASES = Path(__file__).parent / "authorization"
OTHER = "999999999999"


def _load(kind: str) -> list[Any]:
    return list(_asks(kind))


def _asks(kind: str) -> Iterator[Any]:
    """A situation with a `gap` must not do as AWS does; the day it does, its test fails."""
    for path in sorted(CASES.glob("*.toml")):
        for situation in tomllib.loads(path.read_text()).get(kind, []):
            gap = situation.get("gap")
            marks = [pytest.mark.xfail(strict=True, reason=gap)] if gap else []
            for name, ask in situation["asks"].items():
                name_of_test = f"{path.stem}: {situation['why']}: {name}"
                yield pytest.param(situation, ask, id=name_of_test, marks=marks)


def _fill(value: Any, **real: str) -> Any:
    text = json.dumps(value)
    for name, with_ in {"other": OTHER, **real}.items():
        text = text.replace(f"<{name}>", with_)
    return json.loads(text)


def _document(statements: Any, situation: dict[str, Any]) -> str:
    version = situation.get("version", "2012-10-17")
    return json.dumps({"Version": version, "Statement": statements})


def _subject(account: Any, situation: dict[str, Any]) -> tuple[Principal, dict[str, str]]:
    """The principal of a situation, made in IAM, and the real names that its text may use."""
    known = {
        "account": account.id,
        "role": f"arn:aws:iam::{account.id}:role/subject",
        "user": f"arn:aws:iam::{account.id}:user/jane",
        "target": f"arn:aws:iam::{account.id}:role/target",
        "session": f"arn:aws:sts::{account.id}:assumed-role/subject/"
        + situation.get("session_name", "test-session"),
    }
    filled = _fill(situation, **known)
    own = _document(filled.get("identity", []), filled) if filled.get("identity") else ""
    limits = {}
    if "boundary" in filled:
        text = _document(filled["boundary"], filled)
        limits["PermissionsBoundary"] = account.managed("boundary", text)
    kind = filled.get("principal", "role")
    if kind == "root":
        caller = account.root_caller()
    elif kind == "user":
        account.user("jane", own, **limits)
        if "group" in filled:
            account.ask_iam("CreateGroup", GroupName="g")
            account.ask_iam(
                "PutGroupPolicy",
                GroupName="g",
                PolicyName="p",
                PolicyDocument=_document(filled["group"], filled),
            )
            account.ask_iam("AddUserToGroup", GroupName="g", UserName="jane")
        caller = account.user_caller("jane")
    else:
        tags: dict[str, str] = {}
        for number, (key, value) in enumerate(filled.get("role_tags", {}).items(), 1):
            tags |= {f"Tags.member.{number}.Key": key, f"Tags.member.{number}.Value": value}
        session = account.session(
            account.role("subject", own, **limits, **tags),
            filled.get("session_name", "test-session"),
            tags=filled.get("session_tags"),
            transitive=tuple(filled.get("transitive", ())),
            session_policy=_document(filled["session"], filled) if "session" in filled else None,
        )
        caller = account.caller(session)
    who = principal(caller)
    levels = tuple(read(_document(level, filled)) for level in filled.get("scps", []))
    return replace(who, scps=levels) if levels else who, known


@pytest.mark.parametrize(("situation", "ask"), _load("policy"))
def test_decision(account: Any, situation: dict[str, Any], ask: list[Any]) -> None:
    who, known = _subject(account, situation)
    action, resource, expected, *context = _fill(ask, **known)
    policy = None
    if "resource" in situation:
        own = _fill(situation["resource"], **known)
        owner = account.id if own["owner"] == "same" else OTHER
        policy = ResourcePolicy(
            _document(own["statements"], situation), owner, own.get("required", False)
        )

    verdict = account.aws.judge(
        who, action, resource, context=context[0] if context else None, policy=policy
    )

    word = "allowed" if verdict.allowed else "explicit" if verdict.explicit else "denied"
    record = account.aws.records.decisions[-1]
    assert _with(f"{word} {verdict.decided_by}", record.unsupported) == expected


@pytest.mark.parametrize(("situation", "ask"), _load("role"))
def test_trust(account: Any, situation: dict[str, Any], ask: list[Any]) -> None:
    situation = _fill(situation, account=account.id)
    service, expected, *more = _fill(ask, account=account.id)
    options = more[0] if more else {}
    role = account.role("subject", trust=_document(situation["trust"], situation))
    tags = options.get("tags", {})

    try:
        account.aws.assume_role_for_service(
            role,
            service=service,
            session_name="test-session",
            tags=tags,
            transitive=tuple(tags),
            duration_seconds=60,
            source_arn=options.get("source_arn"),
            source_account=options.get("source_account"),
        )
        outcome = "assumed"
    except TrustRefused as refused:
        outcome = _with(_refused(refused), account.aws.records.decisions[-1].unsupported)

    assert outcome == expected


@pytest.mark.parametrize(("situation", "ask"), _load("chain"))
def test_chain(account: Any, situation: dict[str, Any], ask: list[Any]) -> None:
    who, known = _subject(account, situation)
    situation, (expected, *more) = _fill(situation, **known), _fill(ask, **known)
    options = more[0] if more else {}
    account.role("target", trust=_document(situation["trust"], situation), MaxSessionDuration=43200)
    wanted = Wanted(
        role_arn=known["target"],
        session_name=options.get("session_name", "next"),
        duration_seconds=options.get("duration", 900),
        tags=options.get("tags", {}),
        transitive=tuple(options.get("transitive", ())),
        external_id=options.get("external_id"),
        source_identity=options.get("source_identity"),
    )

    try:
        account.aws.mint.for_caller(wanted, who)
        outcome = "assumed"
    except TrustRefused as refused:
        outcome = _refused(refused)
    except InvalidSession as invalid:
        outcome = f"invalid {invalid.code}"

    assert outcome == expected


def _refused(refused: TrustRefused) -> str:
    return "refused " + refused.reason.partition("perform: ")[2].partition(" ")[0]


def _with(outcome: str, unsupported: tuple[str, ...]) -> str:
    return f"{outcome} + {', '.join(unsupported)}" if unsupported else outcome


def test_every_situation_says_why_and_where_from() -> None:
    situations = [
        s
        for path in CASES.glob("*.toml")
        for kind in tomllib.loads(path.read_text()).values()
        for s in kind
    ]
    assert all(s["why"] and s["source"] and s["asks"] for s in situations)


def test_there_are_enough_cases() -> None:
    assert len([*_load("policy"), *_load("role"), *_load("chain")]) >= 250


def test_an_unreadable_policy_allows_nothing() -> None:
    assert read("{not json") == ()
    assert read('["a list"]') == ()
