import json
import sys
from pathlib import Path
from typing import Literal

import pytest

from conformance import doctor
from conformance.cli import main
from conformance.cluster.nodes import preflight
from conformance.cluster.nodes.preflight import Findings
from conformance.errors import HarnessError
from conformance.fidelity import parts


def found(tier: Literal["root", "userns", "loopback"], bubblewrap: str = "/bin/bwrap") -> Findings:
    return {
        "tier": tier,
        "reasons": {"root": "not root"},
        "bubblewrap": bubblewrap,
        "bubblewrap_reason": "" if bubblewrap else "neither package nor program",
    }


@pytest.mark.parametrize("tier", ["root", "userns"])
def test_own_networks_lack_nothing(tier: Literal["root", "userns"]) -> None:
    assert [one.state for one in doctor.pods(lambda: found(tier))] == ["ok", "ok"]


def test_every_lack_says_cost_and_mending() -> None:
    lacks = doctor.pods(lambda: found("loopback", bubblewrap=""))
    lacks.append(doctor.terraform({"PATH": "/nowhere", "CONFORMANCE_TERRAFORM": "no-such-engine"}))
    assert [one.state for one in lacks] == ["lacks"] * 3
    assert all(one.costs and one.mend for one in lacks)
    assert "partial" in lacks[0].costs
    assert "not root" in lacks[0].found


def test_trial_that_dies_is_a_finding() -> None:
    def dies() -> Findings:
        raise HarnessError("preflight: the trial died", saw="no sockets")

    (finding,) = doctor.pods(dies)
    assert (finding.state, "no sockets" in finding.found) == ("lacks", True)


def test_missing_aws_cli_says_what_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.pods_of_the_aws_cli().state == "ok"
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    finding = doctor.pods_of_the_aws_cli()

    assert (finding.state, finding.mend) == ("note", "pip install awscli")


def test_credentials_are_named_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text("aws_secret_access_key = hidden")
    given = {"AWS_SECRET_ACCESS_KEY": "hidden", "HOME": str(tmp_path)}
    finding = doctor.credentials(given)
    assert finding.state == "note"
    assert "AWS_SECRET_ACCESS_KEY" in finding.found
    assert ".aws/credentials" in finding.found
    assert "hidden" not in finding.found


def test_no_credentials_is_fine(tmp_path: Path) -> None:
    assert doctor.credentials({"HOME": str(tmp_path)}).state == "ok"


def test_absent_tools_say_what_they_cost() -> None:
    found = {one.name: one for one in doctor.examine({"PATH": "/nowhere"})}

    assert {found[name].state for name in ("kubectl", "aws")} == {"note"}
    assert "is skipped" in found["kubectl"].costs
    assert "no scenario does" in found["aws"].costs


def test_mirror_is_found_by_its_variable(tmp_path: Path) -> None:
    (tmp_path / "registry.terraform.io" / "hashicorp" / "aws").mkdir(parents=True)
    finding = doctor.provider({"CONFORMANCE_PROVIDER_MIRROR": str(tmp_path)})
    assert f"mirror={tmp_path}" in finding.found


def test_real_cluster_names_what_is_missing(tmp_path: Path) -> None:
    finding = doctor.real_cluster({"HOME": str(tmp_path), "AWS_REGION": "eu-west-1"})
    assert "credentials" in finding.found
    assert "--region" not in finding.found


def test_doctor_exits_0_and_speaks_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(preflight, "detect", lambda: found("loopback"))
    monkeypatch.setattr(sys, "argv", ["conformance", "doctor", "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    names = [one["name"] for one in json.loads(capsys.readouterr().out)]
    assert names[:4] == ["network", "sandbox", "terraform", "provider"]


def _run(monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    monkeypatch.setattr(sys, "argv", ["conformance", "doctor", *options])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code


def test_fidelity_names_every_part_and_what_is_not_emulated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(monkeypatch, "--fidelity")
    told = capsys.readouterr().out
    for part in parts():
        assert f"\n{part.name}\n" in f"\n{told}"
        assert all(gap.says in told for gap in part.gaps)


def test_fidelity_speaks_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(monkeypatch, "--fidelity", "--json")
    told = json.loads(capsys.readouterr().out)
    assert [part["id"] for part in told] == [part.id for part in parts()]
    assert all(part["gaps"][0]["says"] and part["checks"] for part in told)
