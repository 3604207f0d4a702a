"""
What a pod saw that called all the while: a series of moments, and assertions about it.

One call before an event and one after it say nothing about what happened in between. So a
pod under load tells every call with the moment it was made, and a scenario asks about
stretches of time. The trap is an empty stretch, in which every assertion holds: each one
wants at least one call.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NoReturn, TypeVar, overload

from conformance.errors import HarnessError
from conformance.probes.blame import Outcome
from conformance.probes.evidence import Evidence, PromiseBroken, as_evidence
from conformance.stages import Stage

T = TypeVar("T")


@dataclass(frozen=True)
class Sample:
    """One call of a load."""

    began: datetime
    """By the pod's clock."""
    evidence: Evidence

    @property
    def ended(self) -> datetime:
        return self.began + timedelta(milliseconds=self.evidence.latency_ms)


class Samples(Sequence[Sample]):
    """Calls of one name in one pod, oldest first; `looked` is told what an assertion looks at."""

    def __init__(
        self, call: str, samples: Sequence[Sample], looked: Callable[[Evidence], None]
    ) -> None:
        self.call = call
        self._samples = tuple(samples)
        self._looked = looked

    @overload
    def __getitem__(self, index: int) -> Sample: ...

    @overload
    def __getitem__(self, index: slice) -> "Samples": ...

    def __getitem__(self, index: int | slice) -> "Sample | Samples":
        if isinstance(index, slice):
            return Samples(self.call, self._samples[index], self._looked)
        self._some()
        return self._samples[index]

    def __iter__(self) -> Iterator[Sample]:
        return iter(self._samples)

    def __len__(self) -> int:
        return len(self._samples)

    def __repr__(self) -> str:
        return f"<{len(self)} calls {self.call!r}>"

    # --- stretches of time

    def before(self, moment: datetime) -> "Samples":
        """Those that were answered by then."""
        return self._those(lambda sample: sample.ended <= moment)

    def after(self, moment: datetime) -> "Samples":
        """Those that were made since then."""
        return self._those(lambda sample: sample.began >= moment)

    def _those(self, wanted: Callable[[Sample], bool]) -> "Samples":
        return Samples(self.call, [one for one in self._samples if wanted(one)], self._looked)

    @property
    def refused(self) -> "Samples":
        """Those that were not granted."""
        return self._those(lambda sample: sample.evidence.outcome is not Outcome.GRANTED)

    # --- what was seen, without what was seen just before

    @property
    def access_keys(self) -> list[str]:
        """Fingerprints of the credentials that were used."""
        return self._in_turn(lambda evidence: evidence.access_key)

    @property
    def tokens(self) -> list[str]:
        """Fingerprints of the tokens that were presented."""
        return self._in_turn(lambda evidence: evidence.token.fingerprint if evidence.token else "")

    @property
    def sessions(self) -> list[str]:
        """ARNs of the sessions, of calls that ask who they are."""
        return self._in_turn(lambda evidence: evidence.identity.arn if evidence.identity else "")

    def _in_turn(self, told: Callable[[Evidence], str]) -> list[str]:
        seen: list[str] = []
        for value in filter(None, (told(sample.evidence) for sample in self._samples)):
            if value not in seen[-1:]:
                seen.append(value)
        return seen

    # --- assertions

    def granted(self) -> "Samples":
        """
        Holds when every call was answered.

        As with one piece of evidence, a part that was away is trouble of ours (`HarnessError`).
        """
        self._look()
        for sample in self._some():
            sample.evidence.granted()
        return self

    def unbroken(self) -> "Samples":
        """
        Holds when every call was answered, and nobody may have been away.

        For what a scenario itself has broken: that the pod notices is the broken promise.
        """
        self._look()
        for sample in self._some().refused:
            self._broken("every call answered", sample)
        return self

    def denied(self, stage: Stage, code: str) -> "Samples":
        """Holds when every call was refused by this stage with this code."""
        self._look()
        for sample in self._some():
            sample.evidence.denied(stage, code)
        return self

    def away(self, stage: Stage, code: str) -> "Samples":
        """Holds when every call found this stage away, and nothing was answered from memory."""
        self._look()
        for sample in self._some():
            sample.evidence.unanswered(stage, code)
        return self

    def _broken(self, promised: str, sample: Sample) -> NoReturn:
        evidence = sample.evidence
        at = (sample.began - self._samples[0].began).total_seconds()
        raise PromiseBroken(
            f"call {self.call!r} ({evidence.operation}), {at:.2f} s after the first of {len(self)}"
            f"\n  promised: {promised}\n  saw: {evidence.outcome} at {evidence.stage}: "
            f"{evidence.code} (HTTP {evidence.status}): {evidence.message}",
            evidence.stage,
        )

    def _some(self) -> "Samples":
        if not self._samples:
            raise HarnessError(
                f"call {self.call!r}: none was made in the stretch of time that is looked at",
                try_="a pod that is busy: fewer calls at once, or a longer stretch",
            )
        return self

    def _look(self) -> None:
        """Put into the report what differs from the call before: the rest says the same."""
        before: tuple[object, ...] = ()
        for evidence in (sample.evidence for sample in self._samples):
            told = (evidence.outcome, evidence.code, evidence.access_key)
            if told != before:
                self._looked(evidence)
            before = told


def read_samples(log: str) -> dict[str, list[Sample]]:
    """
    The samples in a pod's log so far, by call; a line that is being written is left out.

    Raises `HarnessError` for a line that cannot be read.
    """
    found: dict[str, list[Sample]] = {}
    for line in _lines(log):
        try:
            told = json.loads(line)
            began = datetime.fromtimestamp(told.pop("sample"), UTC)
            sample = Sample(began, as_evidence(told))
        except (ValueError, TypeError, LookupError) as error:
            raise HarnessError(
                "a sample in a probe pod's log cannot be read",
                saw=f"{type(error).__name__}: {str(error)[:300]}",
                try_="a probe image that is made of this version of the suite",
            ) from error
        found.setdefault(sample.evidence.call, []).append(sample)
    return found


def _lines(log: str) -> Iterator[str]:
    whole, _, _ = log.rpartition("\n")
    return (line for line in whole.split("\n") if line.startswith('{"sample":'))
