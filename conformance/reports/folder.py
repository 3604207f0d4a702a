"""
The folder of a run: its events, and every report that is made of them.

A report is written beside its place and then moved, so a reader never sees half of
one; `latest` is a relative link, so the folder may be moved or served.
"""

import secrets
from collections.abc import Callable, Iterable
from pathlib import Path

from conformance.reports.as_html import as_html
from conformance.reports.as_json import as_json
from conformance.reports.as_junit import as_junit
from conformance.reports.as_text import as_text
from conformance.reports.model import Report

WRITERS: dict[str, tuple[str, Callable[[Report], str]]] = {
    "json": ("report.json", as_json),
    "junit": ("junit.xml", as_junit),
    "html": ("report.html", as_html),
    "text": ("report.txt", as_text),
}
"""Format to file name and writer."""


def write_reports(
    report: Report, folder: Path, formats: Iterable[str] = ("json", "junit", "html")
) -> list[Path]:
    """Write the formats into the folder; returns the files."""
    paths = []
    for name in formats:
        file, writer = WRITERS[name]
        path = folder / file
        beside = folder / f".{file}.{secrets.token_hex(4)}"
        beside.write_text(writer(report), encoding="utf-8")
        beside.replace(path)
        paths.append(path)
    return paths


def point_latest(folder: Path) -> None:
    """Make `latest`, beside the folder, a link to it."""
    link = folder.parent / f".latest.{secrets.token_hex(4)}"
    link.symlink_to(folder.name, target_is_directory=True)
    latest = folder.parent / "latest"
    if latest.is_dir() and not latest.is_symlink():
        link.unlink()  # Somebody's own folder of that name; it is not ours to replace.
        return
    link.replace(latest)
