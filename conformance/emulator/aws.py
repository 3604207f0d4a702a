"""
AWS in this process: what `service.World` promises, over corrected ministack.

Holds what belongs to the whole process: settings, faults, records, the hooks of
services that come and go with clusters. Decisions are made in `decisions`, sessions
in `sessions`; this class only brings them together and writes them down.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from conformance.emulator.audit import Trail
from conformance.emulator.authentication import Incoming, verify
from conformance.emulator.behaviour import Behaviour
from conformance.emulator.cloudtrail.assumptions import assumed
from conformance.emulator.decisions import ResourcePolicy, Verdict, asked, decide, decision
from conformance.emulator.hearers import WITHIN, Hearers
from conformance.emulator.principals import Principal, principal, role, unique_id
from conformance.emulator.records import IamDecision, Records, fingerprint
from conformance.emulator.service import Caller, Decision, Session, Settings
from conformance.emulator.session_rules import Wanted
from conformance.emulator.sessions import Mint
from conformance.faults import ActiveFaults

T = TypeVar("T")
Serve = Callable[[socket.socket], Awaitable[Callable[[], Awaitable[None]]]]
logger = logging.getLogger(__name__)


class Aws:
    """Implements `service.World`; see there for what each method promises."""

    def __init__(
        self,
        settings: Settings,
        faults: ActiveFaults | None = None,
        behaviour: Behaviour | None = None,
    ) -> None:
        self.settings = settings
        self.behaviour = behaviour or Behaviour()
        self.faults = faults or ActiveFaults()
        self.records = Records()
        self.trail = Trail()
        self.mint = Mint(
            region=settings.region,
            faults=self.faults,
            judged=self.judged,
            minted=self.records.sessions.append,
        )
        self.serve: Serve | None = None
        """How to serve a listening socket; set by whoever has a server."""
        self._states: dict[Callable[[], Any], Any] = {}
        self._hear_faults: Hearers[list[str]] = Hearers()
        self._hear_behaviour: Hearers[Behaviour] = Hearers()
        self._health: dict[str, Callable[[], Awaitable[str]]] = {}
        self._stops: list[Callable[[], Awaitable[None]]] = []

    def state(self, kind: Callable[[], T]) -> T:
        if kind not in self._states:
            self._states[kind] = kind()
        found: T = self._states[kind]
        return found

    def judge(
        self,
        who: Principal,
        action: str,
        resource: str,
        *,
        context: Mapping[str, Any] | None = None,
        policy: ResourcePolicy | None = None,
        region: str | None = None,
    ) -> Verdict:
        """Decide and record."""
        question = asked(who, action, resource, region or self.settings.region, context)
        verdict = decide(who, question, policy)
        self.judged(who, action, resource, verdict)
        return verdict

    def judged(self, who: Principal, action: str, resource: str, verdict: Verdict) -> None:
        """Record a decision."""
        told = decision(verdict, who.arn, action, resource)
        by = verdict.statement
        self.records.decisions.append(
            IamDecision(
                principal_arn=who.arn,
                action=action,
                resource=resource,
                allowed=verdict.allowed,
                decided_by=verdict.decided_by,
                reason=told.message,
                policy=by.policy if by else "",
                sid=by.sid if by else "",
                access_key_fingerprint=fingerprint(who.access_key_id) if who.access_key_id else "",
                unsupported=verdict.unsupported,
            )
        )
        if verdict.unsupported:
            logger.warning("unsupported in a policy about %s: %s", action, verdict.unsupported)

    def authorize(
        self,
        caller: Caller,
        action: str,
        resource_arn: str,
        context: Mapping[str, str | list[str]] | None = None,
    ) -> Decision:
        verdict = self.judge(principal(caller), action, resource_arn, context=context)
        return decision(verdict, caller.arn, action, resource_arn)

    def assume_role_for_service(
        self,
        role_arn: str,
        *,
        service: str,
        session_name: str,
        tags: Mapping[str, str] | None = None,
        transitive: tuple[str, ...] = (),
        duration_seconds: int,
        source_arn: str | None = None,
        source_account: str | None = None,
        session_policy: str | None = None,
    ) -> Session:
        wanted = Wanted(
            role_arn=role_arn,
            session_name=session_name,
            duration_seconds=duration_seconds,
            tags=tags or {},
            transitive=transitive,
            session_policy=session_policy,
        )
        session = self.mint.for_service(
            wanted, service=service, source_arn=source_arn, source_account=source_account
        )
        self.trail.add(*assumed(session, wanted, service, self.settings.region))
        return session

    def assume_role(
        self,
        source: Session,
        role_arn: str,
        *,
        session_name: str,
        tags: Mapping[str, str] | None = None,
        transitive: tuple[str, ...] = (),
        duration_seconds: int = 3600,
        external_id: str | None = None,
        session_policy: str | None = None,
    ) -> Session:
        wanted = Wanted(
            role_arn=role_arn,
            session_name=session_name,
            duration_seconds=duration_seconds,
            tags=tags or {},
            transitive=transitive,
            external_id=external_id,
            session_policy=session_policy,
        )
        caller = Caller(
            account_id=source.arn.split(":")[4],
            arn=source.arn,
            user_id=source.assumed_role_id,
            principal_type="AssumedRole",
            access_key_id=source.access_key_id,
        )
        session = self.mint.for_caller(wanted, principal(caller), shortest=1)
        service = self.mint.asked_by(source.access_key_id)
        self.trail.add(*assumed(session, wanted, service, self.settings.region, caller))
        return session

    def role_exists(self, role_arn: str) -> bool:
        return role(role_arn) is not None

    def unique_id(self, principal_arn: str) -> str | None:
        return unique_id(principal_arn)

    def principal_arn(self, caller: Caller) -> str:
        return principal(caller).condition_arn

    def caller_identity(self, url: str, headers: Mapping[str, str]) -> Caller:
        parts = urlsplit(url)
        incoming = Incoming(
            method="GET",
            raw_path=parts.path,
            query=parse_qs(parts.query, keep_blank_values=True),
            headers={**headers, "host": parts.netloc},
            body=b"",
        )
        return verify(incoming).caller

    async def listen(self, listening: socket.socket) -> Callable[[], Awaitable[None]]:
        if self.serve is None:
            raise RuntimeError("nothing serves sockets here")
        return await self.serve(listening)

    def on_faults(
        self, part: str, hear: Callable[[list[str]], Awaitable[None]]
    ) -> Callable[[], None]:
        return self._hear_faults.add(part, hear)

    async def set_faults(self, names: list[str]) -> dict[str, str]:
        """
        Clusters know before this returns, but for those returned, each with why not.

        Raises `UsageError` for an unknown name.
        """
        self.faults.set(names)
        return await self._hear_faults.tell(self.faults.names)

    def on_behaviour(
        self, part: str, hear: Callable[[Behaviour], Awaitable[None]]
    ) -> Callable[[], None]:
        return self._hear_behaviour.add(part, hear)

    async def set_behaviour(self, changes: Mapping[str, Any]) -> dict[str, str]:
        """Returns like `set_faults`; raises `UsageError` for a setting that cannot be."""
        self.behaviour = self.behaviour.changed(changes)
        return await self._hear_behaviour.tell(self.behaviour)

    def on_health(self, part: str, ask: Callable[[], Awaitable[str]]) -> Callable[[], None]:
        self._health[part] = ask

        def forget() -> None:
            self._health.pop(part, None)

        return forget

    async def health(self) -> dict[str, str]:
        """Each part with `ok` or what is wrong with it; asked all at once."""
        asked = dict(self._health)
        said = await asyncio.gather(*(_said(ask) for ask in asked.values()))
        return dict(zip(asked, said, strict=True))

    def on_stop(self, stop: Callable[[], Awaitable[None]]) -> None:
        self._stops.append(stop)

    async def stop(self, within: float = 2.0) -> None:
        """Stop what services started, last first; what takes longer is left to its lifeline."""
        try:
            async with asyncio.timeout(within):
                while self._stops:
                    try:
                        await self._stops.pop()()
                    except Exception:
                        logger.exception("a part of the environment did not stop cleanly")
        except TimeoutError:
            logger.warning("parts of the environment still stop after %s s", within)


async def _said(ask: Callable[[], Awaitable[str]]) -> str:
    try:
        async with asyncio.timeout(WITHIN):
            return await ask()
    except TimeoutError:
        return f"no answer within {WITHIN:g} s"
    except Exception as error:  # noqa: BLE001 -- a part that cannot answer is unhealthy
        return f"{type(error).__name__}: {error}"
