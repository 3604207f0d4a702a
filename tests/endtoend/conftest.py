"""
The whole chain, through the command line.

An environment takes three seconds to start and a run on it six, so one environment is
shared by all tests of a worker; those that are about starting one have their own.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance import targets
from conformance.environment import Environment
from conformance.events import EventLog
from conformance.run.options import new_run
from tests.endtoend.command import Command


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of it is long; whoever collects this folder collects others, too."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker("long")


@pytest.fixture(scope="session")
def running() -> Iterator[Environment]:
    """An emulated EKS; it ends with this process at the latest."""
    log = EventLog(None)
    environment = targets.start("embedded", targets.TargetOptions(run=new_run()), log)
    try:
        yield environment
    finally:
        targets.stop(environment, log)


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    return Command(tmp_path_factory.mktemp("runs"))
