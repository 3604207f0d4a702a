"""
`python -m conformance.mutants.collecting`: every requirement with its scenarios, as JSON.

Prints requirement id to node ids on standard output; what pytest says goes to standard
error. The exit code is pytest's.
"""

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

import conformance
from conformance.requirements import Requirement
from conformance.run.suite import suite_root


class Collector:
    """A plugin of pytest that only looks."""

    def __init__(self) -> None:
        self.proving: dict[str, list[str]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            proved = [one for mark in item.iter_markers("proves") for one in mark.args]
            for id_ in dict.fromkeys(one.id for one in proved if isinstance(one, Requirement)):
                self.proving.setdefault(id_, []).append(item.nodeid)


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
    print(json.dumps(collector.proving))
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
