import inspect
import re
from pathlib import Path

import pytest

from conformance import targets
from conformance.cli.environments import up
from conformance.cluster.agent.profiles import DEFAULT_VERSION, PROFILES
from conformance.emulator.behaviour import Behaviour
from conformance.environment import Capability
from conformance.errors import UsageError
from conformance.events import EventLog
from conformance.run.lifecycle import target_options
from conformance.run.marked import why_skipped
from conformance.run.options import OPTIONS
from conformance.run.settings import Settings
from conformance.targets import TargetOptions
from tests.targets.test_own import described


def wanting(version: str) -> TargetOptions:
    return TargetOptions(run="r1", behaviour=Behaviour(agent_version=version))


def test_unknown_release_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(UsageError, match=r"9\.9\.9") as refused:
        targets.start("embedded", wanting("9.9.9"), EventLog(None))
    for version in PROFILES:
        assert version in str(refused.value)


def test_target_with_agents_of_its_own_takes_no_release() -> None:
    with pytest.raises(UsageError, match=r"--agent-version 0\.1\.37: target eks"):
        targets.start("eks", wanting("0.1.37"), EventLog(None))


def test_environment_that_is_there_keeps_its_release(tmp_path: Path) -> None:
    environment = described(tmp_path)
    environment.write()
    with pytest.raises(UsageError, match=r"--agent-version 0\.2\.1: an environment"):
        Settings.of({"environment": environment.file, "agent_version": "0.2.1"})


def test_release_of_a_run_reaches_the_target_and_the_command_that_runs_it_again() -> None:
    settings = Settings.of({"agent_version": "0.2.1"})
    assert target_options(settings, "r1").behaviour == Behaviour(agent_version="0.2.1")
    assert "--agent-version 0.2.1" in settings.reproduce("scenarios/test_agent.py", 1)


def test_without_the_option_it_is_the_usual_one() -> None:
    behaviour = target_options(Settings(), "r1").behaviour
    assert behaviour.agent_version == DEFAULT_VERSION
    assert "agent_version" not in behaviour.model_fields_set


def test_promise_of_a_later_release_is_skipped_with_a_sentence() -> None:
    why = why_skipped((Capability.LOCAL_VALIDATION,), frozenset(), "embedded")
    assert why is not None
    assert why.startswith("needs local-validation, which target embedded does not have here: ")
    assert "--agent-version" in why


def test_help_names_every_release() -> None:
    told = [option.help for option in OPTIONS if option.field == "agent_version"]
    told.append(inspect.getsource(up))
    for text in told:
        assert set(re.findall(r"\d+\.\d+\.\d+", text)) == set(PROFILES)
        assert f"{DEFAULT_VERSION} (default)" in text
