import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from ministack.services import sts

from conformance.emulator.principals import principal
from conformance.emulator.service import InvalidSession, TrustRefused
from conformance.emulator.session_rules import Wanted, check
from conformance.emulator.sessions import EXPIRED_KNOWN_SECONDS
from conformance.faults import STS_SKIPS_TRUST_POLICY

EVERYTHING = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
)


def _trust(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _assume(account: Any, role: str, who: Any, *, session_name: str = "next", **more: Any) -> Any:
    more.setdefault("duration_seconds", 3600)
    wanted = Wanted(role_arn=role, session_name=session_name, **more)
    return account.aws.mint.for_caller(wanted, principal(who))


def test_session_has_the_name_and_role_id_that_sts_gives(account: Any) -> None:
    session = account.session(account.role("r"), "eks-one-web-0")
    assert session.arn == f"arn:aws:sts::{account.id}:assumed-role/r/eks-one-web-0"
    assert session.assumed_role_id.startswith("AROA")
    assert session.assumed_role_id.endswith(":eks-one-web-0")


def test_role_with_a_path_is_not_in_the_session_arn(account: Any) -> None:
    role = account.role("r", Path="/team/a/")
    assert role.endswith(":role/team/a/r")
    assert account.session(role).arn == f"arn:aws:sts::{account.id}:assumed-role/r/test-session"


def test_role_with_a_path_is_not_found_without_it(account: Any) -> None:
    account.role("r", Path="/team/")
    assert not account.aws.role_exists(f"arn:aws:iam::{account.id}:role/r")
    with pytest.raises(TrustRefused):
        account.session(f"arn:aws:iam::{account.id}:role/r")


def test_service_session_may_outlive_the_roles_maximum(account: Any) -> None:
    session = account.session(account.role("r"), duration_seconds=21600)
    assert account.aws.records.sessions[-1].duration_seconds == 21600
    assert session.expiration.tzinfo is not None


def test_tags_keep_their_order_in_the_record(account: Any) -> None:
    tags = {"eks-cluster-arn": "a", "eks-cluster-name": "b", "kubernetes-namespace": "c"}
    account.session(account.role("r"), tags=tags, transitive=tuple(tags))
    record = account.aws.records.sessions[-1]
    assert list(record.tags) == list(tags.items())
    assert record.transitive == tuple(tags)
    assert record.source == "pods.eks.amazonaws.com"


def test_transitive_tags_come_along_and_others_do_not(account: Any) -> None:
    source = account.session(
        account.role("a", EVERYTHING), tags={"team": "x", "local": "y"}, transitive=("team",)
    )
    account.aws.assume_role(source, account.role("b"), session_name="chained")
    record = account.aws.records.sessions[-1]
    assert dict(record.tags) == {"team": "x"}
    assert record.transitive == ("team",)


def test_transitive_tag_cannot_be_set_again(account: Any) -> None:
    source = account.session(
        account.role("a", EVERYTHING), tags={"team": "x"}, transitive=("team",)
    )
    target = account.role("b")
    with pytest.raises(InvalidSession, match="transitive tag key"):
        account.aws.assume_role(source, target, session_name="chained", tags={"TEAM": "z"})


def test_chained_session_lives_an_hour_at_most(account: Any) -> None:
    source = account.session(account.role("a", EVERYTHING))
    target = account.role("b", MaxSessionDuration=43200)
    with pytest.raises(InvalidSession, match="1 hour"):
        account.aws.assume_role(source, target, session_name="chained", duration_seconds=3601)


def test_maximum_of_the_role_binds_users(account: Any) -> None:
    account.user("jane", EVERYTHING)
    jane = account.user_caller("jane")
    short, long = account.role("short"), account.role("long", MaxSessionDuration=7200)
    assert _assume(account, long, jane, duration_seconds=7200)
    with pytest.raises(InvalidSession, match="MaxSessionDuration"):
        _assume(account, short, jane, duration_seconds=7200)


@pytest.mark.parametrize("seconds", [0, 899, 43201])
def test_duration_outside_of_sts_bounds_is_refused(account: Any, seconds: int) -> None:
    account.user("jane", EVERYTHING)
    role = account.role("r", MaxSessionDuration=43200)
    with pytest.raises(InvalidSession, match="durationSeconds"):
        _assume(account, role, account.user_caller("jane"), duration_seconds=seconds)


def test_user_needs_sts_tag_session_themselves(account: Any) -> None:
    root = {"AWS": f"arn:aws:iam::{account.id}:root"}
    trust = _trust(
        {"Effect": "Allow", "Principal": root, "Action": ["sts:AssumeRole", "sts:TagSession"]}
    )
    role = account.role("r", trust=trust)
    account.user("jane", _trust({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}))
    jane = account.user_caller("jane")
    assert _assume(account, role, jane)
    with pytest.raises(TrustRefused, match="sts:TagSession"):
        _assume(account, role, jane, tags={"a": "b"})


def test_trust_that_names_the_user_needs_no_identity_policy(account: Any) -> None:
    jane = account.user("jane")
    role = account.role(
        "r", trust=_trust({"Effect": "Allow", "Principal": {"AWS": jane}, "Action": "sts:*"})
    )
    assert _assume(account, role, account.user_caller("jane"))


def test_identity_policy_alone_does_not_assume(account: Any) -> None:
    account.user("jane", EVERYTHING)
    service = {"Service": "ec2.amazonaws.com"}
    role = account.role(
        "r", trust=_trust({"Effect": "Allow", "Principal": service, "Action": "sts:*"})
    )
    with pytest.raises(TrustRefused):
        _assume(account, role, account.user_caller("jane"))
    assert account.aws.records.decisions[-1].decided_by == "trust"


def test_across_accounts_both_sides_must_allow(new_account: Callable[[], Any]) -> None:
    ours, theirs = new_account(), new_account()
    trust = _trust({"Effect": "Allow", "Principal": {"AWS": ours.id}, "Action": "sts:AssumeRole"})
    target = theirs.role("target", trust=trust)
    may = ours.session(ours.role("may", EVERYTHING))
    may_not = ours.session(ours.role("may-not"))
    assert ours.aws.assume_role(may, target, session_name="x1").arn.split(":")[4] == theirs.id
    with pytest.raises(TrustRefused):
        ours.aws.assume_role(may_not, target, session_name="x2")


def test_external_id_is_asked_for(account: Any) -> None:
    source = account.session(account.role("a", EVERYTHING))
    trust = _trust(
        {
            "Effect": "Allow",
            "Principal": {"AWS": account.id},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": "eu-west-1/1/one/dev/reader"}},
        }
    )
    target = account.role("b", trust=trust)
    assert account.aws.assume_role(
        source, target, session_name="x1", external_id="eu-west-1/1/one/dev/reader"
    )
    for wrong in (None, "eu-west-1/1/one/prod/reader"):
        with pytest.raises(TrustRefused):
            account.aws.assume_role(source, target, session_name="x2", external_id=wrong)


def test_trust_condition_on_the_source_role_sees_the_role(account: Any) -> None:
    role = account.role("a", EVERYTHING)
    source = account.session(role)
    trust = _trust(
        {
            "Effect": "Allow",
            "Principal": "*",
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": {"ArnEquals": {"aws:PrincipalArn": role}},
        }
    )
    assert account.aws.assume_role(source, account.role("b", trust=trust), session_name="x1")


def test_role_that_is_not_there_refuses_like_one_that_does_not_trust(account: Any) -> None:
    with pytest.raises(TrustRefused, match="not authorized to perform: sts:AssumeRole"):
        account.session(f"arn:aws:iam::{account.id}:role/nobody")


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"session_name": "x"}, "ValidationError"),
        ({"session_name": "with space"}, "ValidationError"),
        ({"session_name": "n" * 65}, "ValidationError"),
        ({"tags": {f"k{n}": "v" for n in range(51)}}, "ValidationError"),
        ({"tags": {"k": "v" * 257}}, "ValidationError"),
        ({"tags": {"k" * 129: "v"}}, "ValidationError"),
        ({"tags": {"k*": "v"}}, "ValidationError"),
        ({"tags": {"Team": "a", "team": "b"}}, "InvalidParameterValue"),
        ({"tags": {"a": "b"}, "transitive": ("c",)}, "InvalidParameterValue"),
        ({"policy_arns": tuple(f"arn{n}" for n in range(11))}, "ValidationError"),
        ({"tags": {f"k{n}": "v" * 200 for n in range(20)}}, "PackedPolicyTooLarge"),
    ],
)
def test_session_that_cannot_be_is_refused(changed: dict[str, Any], code: str) -> None:
    usual: dict[str, Any] = {"role_arn": "arn", "session_name": "ok", "duration_seconds": 900}
    with pytest.raises(InvalidSession) as refused:
        check(Wanted(**usual | changed))
    assert refused.value.code == code


def test_fault_skips_the_trust_policy(account: Any) -> None:
    ec2 = {"Service": "ec2.amazonaws.com"}
    role = account.role(
        "r", trust=_trust({"Effect": "Allow", "Principal": ec2, "Action": "sts:AssumeRole"})
    )
    with pytest.raises(TrustRefused):
        account.session(role, tags={"a": "b"})
    account.aws.faults.set([STS_SKIPS_TRUST_POLICY.name])
    try:
        assert account.session(role, tags={"a": "b"})
    finally:
        account.aws.faults.set([])


def test_secrets_are_not_in_a_sessions_repr(account: Any) -> None:
    session = account.session(account.role("r"))
    assert session.secret_access_key not in repr(session)
    assert session.session_token not in repr(session)


def test_session_that_ended_is_expired_for_a_while_and_then_unknown(
    account: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = account.role("r")
    ended = account.session(role, "short", duration_seconds=1)
    now = time.time()
    for ahead, known in ((10.0, True), (EXPIRED_KNOWN_SECONDS + 10, False)):
        monkeypatch.setattr("conformance.emulator.sessions.time.time", lambda t=now + ahead: t)
        account.session(role, "next")
        assert (ended.access_key_id in sts._sessions) is known


def test_minting_does_not_look_at_sessions_that_are_there(
    account: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Sessions(dict[str, Any]):
        def items(self) -> Any:
            raise AssertionError("looked at every session")

        __iter__ = keys = values = items

    monkeypatch.setattr(sts, "_sessions", Sessions(sts._sessions))
    role = account.role("r")
    assert account.session(role).access_key_id in sts._sessions
