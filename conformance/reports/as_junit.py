"""
The report for whatever reads JUnit.

One test case for a scenario that the run was about; what was not selected is left
out (EKS's own conformance submission is 94 % "skipped" entries). A known divergence
is a skip, because JUnit has no word for it; its reason says what it is.
"""

import re
from xml.etree import ElementTree as ET

from conformance.events import Verdict
from conformance.reports.model import Report, ScenarioResult

# XML 1.0 allows no control characters, escaped or not (section 2.2).
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_junit(report: Report) -> str:
    """JUnit XML with requirements, target and versions as properties."""
    root = ET.Element("testsuites", name="EKS Pod Identity conformance")
    counted = [scenario.verdict for scenario in report.scenarios]
    suite = ET.SubElement(
        root,
        "testsuite",
        name=f"conformance on {report.target}",
        timestamp=report.started_at.isoformat(timespec="seconds"),
        time=f"{report.seconds:.3f}",
        tests=str(len(counted) + len(report.trouble)),
        failures=str(counted.count(Verdict.FAILED)),
        errors=str(counted.count(Verdict.ERROR) + counted.count(None) + len(report.trouble)),
        skipped=str(counted.count(Verdict.SKIPPED) + counted.count(Verdict.DIVERGENT)),
    )
    properties = ET.SubElement(suite, "properties")
    about = {
        "result": report.result,
        "headline": report.headline,
        "run": report.run,
        "suite": report.suite_version,
        "target": report.target,
        "stack": report.stack,
        "seed": str(report.seed),
        **{f"part:{name}": version for name, version in report.parts.items()},
    }
    for name, value in about.items():
        ET.SubElement(properties, "property", name=_xml(name), value=_xml(value))
    for scenario in report.scenarios:
        _case(suite, scenario)
    for trouble in report.trouble:
        case = ET.SubElement(suite, "testcase", classname="conformance", name=_xml(trouble.where))
        _outcome(case, "error", trouble.message)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ET.Element, scenario: ScenarioResult) -> None:
    file, _, name = scenario.id.partition("::")
    case = ET.SubElement(
        suite,
        "testcase",
        classname=_xml(file.removesuffix(".py").replace("/", ".")),
        name=_xml(name),
        file=_xml(file),
        time=f"{scenario.seconds:.3f}",
    )
    properties = ET.SubElement(case, "properties")
    for requirement in scenario.requirements:
        ET.SubElement(properties, "property", name="proves", value=_xml(requirement))
    if scenario.stage:
        ET.SubElement(properties, "property", name="stage", value=_xml(scenario.stage))
    if scenario.verdict is Verdict.FAILED:
        _outcome(case, "failure", f"{scenario.message}\nreproduce: {scenario.reproduce}")
    elif scenario.verdict is Verdict.ERROR:
        _outcome(case, "error", f"{scenario.message}\nreproduce: {scenario.reproduce}")
    elif scenario.verdict is None:
        _outcome(case, "error", "the scenario never finished")
    elif scenario.verdict is not Verdict.PASSED:
        _outcome(case, "skipped", scenario.message)


def _outcome(case: ET.Element, tag: str, message: str) -> None:
    text = _xml(message)
    ET.SubElement(case, tag, message=text.partition("\n")[0]).text = text


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
