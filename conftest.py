"""
Options of the tests of the harness; `tests/` compares real parts with the same recordings.

They stand at the root because pytest reads options of the root's conftest only, and
accepts `pytester`, which runs our plugin in sessions of its own, from there only.
`--kubeconfig FILE`, an option of the plugin, names a cluster for the tests of the API.
"""

import pytest

pytest_plugins = ["pytester"]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("real parts", "tests of the harness against real parts")
    group.addoption(
        "--agent",
        metavar="PATH",
        help="ask this agent binary what was recorded of AWS's, instead of ours",
    )
    group.addoption(
        "--webhook",
        metavar="URL",
        help="ask the webhook at this URL what was recorded of AWS's, instead of ours",
    )
