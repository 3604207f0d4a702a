import json
from datetime import timedelta
from typing import Any

from conformance.emulator.records import DecidedBy, IamDecision, Records, fingerprint, now


def _decision(**changed: Any) -> IamDecision:
    usual: dict[str, Any] = {
        "principal_arn": "arn",
        "action": "s3:GetObject",
        "resource": "*",
        "allowed": False,
        "decided_by": DecidedBy.IDENTITY,
        "reason": "",
    }
    return IamDecision(**usual | changed)


def test_only_the_newest_are_kept() -> None:
    records = Records(kept=3)
    records.decisions.extend(_decision(action=str(n)) for n in range(5))
    assert [record["action"] for record in records.since()["decisions"]] == ["2", "3", "4"]


def test_since_is_inclusive() -> None:
    records, moment = Records(), now()
    for offset in (-1, 0, 1):
        records.decisions.append(
            _decision(action=str(offset), at=moment + timedelta(seconds=offset))
        )
    assert [record["action"] for record in records.since(moment)["decisions"]] == ["0", "1"]


def test_records_of_some_keys_only() -> None:
    records = Records()
    records.decisions.extend(_decision(access_key_fingerprint=key) for key in ("a", "b", "c", ""))
    kept = records.since(keys={"a", "c"})["decisions"]
    assert [record["access_key_fingerprint"] for record in kept] == ["a", "c"]


def test_records_are_json() -> None:
    records = Records()
    records.decisions.append(_decision())
    assert json.loads(json.dumps(records.since()))["decisions"][0]["decided_by"] == "identity"


def test_fingerprint_is_twelve_hex_digits() -> None:
    assert fingerprint("ASIAEMULATEDXXXXXXXX") == "17f6f0a5838f"


def test_records_hold_no_secrets(account: Any) -> None:
    session = account.session(account.role("r"), tags={"team": "x"})
    account.aws.authorize(account.caller(session), "s3:GetObject", "arn:aws:s3:::b/k")
    text = json.dumps(account.aws.records.since())
    assert fingerprint(session.access_key_id) in text
    for secret in (session.access_key_id, session.secret_access_key, session.session_token):
        assert secret not in text


def test_decision_is_recorded_with_its_reason(account: Any) -> None:
    session = account.session(account.role("r"))
    account.aws.authorize(account.caller(session), "s3:GetObject", "arn:aws:s3:::b/k")
    record = account.aws.records.decisions[-1]
    assert (record.action, record.resource, record.allowed) == (
        "s3:GetObject",
        "arn:aws:s3:::b/k",
        False,
    )
    assert record.reason == (
        f"User: {session.arn} is not authorized to perform: s3:GetObject on resource: "
        '"arn:aws:s3:::b/k" because no identity-based policy allows the s3:GetObject action'
    )
