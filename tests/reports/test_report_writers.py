from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from conformance.events import read_events
from conformance.reports import Report, judge, point_latest, write_reports
from conformance.reports.as_html import as_html
from conformance.reports.as_json import as_json
from conformance.reports.as_junit import as_junit
from conformance.reports.as_text import as_text

if TYPE_CHECKING:
    from tests.reports.conftest import Story


@pytest.fixture
def report(failed: Story) -> Any:
    return judge(failed.tell())


class Page(HTMLParser):
    """What a browser would load, and the data in the page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loads: list[str | None] = []
        self.island = ""
        self._inside = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = (tag, dict(attrs).get("id")) == ("script", "data")
        self.loads += [value for name, value in attrs if name in {"src", "href"}]

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.island += data

    def handle_endtag(self, tag: str) -> None:
        del tag
        self._inside = False


def test_json_is_the_report(report: Report) -> None:
    assert Report.model_validate_json(as_json(report)) == report


def test_events_read_back_give_the_same_report(
    failed: Story, report: Report, tmp_path: Path
) -> None:
    lines = "".join(event.model_dump_json() + "\n" for event in failed.tell())
    (tmp_path / "events-main.ndjson").write_text(lines + '{"kind": "cut o')
    assert judge(sorted(failed.tell(), key=lambda e: e.at)) == judge(read_events(tmp_path))


def test_junit_counts_and_blames(report: Report) -> None:
    suite = ET.fromstring(as_junit(report))[0]  # noqa: S314 - our own output
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("4", "1", "0")
    (failure,) = suite.iter("failure")
    assert "reproduce: conformance run" in (failure.text or "")
    stages = [p.get("value") for p in suite.iter("property") if p.get("name") == "stage"]
    assert stages == ["iam"]


def test_junit_holds_no_character_that_xml_forbids(good: Story) -> None:
    good.scenario("test_odd", "a.one", verdict="error", message="bell \x07 \x1b[31m red")
    ET.fromstring(as_junit(judge(good.tell())))  # noqa: S314 - our own output


def test_junit_says_nothing_of_what_was_not_selected(story: Story) -> None:
    story.scenario("test_one", "a.one")
    story.collected["left_out"] = {"scenarios/test_x.py::test_other": ["a.two"]}
    assert "test_other" not in as_junit(judge(story.tell()))


def test_text_says_result_first_then_what_is_wrong(report: Report) -> None:
    lines = as_text(report).strip().splitlines()
    assert lines[0] == "FAILED  1 of 3 required promises is broken"
    assert lines[2] == "✗ scenarios/test_x.py::test_leak  at stage iam"
    assert any(re.match(r"✗ a\.two +title of a\.two +failed at iam", line) for line in lines)
    assert any(re.match(r"✓ b\.three .* passed \(extended\)", line) for line in lines)


def test_text_tells_the_same_failure_of_many_variants_once(good: Story) -> None:
    for variant in "abc":
        good.scenario(f"test_v[{variant}]", "a.two", verdict="failed", message="the same")
    text = as_text(judge(good.tell()))
    assert text.count("the same") == 1
    assert "test_v[a]  and 2 more of it" in text


def test_html_loads_nothing(report: Report) -> None:
    page = Page(as_html(report))
    assert page.loads == []
    assert "default-src 'none'" in as_html(report)


def test_html_shows_markup_in_messages_as_text(report: Report) -> None:
    html = as_html(report)
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html
    data = json.loads(Page(html).island)
    assert any("<script>alert(1)</script>" in str(row) for row in data["scenarios"])


def test_html_has_a_row_for_each_requirement_the_worst_first(report: Report) -> None:
    ids = re.findall(r'<details class="requirement" id="([^"]+)"', as_html(report))
    assert ids == ["a.two", "a.one", "b.three"]


def test_html_shows_evidence_of_passed_scenarios_too(report: Report) -> None:
    data = json.loads(Page(as_html(report)).island)
    passed = next(row for row in data["scenarios"] if row[1] == "test_one")
    assert data["evidence"][passed[8][0]][1]["stage"] == "iam"


def test_html_has_the_command_and_the_waits_of_passed_scenarios_too(good: Story) -> None:
    good.while_running("test_waits[a b]", "a.one", good.waited("propagated", used=1.5, bound=30))
    data = json.loads(Page(as_html(judge(good.tell()))).island)
    passed = next(row for row in data["scenarios"] if row[1] == "test_waits[a b]")
    assert data["commands"] == ["conformance run \0 --seed 7"]
    assert passed[5] == 0
    assert [data["waits"][n] for n in passed[10]] == [["propagated", 1.5, 30.0, 3, True]]


def test_html_of_ten_thousand_results_stays_under_2_mb(story: Story) -> None:
    for number in range(10_000):
        verdict = "failed" if number == 9_999 else "passed"
        name = f"test_association_configuration[{number}]"
        story.scenario(name, "a.one", verdict=verdict, evidence=1, answer=f"{number:x<1400}")
    html = as_html(judge(story.tell()))
    assert len(html.encode()) < 2_000_000
    assert "pieces of evidence are in report.json only" in html
    data = json.loads(Page(html).island)
    assert data["scenarios"][9_999][8], "the failure keeps its evidence"


def test_latest_points_to_the_last_run(report: Report, tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        write_reports(report, tmp_path / name)
        point_latest(tmp_path / name)
    assert (tmp_path / "latest").resolve() == tmp_path / "second"
    assert (tmp_path / "latest" / "junit.xml").is_file()


def test_folder_named_latest_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    (tmp_path / "run").mkdir()
    point_latest(tmp_path / "run")
    assert not (tmp_path / "latest").is_symlink()
