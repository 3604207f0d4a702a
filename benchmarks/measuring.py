"""
A number, how often it was taken, and what was promised.

Medians are printed beside their bounds, and the whole range, because a single
time on a shared machine says little.
"""

import math
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal


@dataclass
class Number:
    """One promised number; `bound` in the same unit as the samples, infinite for a comparison."""

    name: str
    bound: float
    unit: str = "s"
    samples: list[float] = field(default_factory=list)
    good: Literal["below", "at least"] = "below"
    """On which side of the bound the median has to be: times below, rates at least."""

    @contextmanager
    def timed(self) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.samples.append(time.perf_counter() - began)

    @contextmanager
    def counted(self, count: int) -> Iterator[None]:
        """A rate: so many in the time that the block takes."""
        began = time.perf_counter()
        yield
        self.samples.append(count / (time.perf_counter() - began))

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def promise(self) -> str:
        if math.isinf(self.bound):
            return ""
        sign = "<" if self.good == "below" else ">="
        return f"{sign} {self.bound:g} {self.unit}"

    @property
    def holds(self) -> bool:
        return self.median < self.bound if self.good == "below" else self.median >= self.bound


def rate(name: str, bound: float) -> Number:
    """How many in a second, at least."""
    return Number(name, bound, "/s", good="at least")
