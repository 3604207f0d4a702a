"""
Sessions of roles: asked for, judged by both sides' policies, minted.

Three ways lead here and none goes around a policy: an AWS service through the role's
trust (`pods.eks.amazonaws.com` for Pod Identity), a role's session through
chaining, and anyone through STS AssumeRole (`corrections.sts`). The keys are
random and are kept where ministack looks them up, so that S3 and the others know
the session.
"""

import heapq
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ministack.services import sts

from conformance.emulator import session_rules
from conformance.emulator.decisions import (
    ResourcePolicy,
    Verdict,
    asked,
    decide,
    decide_for_service,
    refusal,
)
from conformance.emulator.organizations import organization
from conformance.emulator.principals import Principal, role
from conformance.emulator.records import DecidedBy, SessionMinted, fingerprint
from conformance.emulator.request_keys import OF_NO_SERVICE
from conformance.emulator.service import Session, TrustRefused
from conformance.emulator.session_rules import Wanted
from conformance.faults import STS_SKIPS_TRUST_POLICY

KEY_MARK = "EMULATED"
"""In every access key id that we make, so that nobody takes one for a real key."""
EXPIRED_KNOWN_SECONDS = 3600.0
"""For so long an expired session is answered ExpiredToken; then its key is unknown."""
_KEY_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

Judged = Callable[[Principal, str, str, Verdict], None]
"""Told each decision: who, action, resource, verdict."""


def access_key_id(kind: str) -> str:
    """20 characters like AWS's: `AKIA` for a user's or root's key, `ASIA` for a session's."""
    return kind + KEY_MARK + "".join(secrets.choice(_KEY_ALPHABET) for _ in range(8))


def secret_access_key() -> str:
    return secrets.token_urlsafe(30)


class Mint:
    """Mints sessions; `judged` and `minted` are told what was decided and made."""

    def __init__(
        self,
        *,
        region: str,
        faults: Any,
        judged: Judged,
        minted: Callable[[SessionMinted], None],
    ) -> None:
        self._region = region
        self._faults = faults
        self._judged = judged
        self._minted = minted
        self._ends: list[tuple[float, str]] = []
        """When each session ends, soonest first."""

    def root(self, account_id: str) -> tuple[str, str]:
        """
        A key pair of an account's root, checked like any other.

        ministack takes any 12 digits, `test` and nothing at all for root, unsigned.
        """
        key, secret = access_key_id("AKIA"), secret_access_key()
        self._register(
            key,
            {
                "Arn": f"arn:aws:iam::{account_id}:root",
                "UserId": account_id,
                "AccountId": account_id,
                "PrincipalType": "Root",
                "SecretAccessKey": secret,
                "SessionToken": None,
            },
        )
        return key, secret

    def for_service(
        self,
        wanted: Wanted,
        *,
        service: str,
        source_arn: str | None = None,
        source_account: str | None = None,
    ) -> Session:
        """A session that an AWS service asks for; see `World.assume_role_for_service`."""
        session_rules.check(wanted)
        found = self._role(wanted.role_arn)
        keys = _request_keys(wanted) | {
            "aws:principalisawsservice": "true",
            "aws:principalservicename": service,
            "aws:sourcearn": source_arn,
            "aws:sourceaccount": source_account,
            # Source: EKS best practices, IAM: EKS passes a value for aws:SourceOrgId.
            "aws:sourceorgid": organization(source_account) if source_account else None,
            # A service has no principal ARN, account or tags.
            "aws:principalarn": None,
            "aws:principalaccount": None,
            **OF_NO_SERVICE,
        }
        who = Principal(arn=service, account="", type="AssumedRole")
        for action in _actions(wanted):
            question = asked(who, action, wanted.role_arn, self._region, keys)
            verdict = decide_for_service(service, question, found["AssumeRolePolicyDocument"])
            self._settle(who, action, wanted.role_arn, verdict)
        return self._mint(wanted, found, dict(wanted.tags), wanted.transitive, source=service)

    def for_caller(
        self, wanted: Wanted, who: Principal, *, shortest: int = session_rules.SHORTEST
    ) -> Session:
        """
        A session that `who` asks for, as STS AssumeRole does it.

        `shortest` in seconds is STS's, except where EKS Auth chains in an environment
        whose credentials live for seconds. Raises `TrustRefused` and `InvalidSession`.
        """
        session_rules.check(wanted)
        source = sts._sessions.get(who.access_key_id) or {}
        source_tags = {tag["Key"]: tag["Value"] for tag in source.get("SessionTags") or []}
        transitive = tuple(source.get("TransitiveTagKeys") or ())
        found = self._role(wanted.role_arn, who)
        # Tags that come along are the request's as well: both sides must allow sts:TagSession,
        # and aws:RequestTag sees them (eks-pod-identity-agent#80; EKS user guide,
        # pod-id-assign-target-role).
        coming = {key: source_tags[key] for key in transitive if key in source_tags}
        tagged = replace(wanted, tags={**coming, **wanted.tags})
        keys = _request_keys(tagged)
        trust = ResourcePolicy(
            found["AssumeRolePolicyDocument"],
            wanted.role_arn.split(":")[4],
            required=True,
            kind=DecidedBy.TRUST,
        )
        for action in _actions(tagged):
            question = asked(who, action, wanted.role_arn, self._region, keys)
            self._settle(who, action, wanted.role_arn, decide(who, question, trust))
        session_rules.check_duration(
            wanted.duration_seconds,
            role_allows=int(found.get("MaxSessionDuration") or 3600),
            chained=who.type == "AssumedRole",
            shortest=shortest,
        )
        tags = session_rules.inherited(wanted, source_tags, transitive) | dict(wanted.tags)
        session_rules.check_packed(wanted, tags)
        carried = tuple(dict.fromkeys((*transitive, *wanted.transitive)))
        return self._mint(
            wanted,
            found,
            tags,
            carried,
            source=who.arn,
            source_identity=wanted.source_identity or source.get("SourceIdentity"),
        )

    def asked_by(self, access_key_id: str) -> str:
        """Who a session was made for: a service, or the ARN of a caller."""
        return str((sts._sessions.get(access_key_id) or {}).get("Source", ""))

    def _role(self, role_arn: str, who: Principal | None = None) -> dict[str, Any]:
        """AWS does not tell a role that is not there from one that refuses."""
        found = role(role_arn)
        if found is None:
            verdict = Verdict(False, DecidedBy.TRUST)
            arn = who.arn if who else ""
            raise TrustRefused(role_arn, refusal(verdict, arn, "sts:AssumeRole", role_arn))
        return found

    def _settle(self, who: Principal, action: str, role_arn: str, verdict: Verdict) -> None:
        if not verdict.allowed and STS_SKIPS_TRUST_POLICY in self._faults:
            verdict = Verdict(True, DecidedBy.NONE)
        self._judged(who, action, role_arn, verdict)
        if not verdict.allowed:
            raise TrustRefused(role_arn, refusal(verdict, who.arn, action, role_arn))

    def _mint(
        self,
        wanted: Wanted,
        found: Mapping[str, Any],
        tags: dict[str, str],
        transitive: tuple[str, ...],
        *,
        source: str,
        source_identity: str | None = None,
    ) -> Session:
        partition, account = wanted.role_arn.split(":")[1], wanted.role_arn.split(":")[4]
        resource = f"assumed-role/{found['RoleName']}/{wanted.session_name}"
        # AWS answers with whole seconds; the session must not end before it says.
        expires = int(time.time()) + wanted.duration_seconds
        session = Session(
            access_key_id=access_key_id("ASIA"),
            secret_access_key=secret_access_key(),
            session_token="IQoJ" + KEY_MARK + secrets.token_urlsafe(240),
            expiration=datetime.fromtimestamp(expires, UTC),
            arn=f"arn:{partition}:sts::{account}:{resource}",
            assumed_role_id=f"{found['RoleId']}:{wanted.session_name}",
            role_arn=wanted.role_arn,
            packed_percent=session_rules.packed_percent(wanted, tags),
        )
        limited = bool(wanted.session_policy or wanted.policy_arns)
        self._register(
            session.access_key_id,
            {
                "Arn": session.arn,
                "UserId": session.assumed_role_id,
                "SecretAccessKey": session.secret_access_key,
                "SessionToken": session.session_token,
                "Expiration": float(expires),
                "AccountId": account,
                "PrincipalType": "AssumedRole",
                # Who asked for it; ours, ministack does not look at it.
                "Source": source,
                "SessionTags": [{"Key": key, "Value": value} for key, value in tags.items()],
                "TransitiveTagKeys": list(transitive),
                "SourceIdentity": source_identity,
                "SessionPolicies": {
                    "Policy": wanted.session_policy,
                    "PolicyArns": list(wanted.policy_arns),
                }
                if limited
                else None,
            },
        )
        self._minted(
            SessionMinted(
                role_arn=wanted.role_arn,
                session_name=wanted.session_name,
                source=source,
                tags=tuple(tags.items()),
                transitive=transitive,
                duration_seconds=wanted.duration_seconds,
                access_key_fingerprint=fingerprint(session.access_key_id),
            )
        )
        return session

    def _register(self, key: str, session: dict[str, Any]) -> None:
        """
        As ministack's `register_session` does it, without a look at every session there is.

        That look, at each of thousands of calls, was half the time of EKS Auth. A session
        that has ended is kept for a while: AWS tells an expired key from an unknown one.
        """
        now = time.time()
        while self._ends and self._ends[0][0] + EXPIRED_KNOWN_SECONDS < now:
            sts._sessions.pop(heapq.heappop(self._ends)[1], None)
        if "Expiration" in session:
            heapq.heappush(self._ends, (session["Expiration"], key))
        sts._sessions[key] = {**session, "IssuedAt": now}


def _actions(wanted: Wanted) -> tuple[str, ...]:
    """Tags need a permission of their own, on both sides (gap 9)."""
    optional = (("sts:TagSession", wanted.tags), ("sts:SetSourceIdentity", wanted.source_identity))
    return ("sts:AssumeRole", *(action for action, given in optional if given))


def _request_keys(wanted: Wanted) -> dict[str, Any]:
    """Condition keys of the request, by lower-case name; absent ones are None."""
    keys: dict[str, Any] = {
        "sts:externalid": wanted.external_id,
        "sts:rolesessionname": wanted.session_name,
        "sts:sourceidentity": wanted.source_identity,
        "sts:transitivetagkeys": list(wanted.transitive) or None,
        "aws:tagkeys": list(wanted.tags) or None,
    }
    return keys | {f"aws:requesttag/{key}".lower(): value for key, value in wanted.tags.items()}
