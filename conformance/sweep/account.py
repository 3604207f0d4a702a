"""
One account: what is there, and taking away what runs may have made.

AWS catches up slowly: a list shows what has gone, a role cannot be deleted because of
an attachment that was just removed, a queue lingers for a minute. So nothing is believed
once. It is looked, taken away in the order of dependence, and looked again, until twice
in a row nothing is left or time is up; then what is left is said with AWS's last words.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from conformance.environment import Aws
from conformance.sweep.calls import REFUSED, clients_of, code_of
from conformance.sweep.finds import ONLY_TAGGED, Claim, Found
from conformance.sweep.kinds import KINDS, Kind

AT_ONCE: Final = 8
"""Calls under way; IAM answers about 20 a second before it throttles."""

WITHIN_SECONDS: Final = 300.0
"""A queue takes one minute to go, a table some; nothing but clusters takes longer."""
WITHIN_SECONDS_CLUSTERS: Final = 1800.0

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0
_LOOKS_TO_BELIEVE: Final = 2

_BY_NAME: Final = {kind.name: kind for kind in KINDS}


@dataclass
class Look:
    """One look at an account."""

    found: list[Found] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    """Single things that may not be looked at; AWS's own words."""
    blind: list[str] = field(default_factory=list)
    """Whole kinds that could not be listed: nothing can be said about them."""


@dataclass
class Outcome:
    """What became of one claim."""

    gone: int = 0
    """How many things were taken away, counted as Terraform counts."""
    removed: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    """Thing to why it is still there."""

    def add(self, other: "Outcome") -> None:
        self.gone += other.gone
        self.removed += other.removed
        self.left |= other.left


class Account:
    """Raises nothing of AWS's: what cannot be seen or done is in the answers."""

    def __init__(self, aws: Aws, profile: str | None = None) -> None:
        self.aws = aws
        self.clients = clients_of(aws, profile)

    def look(self) -> Look:
        """Everything of every kind, ours or not."""
        look = Look()
        with ThreadPoolExecutor(AT_ONCE) as pool:

            def each(ask: Callable[[Any], Found | None], things: Iterable[Any]) -> Iterator[Found]:
                def one(thing: Any) -> Found | None:
                    try:
                        return ask(thing)
                    except ClientError as error:
                        if code_of(error) not in REFUSED:
                            raise
                        look.unseen.append(str(error))
                        return None

                yield from (found for found in pool.map(one, things) if found is not None)

            for kind in KINDS:
                try:
                    look.found += kind.find(self.clients, each)
                except (ClientError, BotoCoreError) as error:
                    look.blind.append(f"{kind.name}: {error}")
        return look

    def clear(
        self, claims: Sequence[Claim], *, within: float | None = None
    ) -> tuple[dict[str, Outcome], Look]:
        """
        Take away what the claims cover; per run what went and what is left, and the last look.

        `within` seconds (default: as long as AWS may take).
        """
        outcomes = {claim.run: Outcome() for claim in claims}
        began, pause, nothing = time.monotonic(), _FIRST_PAUSE, 0
        tick = threading.Event()
        while True:
            look = self.look()
            ours = [
                (claim.run, found)
                for found in look.found
                for claim in claims
                if claim.covers(found)
            ]
            nothing = 0 if ours else nothing + 1
            reasons = {run: outcome.left for run, outcome in outcomes.items()}
            for run, outcome in outcomes.items():
                names = [str(found) for of, found in ours if of == run]
                outcome.left = {n: reasons[run].get(n, "it is still listed") for n in names}
            used = time.monotonic() - began
            done = nothing == _LOOKS_TO_BELIEVE or used > _bound(within, ours)
            if done or (ours and not self._take_away(ours, outcomes)):
                for claim in claims:
                    outcomes[claim.run].left |= spared(claim, look.found)
                return outcomes, look
            # Waits for AWS to catch up with itself.
            tick.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _take_away(self, ours: Sequence[tuple[str, Found]], outcomes: dict[str, Outcome]) -> bool:
        """One try of everything, wave after wave; False when another can change nothing."""
        hope = False
        for wave in sorted({_BY_NAME[found.kind].wave for _, found in ours}):
            some = [(run, found) for run, found in ours if _BY_NAME[found.kind].wave == wave]
            with ThreadPoolExecutor(AT_ONCE) as pool:
                answers = pool.map(lambda pair: self._remove(_BY_NAME[pair[1].kind], pair[1]), some)
            for (run, found), (gone, why_not, again) in zip(some, answers, strict=True):
                outcome = outcomes[run]
                outcome.gone += gone
                if why_not:
                    outcome.left[str(found)] = why_not
                elif str(found) not in outcome.removed:
                    outcome.removed.append(str(found))
                hope = hope or again
        return hope

    def _remove(self, kind: Kind, found: Found) -> tuple[int, str, bool]:
        """(how much went, why not all of it, whether another try may help)."""
        try:
            return kind.remove(self.clients, found), "", True
        except ClientError as error:
            return 0, str(error), code_of(error) not in REFUSED
        except BotoCoreError as error:
            return 0, str(error), True


def spared(claim: Claim, things: Iterable[Found]) -> dict[str, str]:
    """What bears the run's tag and is not taken away for that, with the reason."""
    return {str(found): ONLY_TAGGED for found in things if claim.spares(found)}


def accounts_of(aws: Aws) -> list[Account]:
    """The account, and the second one that worlds may have made things in."""
    accounts = [Account(aws)]
    if (other := aws.other) is not None:
        keys = {"access_key_id": other.access_key_id, "secret_access_key": other.secret_access_key}
        second = aws.model_copy(update={"account_id": other.account_id, "other": None, **keys})
        accounts.append(Account(second, None if aws.endpoint else other.profile))
    return accounts


def _bound(within: float | None, ours: Sequence[tuple[str, Found]]) -> float:
    if within is not None:
        return within
    slow = any(found.kind in ("cluster", "node group") for _, found in ours)
    return WITHIN_SECONDS_CLUSTERS if slow else WITHIN_SECONDS
