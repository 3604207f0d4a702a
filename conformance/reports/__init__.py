"""
Events in; terminal, JSON, JUnit and HTML out.

`judge` turns events into a `Report`, the writers turn a `Report` into text. All of
them are pure functions, so a report can be made again from its events at any time,
and no writer decides anything.
"""

from conformance.reports.folder import WRITERS, point_latest, write_reports
from conformance.reports.judge import judge
from conformance.reports.model import (
    Report,
    RequirementResult,
    RequirementVerdict,
    Result,
    ScenarioResult,
)

__all__ = [
    "WRITERS",
    "Report",
    "RequirementResult",
    "RequirementVerdict",
    "Result",
    "ScenarioResult",
    "judge",
    "point_latest",
    "write_reports",
]
