"""
`python -m conformance.mutants.collecting`: every scenario with what it says of itself, as JSON.

Prints a list of objects, the fields of `proving.Marked`, on standard output; what pytest says
goes to standard error. The exit code is pytest's.
"""

import json
import sys
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path

import pytest

import conformance
from conformance.mutants.proving import Marked
from conformance.requirements import catalogue
from conformance.run.marked import scenario_of
from conformance.run.suite import suite_root


class Collector:
    """A plugin of pytest that only looks."""

    def __init__(self) -> None:
        self.marked: list[Marked] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            one = scenario_of(item, catalogue())
            if one is not None:
                self.marked.append(Marked(one.id, one.requirements, one.needs, one.gaps))


def main() -> int:
    collector, root = Collector(), suite_root()
    ini = Path(conformance.__file__).parent / "run" / "suite.ini"
    with redirect_stdout(sys.stderr):
        code = pytest.main(
            [
                *("--rootdir", str(root), "-c", str(ini), "-n", "0"),
                *("--collect-only", "-q", str(root / "scenarios")),
            ],
            plugins=[collector],
        )
    print(json.dumps([asdict(one) for one in collector.marked]))
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
