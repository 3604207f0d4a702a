import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance import targets
from conformance.cli import main, split_arguments
from conformance.cli.environments import guide
from conformance.environment import Aws, Cluster, Environment
from conformance.events import (
    EventLog,
    RunFinished,
    RunStarted,
    ScenarioFinished,
    SuiteCollected,
    Verdict,
)
from conformance.requirements import catalogue
from conformance.targets import TargetOptions
from conformance.targets.env_file import write_env

SECRET = "a-secret-that-must-not-be-printed"
Conformance = Callable[..., int]


@pytest.fixture
def conformance(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Conformance:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["conformance", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    return run


COMMANDS = ("run", "up", "down", "report", "doctor", "requirements")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_with_an_example(
    conformance: Conformance, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert conformance(command, "--help") == 0
    assert f"\n  conformance {command}" in capsys.readouterr().out


def test_no_command_shows_what_there_is(
    conformance: Conformance, capsys: pytest.CaptureFixture[str]
) -> None:
    assert conformance() == 2
    said = capsys.readouterr()
    assert all(command in said.out + said.err for command in COMMANDS)


@pytest.mark.parametrize("arguments", [("fly",), ("run", "--no-such-option"), ("run", "-n", "x")])
def test_unknown_words_exit_2(conformance: Conformance, arguments: tuple[str, ...]) -> None:
    assert conformance(*arguments) == 2


def test_two_dashes_split_our_arguments_from_pytests() -> None:
    assert split_arguments(["run", "-k", "x", "--", "-p", "y"]) == (["run", "-k", "x"], ["-p", "y"])


def test_requirements_as_json_are_complete(
    conformance: Conformance, capsys: pytest.CaptureFixture[str]
) -> None:
    assert conformance("requirements", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["id"] for one in told] == list(catalogue())
    assert all(all(one.values()) for one in told)


def test_requirements_are_found_by_words_and_profile(
    conformance: Conformance, capsys: pytest.CaptureFixture[str]
) -> None:
    conformance("requirements", "signed", "key", "--profile", "separation", "--json")
    told = json.loads(capsys.readouterr().out)
    assert [one["id"] for one in told] == ["separation.foreign-signature"]


def test_requirements_as_markdown_name_their_sources(
    conformance: Conformance, capsys: pytest.CaptureFixture[str]
) -> None:
    conformance("requirements", "--markdown")
    page = capsys.readouterr().out
    assert all(f"- Source: {one.source}" in page for one in catalogue().values())


@pytest.mark.parametrize(
    ("options", "holds"),
    [
        (("--level", "core"), lambda one: one["level"] == "core"),
        (("--stage", "sts", "--profile", "trust"), lambda one: one["stage"] == "sts"),
        (("--target", "eks"), lambda one: "eks" in one["targets"]),
        (("--target", "kind", "token"), lambda one: "kind" in one["targets"]),
    ],
)
def test_requirements_are_chosen_by_one_field(
    conformance: Conformance,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    holds: Callable[[dict[str, str]], bool],
) -> None:
    assert conformance("requirements", "--json", *options) == 0
    told = json.loads(capsys.readouterr().out)
    assert told
    assert len(told) < len(catalogue())
    assert all(map(holds, told))


def test_requirements_as_a_table_name_their_sources_when_asked(
    conformance: Conformance, capsys: pytest.CaptureFixture[str]
) -> None:
    conformance("requirements", "s3.read.write")
    assert "least privilege" not in capsys.readouterr().out
    conformance("requirements", "s3.read.write", "--sources")
    assert "least privilege" in capsys.readouterr().out


@pytest.mark.parametrize(
    "asked",
    [
        ("teleportation",),
        ("token", "--stage", "cloud"),
        ("--target", "gke"),
        ("s3.read.write", "--stage", "agent"),
    ],
)
def test_no_such_requirement_exits_2(conformance: Conformance, asked: tuple[str, ...]) -> None:
    assert conformance("requirements", *asked) == 2


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "reports" / "r1"
    log = EventLog(folder / "events-main.ndjson")
    one = {"id": "a.one", "level": "core", "stage": "iam", "title": "One holds"}
    texts = ("promise", "rationale", "source", "since", "aws_validated")
    log.append(
        RunStarted(
            run="r1",
            suite_version="0",
            target="embedded",
            stack="aws",
            provider="",
            seed=1,
            faults=[],
            command="conformance run",
            profile="all",
        )
    )
    log.append(
        SuiteCollected(
            scenarios={"t.py::x": ["a.one"]},
            left_out={},
            selection="",
            expected=["a.one"],
            requirements=[one | dict.fromkeys(texts, "-")],
            divergences={},
        )
    )
    log.append(
        ScenarioFinished(
            scenario="t.py::x",
            requirements=["a.one"],
            verdict=Verdict.FAILED,
            stage="iam",
            message="broken",
            seconds=1,
            reproduce="again",
        )
    )
    log.append(RunFinished(exit_code=1, interrupted=False, seconds=2))
    return folder


def test_report_is_made_again_from_events(
    conformance: Conformance, run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert conformance("report", str(run_folder), "--format", "junit", "--format", "text") == 0
    assert {path.name for path in run_folder.iterdir()} == {
        "events-main.ndjson",
        "junit.xml",
        "report.txt",
    }
    assert "FAILED  1 of 1 required promise is broken" in capsys.readouterr().out


def test_report_of_nothing_exits_2(conformance: Conformance, tmp_path: Path) -> None:
    assert conformance("report", str(tmp_path)) == 2


def test_unknown_format_exits_2(conformance: Conformance, run_folder: Path) -> None:
    assert conformance("report", str(run_folder), "--format", "pdf") == 2


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    folder = tmp_path / "environment"
    folder.mkdir(mode=0o700)
    made = Environment(
        target="embedded",
        folder=folder,
        aws=Aws(
            region="eu-west-1",
            account_id="1",
            endpoint="http://127.0.0.1:4566",
            access_key_id="AKID",
            secret_access_key=SECRET,
        ),
        cluster=Cluster(name="c", arn="a", kubeconfig=folder / "kubeconfig", context="c"),
        capabilities=frozenset(),
        network="root",
        probe_image="p",
        provider="embedded",
        parts={},
        admin_socket=folder / "aws.sock",
    )
    made.write()
    return made


class Pretended:
    DESCRIPTION = "pretended"

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.stopped = 0

    def start(self, options: TargetOptions, log: EventLog, *, lifeline: bool) -> Environment:
        assert not lifeline, "an environment that is left running outlives us"
        return self.environment

    def stop(self, environment: Environment, log: EventLog) -> None:
        assert environment == self.environment
        self.stopped += 1


@pytest.fixture
def pretended(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Pretended:
    target = Pretended(environment)
    monkeypatch.setitem(targets.TARGETS, "embedded", target)
    return target


def test_up_says_how_to_reach_it_and_down_stops_it(
    conformance: Conformance, pretended: Pretended, capsys: pytest.CaptureFixture[str]
) -> None:
    assert conformance("up") == 0
    said = capsys.readouterr().out
    assert ". .conformance/env" in said
    assert SECRET not in said
    assert Path(".conformance/environment.json").is_file()
    assert conformance("down") == 0
    assert pretended.stopped == 1
    assert not Path(".conformance").is_symlink()


def test_second_up_in_a_folder_is_refused(conformance: Conformance, pretended: Pretended) -> None:
    conformance("up")
    assert conformance("up") == 2


def test_down_without_environment_exits_2(conformance: Conformance) -> None:
    assert conformance("down") == 2


def test_down_of_what_has_gone_says_so(
    conformance: Conformance, pretended: Pretended, capsys: pytest.CaptureFixture[str]
) -> None:
    conformance("up")
    pretended.environment.file.unlink()
    assert conformance("down") == 0
    assert "gone already" in capsys.readouterr().out


def test_env_is_private_and_takes_ambient_profiles_away(environment: Environment) -> None:
    path = write_env(environment)
    assert path.stat().st_mode & 0o777 == 0o600
    assert "unset AWS_PROFILE AWS_SESSION_TOKEN" in path.read_text()
    assert SECRET in path.read_text()
    assert SECRET not in guide(environment)


def test_trouble_of_ours_exits_3(
    conformance: Conformance, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "environment.json").write_text("{}")
    assert conformance("down", "--environment", "environment.json") == 3
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "  try: conformance down, then conformance up" in said
