"""The report for machines; its schema is `Report`'s."""

from conformance.reports.model import Report


def as_json(report: Report) -> str:
    """The whole report as JSON."""
    return report.model_dump_json(indent=1) + "\n"
