"""
`--target eks` from end to end, on an emulation that it takes for the real one.

What it is given is what a person has for a real account: variables of the SDKs, the name
of a cluster, a profile of a second account, and a provider that Terraform itself starts.
"""

from pathlib import Path

import pytest

from conformance import targets
from conformance.environment import Capability, Environment
from conformance.errors import HarnessError
from conformance.events import EventLog
from conformance.run.options import new_run
from conformance.targets import TargetOptions
from conformance.terraform.provider.mirror import write_mirror
from conformance.world.kube import Kube
from tests.endtoend.command import Command


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


def test_scenarios_run_there_or_say_what_is_missing(
    running: Environment, variables: dict[str, str], command: Command, tmp_path: Path
) -> None:
    mirror = write_mirror(tmp_path).parent / "mirror"
    ran = command.run(
        *("scenarios/test_trust_policy.py", "scenarios/test_best_practices.py"),
        *("-n", "2", "--target", "eks"),
        *("--cluster", running.cluster.name, "--region", running.aws.region),
        *("--probe-image", running.probe_image, "--provider", f"mirror={mirror}"),
        **variables,
    )

    report = ran.report
    assert {verdict for verdict, _ in ran.selected.values()} == {"passed", "skipped"}, ran.said
    skipped = {one.id: one.reason for one in report.requirements if one.verdict == "skipped"}
    assert all("which target eks does not have here" in why for why in skipped.values()), skipped
    assert "planted only with --allow hazards" in skipped["posture.wildcard"]
    assert {
        "trust.tag-session",
        "trust.service",
        "trust.source-arn",
        "trust.source-org",
    }.isdisjoint(skipped)
    assert report.ledger
    assert not [world.left for world in report.ledger if world.left]
