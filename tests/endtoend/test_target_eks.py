"""
`--target eks` from end to end, on an emulation that it takes for the real one.

What it is given is what a person has for a real account: variables of the SDKs, the name
of a cluster, a profile of a second account, and a provider that Terraform itself starts.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from conformance import targets
from conformance.environment import Capability, Environment
from conformance.errors import HarnessError
from conformance.events import EventLog
from conformance.requirements import Level
from conformance.run.options import new_run
from conformance.targets import TargetOptions, eks
from conformance.terraform.provider.mirror import write_mirror
from conformance.world.kube import Kube
from tests.endtoend.command import Command, Ran


@pytest.fixture
def variables(running: Environment, tmp_path: Path) -> dict[str, str]:
    """Of somebody whose AWS is the emulated one."""
    aws = running.aws
    assert aws.endpoint
    assert aws.access_key_id
    assert aws.secret_access_key
    assert aws.other
    profiles = tmp_path / "credentials"
    profiles.write_text(
        "[second]\n"
        f"aws_access_key_id = {aws.other.access_key_id}\n"
        f"aws_secret_access_key = {aws.other.secret_access_key}\n"
    )
    profiles.chmod(0o600)
    return {
        "AWS_ENDPOINT_URL": aws.endpoint,
        "AWS_ACCESS_KEY_ID": aws.access_key_id,
        "AWS_SECRET_ACCESS_KEY": aws.secret_access_key,
        "AWS_SHARED_CREDENTIALS_FILE": str(profiles),
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def options(running: Environment, **more: object) -> TargetOptions:
    given = TargetOptions(
        run=new_run(),
        cluster=running.cluster.name,
        region=running.aws.region,
        probe_image=running.probe_image,
    )
    return TargetOptions(**{**vars(given), **more})


def test_a_cluster_that_is_there_is_looked_up(
    running: Environment, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    asked = options(running, other_profile="second", allow=frozenset({Capability.HAZARDS}))
    found = targets.start("eks", asked, EventLog(None))
    try:
        assert found.cluster.arn == running.cluster.arn
        assert found.aws.other is not None
        assert running.aws.other is not None
        assert found.aws.other.account_id == running.aws.other.account_id
        assert (found.aws.secret_access_key, found.aws.other.secret_access_key) == (None, None)
        assert Capability.HAZARDS in found.capabilities
        assert Capability.LOAD not in found.capabilities
        assert eks.ALWAYS < found.capabilities <= eks.AT_MOST
        assert found.aws.organization == running.aws.organization
        nodes = Kube(found.cluster.kubeconfig, found.cluster.context).get("/api/v1/nodes")
        assert len(nodes["items"]) == 3
    finally:
        targets.stop(found, EventLog(None))
    assert not found.folder.exists()


def test_a_second_account_that_is_closed_is_named(
    running: Environment, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(HarnessError, match="--other-profile third"):
        targets.start("eks", options(running, other_profile="third"), EventLog(None))


@pytest.fixture
def as_a_user(
    running: Environment, variables: dict[str, str], command: Command, tmp_path: Path
) -> Callable[..., Ran]:
    """`conformance run --target eks` of these scenarios, with what a person has."""
    mirror = write_mirror(tmp_path).parent / "mirror"

    def run(*arguments: str) -> Ran:
        return command.run(
            *arguments,
            *("-n", "2", "--target", "eks"),
            *("-k", f"not {ASKS_EC2}"),
            *("--cluster", running.cluster.name, "--region", running.aws.region),
            *("--probe-image", running.probe_image, "--provider", f"mirror={mirror}"),
            **variables,
        )

    return run


ASKS_EC2 = "own_nodes"
"""A real account's nodes are looked up in EC2, which is not emulated: there it is an error."""
SECOND_ACCOUNT = "needs a second account"
"""The built-in provider reads no profiles, so here there is none."""


def without_a_word(ran: Ran) -> dict[str, str]:
    """The skipped requirements whose reason does not say what target eks lacks."""
    skipped = {one.id: one.reason for one in ran.report.requirements if one.verdict == "skipped"}
    return {id_: why for id_, why in skipped.items() if "which target eks does not have" not in why}


def test_scenarios_run_there_or_say_what_is_missing(as_a_user: Callable[..., Ran]) -> None:
    ran = as_a_user("scenarios/test_trust_policy.py", "scenarios/test_best_practices.py")

    report = ran.report
    assert {verdict for verdict, _ in ran.selected.values()} == {"passed", "skipped"}, ran.said
    skipped = {one.id: one.reason for one in report.requirements if one.verdict == "skipped"}
    assert without_a_word(ran) == {}
    assert "planted only with --allow hazards" in skipped["posture.wildcard"]
    assert {
        "trust.tag-session",
        "trust.service",
        "trust.source-arn",
        "trust.source-org",
    }.isdisjoint(skipped)
    assert report.ledger
    assert not [world.left for world in report.ledger if world.left]
    bounded = [one for one in report.timings if one.what in ("terraform", "pod")]
    assert bounded
    assert all(one.bound_seconds for one in bounded)


@pytest.mark.proof
def test_whole_suite_runs_there_or_says_what_is_missing(as_a_user: Callable[..., Ran]) -> None:
    """With all that an owner may allow: what is skipped of the core wants a second account."""
    ran = as_a_user("--allow", "hazards", "--allow", "load")

    told = ran.report.requirements
    assert {one.id: one.reason for one in told if one.verdict not in ("passed", "skipped")} == {}
    assert without_a_word(ran) == {}
    unproved = [one for one in told if one.level == Level.CORE and one.verdict == "skipped"]
    assert {one.id: one.reason for one in unproved if SECOND_ACCOUNT not in one.reason} == {}
    assert ran.code == 4
    assert not [world.left for world in ran.report.ledger if world.left]
