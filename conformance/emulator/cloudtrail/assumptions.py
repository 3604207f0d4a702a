"""
STS's own record of a session that an AWS service asked for.

Each AssumeRoleForPodIdentity that goes through leaves two events: EKS Auth's, which says
which node asked and hides the token, and this one of STS, which alone says for which
pod: in its six tags. Nothing in them names the other; on real clusters they are matched
by time. The shape is that of an event of a real cluster (2024-04-16); what it has of the
session token there is left out here.

A role that refuses leaves only EKS Auth's event: the service has no account whose trail
could hold STS's.
"""

import uuid
from datetime import UTC, datetime
from typing import Any

from conformance.emulator.audit import Event, event
from conformance.emulator.cloudtrail import identities
from conformance.emulator.cloudtrail.elements import in_words
from conformance.emulator.cloudtrail.resources import made_by_assuming, role
from conformance.emulator.service import Caller, Session
from conformance.emulator.session_rules import Wanted


def assumed(
    session: Session, wanted: Wanted, service: str, region: str, source: Caller | None = None
) -> tuple[Event, ...]:
    """
    The events of a session that `service` got.

    For itself, or with `source`'s session by role chaining: then the caller's trail has
    one too when the role is another account's.
    """
    at = datetime.now(UTC)
    owner = session.role_arn.split(":")[4]
    about = role(session.role_arn)
    looked_up = (
        *made_by_assuming(session.access_key_id, session.arn, session.assumed_role_id),
        about,
    )
    record = {
        "eventVersion": "1.08",
        "userIdentity": identities.of_service(service),
        "eventTime": identities.stamp(at),
        "eventSource": "sts.amazonaws.com",
        "eventName": "AssumeRole",
        "awsRegion": region,
        "sourceIPAddress": service,
        "userAgent": service,
        "requestParameters": _asked(wanted),
        "responseElements": _answered(session),
        "requestID": str(uuid.uuid4()),
        "eventID": str(uuid.uuid4()),
        "readOnly": True,
        "resources": [about.listed],
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": owner,
        "sharedEventID": str(uuid.uuid4()),
        "eventCategory": "Management",
    }
    names = tuple((found.type, found.name) for found in looked_up)
    if source is None:
        return (event(record, at, resources=names),)
    record["userIdentity"] = identities.of_caller(source, invoked_by=service)
    record["recipientAccountId"] = source.account_id
    own = event(record, at, username=identities.username(source), resources=names)
    if owner == source.account_id:
        return (own,)
    theirs = record | {
        "userIdentity": identities.of_stranger(source) | {"invokedBy": service},
        "eventID": str(uuid.uuid4()),
        "recipientAccountId": owner,
    }
    return own, event(theirs, at, resources=names)


def _asked(wanted: Wanted) -> dict[str, Any]:
    told: dict[str, Any] = {
        "roleArn": wanted.role_arn,
        "roleSessionName": wanted.session_name,
        "durationSeconds": wanted.duration_seconds,
    }
    if wanted.external_id:
        told["externalId"] = wanted.external_id
    if wanted.session_policy:
        told["policy"] = wanted.session_policy
    if wanted.tags:
        told["tags"] = [{"key": key, "value": value} for key, value in wanted.tags.items()]
    if wanted.transitive:
        told["transitiveTagKeys"] = list(wanted.transitive)
    return told


def _answered(session: Session) -> dict[str, Any]:
    packed = {"packedPolicySize": session.packed_percent} if session.packed_percent else {}
    return {
        "credentials": {
            "accessKeyId": session.access_key_id,
            "expiration": in_words(session.expiration),
        },
        "assumedRoleUser": {"assumedRoleId": session.assumed_role_id, "arn": session.arn},
        **packed,
    }
